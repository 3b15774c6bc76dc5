"""A folder of photos without labels, read as a dataset."""

from __future__ import annotations

import glob
import os
from functools import partial
from pathlib import Path

from photograft.core.errors import InputError
from photograft.core.files import printable, read_file
from photograft.core.progress import Progress
from photograft.data.dataset import Dataset
from photograft.data.sources.base import Item, make_listing
from photograft.workflows.predict import expand_inputs


def read_unlabelled(folder: Path, max_pixels: int, progress: Progress) -> Dataset:
    """Return the photos of a folder at every depth; hidden files and linked folders are left out.

    Args:
        folder: It. All labels are empty.
        max_pixels: Photos with more pixels are skipped.
        progress: Told how far it is.

    Raises:
        InputError: It is no folder.
    """
    if not folder.is_dir():
        raise InputError(
            f"{printable(folder)} is no folder",
            expected="a folder with photos",
            fix="Give a folder in place of a pattern."
            if glob.has_magic(os.fspath(folder))
            else "Check its name.",
        )
    items = [
        Item(_name(path, folder), "", None, None, partial(read_file, Path(path)))
        for path in expand_inputs([os.path.abspath(folder)])
    ]
    return Dataset.from_listing(
        folder, make_listing("folder", items), max_pixels=max_pixels, progress=progress
    )


def _name(path: str, folder: Path) -> str:
    """Return what a file is called, relative to the folder; another folder has ``/`` at its end."""
    name = printable(os.path.relpath(path, folder))
    return f"{name}/" if path.endswith(os.sep) else name
