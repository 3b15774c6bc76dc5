"""Copying a small set cut from a large one."""

from __future__ import annotations

import os
from pathlib import Path

from photograft.core.bars import progress_of
from photograft.core.errors import InputError, either
from photograft.core.progress import Watched
from photograft.data.dataset import Dataset
from photograft.data.images import DEFAULT_MAX_PIXELS
from photograft.data.sources.open import open_source
from photograft.data.subsets import LABELS_FROM, check_numbers, check_out, list_by_name, make_subset


def run_subset(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    train: int,
    validation: int,
    test: int,
    start: int = 0,
    label_from: str = "folder",
    max_pixels: int = DEFAULT_MAX_PIXELS,
    empty_classes: str = "error",
    progress: Watched = True,
) -> dict[str, dict[str, int]]:
    """Read a source and copy a subset of it into a new folder.

    Args:
        source: Labelled photos of any kind; see `open_source`.
        out: The new folder.
        train: Photos of each class for training.
        validation: Likewise for validation.
        test: Likewise for the test.
        start: How many usable photos of each class to pass over first.
        label_from: One of `LABELS_FROM`.
        max_pixels: Photos with more pixels are passed over.
        empty_classes: Where no photo of a class can be used, ``"error"``, or ``"drop"`` it.
        progress: Told how far it is.

    Returns:
        As `make_subset`.

    Raises:
        InputError: The numbers can't be used, or the source, or it holds too few photos.
        StorageError: The folder can't be written, or would lie in the source.
    """
    check_numbers(train, validation, test, start)
    check_out(Path(out), source)  # before the photos are read, which takes time
    if label_from not in LABELS_FROM:
        raise InputError(
            "that can't tell a photo's class", expected=either(LABELS_FROM), got=label_from
        )
    watched = progress_of(progress)
    listing = list_by_name(source) if label_from == "name" else open_source(source)
    dataset = Dataset.from_listing(
        source,
        listing,
        max_pixels=max_pixels,
        empty_classes=empty_classes,
        progress=watched,
    )
    return make_subset(
        dataset,
        Path(out),
        train=train,
        validation=validation,
        test=test,
        start=start,
        progress=watched,
    )
