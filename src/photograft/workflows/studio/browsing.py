"""Folders of this machine, by name only, for choosing one."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from photograft.core.errors import InputError
from photograft.core.files import printable
from photograft.core.text import natural_key
from photograft.data.sources.tree import is_hidden
from photograft.workflows.studio.photos import SUFFIXES

#: Seconds in which photos are counted.
_PATIENCE = 0.2
_MOST = 2_000


def browse(path: str = "") -> dict[str, Any]:
    """Return the folders in a folder.

    Args:
        path: The folder, absolute; the user's home where it is empty.

    Returns:
        The `path`, its `parent` or None, the names and paths of its `folders`, and `num_photos`:
        files in it and below that are called like photos, as far as they were found at once.

    Raises:
        InputError: There is no such folder, or it can't be read.
    """
    folder = Path(path) if path else Path.home()
    if not folder.is_absolute() or "\0" in path:
        raise InputError("that is no whole path", expected="one like /home/me/photos", got=path)
    folder = Path(os.path.normpath(folder))
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if not is_hidden(e.name) and _is_folder(e)]
    except OSError as error:
        raise InputError(
            f"{printable(folder)} can't be opened", got=error.strerror or str(error)
        ) from error
    shown = [name for name in names if printable(name) == name]
    shown = sorted(shown, key=natural_key)[:_MOST]
    return {
        "path": str(folder),
        "parent": str(folder.parent) if folder.parent != folder else None,
        "folders": [{"name": name, "path": str(folder / name)} for name in shown],
        "num_photos": _num_photos(folder),
    }


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _num_photos(folder: Path) -> int:
    number, deadline = 0, time.monotonic() + _PATIENCE
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden(name)]
        number += sum(
            os.path.splitext(name)[1].lower() in SUFFIXES and not is_hidden(name) for name in names
        )
        if time.monotonic() > deadline:
            break
    return number
