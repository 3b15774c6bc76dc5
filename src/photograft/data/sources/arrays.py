"""Photos in the arrays of an ``.npz`` file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from photograft.core.arrays import Array
from photograft.core.errors import SourceError
from photograft.data.sources.base import Item, Listing, SkippedFile, make_listing, split_name
from photograft.data.sources.labels import read_class_names, read_labels
from photograft.data.sources.npz import Npz
from photograft.data.sources.pixels import check_shape, encode, find_scale

_EXPECTED = "arrays X_train, y_train, X_test, y_test (and X_val, y_val if there are any), or X, y"
_CLASS_NAMES = "class_names"

# The split that an array without the name of one belongs to: the source gives none.
_Split = str | None
_Pairs = dict[_Split, dict[str, str]]


def read_arrays(path: Path) -> Listing:
    """List the images of an ``.npz`` file.

    The images stay on the disk until they are read. Nothing is unpickled.

    Args:
        path: A file with arrays ``X_train``, ``y_train``, ``X_test``, ``y_test`` (and ``X_val``,
            ``y_val``), or ``X``, ``y``, and optionally ``class_names``.

    Returns:
        The listing, of kind ``"arrays"``. Each item reads as a PPM or PGM file.

    Raises:
        SourceError: Arrays are missing, of another type or shape, or don't fit one another.
        StorageError: There is no room to unpack compressed arrays.
    """
    with Npz(path.absolute()) as npz:
        pairs, others = _find_pairs(npz)
        class_names = read_class_names(npz.open(_CLASS_NAMES)) if _CLASS_NAMES in others else []
        images = {pair["x"]: npz.open(pair["x"]) for pair in pairs.values()}
        labels = {pair["y"]: npz.open(pair["y"]) for pair in pairs.values()}
    for name, array in images.items():
        check_shape(name, array)
    texts = {
        pair["y"]: read_labels(pair["y"], labels[pair["y"]], len(images[pair["x"]]), class_names)
        for pair in pairs.values()
    }
    _check_one_kind(labels)
    scale, notes = find_scale(images)
    notes += _notes(others, class_names, labels)
    items: list[Item] = []
    skipped: list[SkippedFile] = []
    for split, pair in pairs.items():
        array = images[pair["x"]]
        width = max(6, len(str(len(array) - 1)))
        for index, label in enumerate(texts[pair["y"]]):
            name = f"{split}/{index:0{width}}" if split else f"{index:0{width}}"
            if label:
                read = partial(encode, array, index, scale)
                items.append(Item(name, label, split, None, read, is_pixels=True))
            else:
                skipped.append(SkippedFile(name, "no label", f"{pair['y']} is empty here"))
    if not items:
        raise SourceError("all labels are empty", expected="the name of a class for each image")
    return make_listing("arrays", items, skipped, notes)


def _find_pairs(npz: Npz) -> tuple[_Pairs, list[str]]:
    """Return the names of images and labels by split, that to learn from first, and the rest."""
    pairs: _Pairs = {}
    others = []
    for name in npz.names:
        match = re.fullmatch(r"([xy])(?:_(\w+))?", name, re.IGNORECASE)
        split = split_name(match[2]) if match and match[2] else None
        if match is None or (match[2] and split is None):
            others.append(name)
            continue
        pair = pairs.setdefault(split, {})
        role = match[1].lower()
        if role in pair:
            raise SourceError(
                f"{npz.shown} holds {pair[role]} and {name}, which mean the same",
                expected=_EXPECTED,
                fix="Save one of them only.",
            )
        pair[role] = name
    halves = [next(iter(pair.values())) for pair in pairs.values() if len(pair) == 1]
    if (
        halves
        or not ("train" in pairs or list(pairs) == [None])
        or (None in pairs and len(pairs) > 1)
    ):
        raise SourceError(
            f"{npz.shown} does not hold the arrays of a labelled set of images",
            expected=_EXPECTED,
            got=", ".join(npz.names) or "no arrays",
            fix=f"There is no counterpart of {halves[0]}." if halves else "",
        )
    ordered = sorted(pairs.items(), key=lambda item: item[0] not in (None, "train"))
    return dict(ordered), others


def _check_one_kind(labels: dict[str, Array]) -> None:
    # Bools become "True", numbers "1": splits that disagree would share no class.
    kinds = {
        {"U": "text", "S": "text", "b": "bool"}.get(a.dtype.kind, "number") for a in labels.values()
    }
    if len(kinds) > 1:
        raise SourceError(
            "the labels are of different types in different arrays",
            expected="the same classes in all of them",
            got=", ".join(f"{name} of {array.dtype}" for name, array in labels.items()),
        )


def _notes(
    others: Sequence[str], class_names: Sequence[str], labels: dict[str, Array]
) -> list[str]:
    ignored = [name for name in others if name != _CLASS_NAMES]
    notes = [f"arrays that were not used: {', '.join(ignored)}"] if ignored else []
    if class_names and next(iter(labels.values())).dtype.kind in "US":
        notes.append("class_names was not used, since the labels are names already")
    return notes
