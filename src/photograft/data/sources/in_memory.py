"""Photos in memory, or paths of some, with their labels beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from photograft.core.arrays import Array
from photograft.core.errors import SourceError
from photograft.core.files import printable
from photograft.core.text import count as counted
from photograft.data.photo_inputs import understand
from photograft.data.sources.base import Item, Listing, SkippedFile, make_listing, split_name
from photograft.data.sources.frames import texts
from photograft.data.sources.labels import read_class_names, read_labels
from photograft.data.sources.manifest import check_splits, group_notes
from photograft.data.sources.table_rows import Rows


def read_in_memory(
    X: Any, y: Any, *, class_names: Any = None, groups: Any = None, splits: Any = None
) -> Listing:
    """List photos in memory, in their order.

    Args:
        X: The photos, as `understand` takes them.
        y: The label of each: text, whole numbers or bools, shape ``(n,)``; one may be empty.
        class_names: What whole numbers stand for, the first that of 0; themselves where not given.
        groups: The group of each photo; one may be empty.
        splits: The split of each photo; all may be empty.

    Returns:
        The listing, of kind ``"memory"``. Each photo is called by its number, and its path where it
        has one.

    Raises:
        InputError: `X` holds no photos.
        SourceError: The others do not fit it, or hold something else.
    """
    photos = understand(X)
    count = len(photos)
    names = (
        [] if class_names is None else read_class_names(np.array(texts(class_names, "class_names")))
    )
    labels = _labels(y)
    found = read_labels("y", labels, count, names)
    rows = Rows("X[{}]")
    rows.extend(
        number=range(count),
        path=[photo.name for photo in photos],
        label=found,
        split=_beside(splits, "splits", count),
        group=_beside(groups, "groups", count),
    )
    has_splits = check_splits(rows, "X", "splits")
    width = max(6, len(str(count - 1)))
    items: list[Item] = []
    skipped: list[SkippedFile] = []
    for i, (photo, row) in enumerate(zip(photos, rows, strict=True)):
        # With its number first: sorted by their names, photos are in the order of X.
        name = f"{i:0{width}}" + (f"/{printable(photo.name)}" if photo.is_path else "")
        if row.label:
            split = split_name(row.split) if has_splits else None
            group = row.group or None
            pixels = not photo.is_path
            items.append(Item(name, row.label, split, group, photo.read, is_pixels=pixels))
        else:
            skipped.append(SkippedFile(name, "no label", f"y[{i}] is empty"))
    if not items:
        raise SourceError("all labels are empty", expected="the name of a class for each photo")
    notes = group_notes(rows)
    if names and labels.dtype.kind == "U":
        notes.append("class_names was not used, since the labels are names already")
    return make_listing("memory", items, skipped, notes)


def _labels(y: Any) -> Array:
    """Return labels as an array of numbers, bools or text."""
    try:
        array = np.asarray(y)
    except Exception as error:  # rows of different lengths, a tensor on another device
        raise SourceError(
            "y holds no labels", expected="one label for each photo", got=str(error)
        ) from error
    if array.dtype.kind != "O" or array.ndim != 1:
        return array
    values = array.tolist()
    if all(isinstance(value, int) for value in values):
        return np.array(values)
    return np.array(texts(values, "y"))


def _beside(values: Any, name: str, count: int) -> list[str]:
    """Return what is given for each photo, as text; empty where nothing is."""
    if values is None:
        return [""] * count
    found = texts(values, name)
    if len(found) != count:
        raise SourceError(
            f"{name} does not fit X",
            expected=f"{counted(count, 'value')} for {counted(count, 'photo')}",
            got=f"{len(found):,}",
        )
    return found
