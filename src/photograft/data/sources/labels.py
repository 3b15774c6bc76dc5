"""Labels from arrays of numbers or text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from photograft.core.arrays import Array
from photograft.core.errors import SourceError
from photograft.core.text import count as counted

_EXPECTED = "one label for each image: whole numbers, text or bools of shape (n,) or (n, 1)"


def read_class_names(array: Array) -> list[str]:
    """Return the names that whole-number labels stand for.

    Args:
        array: The array ``class_names``.

    Returns:
        The names, the first that of label 0.

    Raises:
        SourceError: It is no list of text, or a name is empty or comes twice.
    """
    expected = "a one-dimensional array of text, the first the name of class 0"
    if array.ndim != 1 or array.dtype.kind not in "US":
        raise SourceError(
            "class_names is no list of names",
            expected=expected,
            got=f"dtype {array.dtype} of shape {array.shape}",
        )
    names = _texts("class_names", array)
    if "" in names:
        raise SourceError(
            "class_names holds an empty name", expected=expected, got=f"none at {names.index('')}"
        )
    twice = sorted(name for name in set(names) if names.count(name) > 1)
    if twice:
        raise SourceError(
            f"class_names holds {twice[0]!r} {names.count(twice[0])} times",
            expected="a name for each class that no other has",
        )
    return names


def read_labels(name: str, array: Array, count: int, class_names: Sequence[str]) -> list[str]:
    """Return the labels of an array as text, stripped; one may be empty.

    Args:
        name: The array's name, for errors.
        array: The array.
        count: How many images there are.
        class_names: What whole numbers stand for; empty where they stand for themselves.

    Returns:
        One label for each image.

    Raises:
        SourceError: The array holds something else than one label for each image, or a number
            for which there is no name.
    """
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and array.dtype.kind in "uifb":
        raise SourceError(
            f"{name} holds {array.shape[1]} values for each image",
            expected=_EXPECTED,
            got=f"shape {array.shape}",
            fix=f"If it is one-hot, take {name}.argmax(axis=1).",
        )
    if array.ndim != 1 or array.dtype.kind not in "uifbUS":
        raise SourceError(
            f"{name} holds no labels",
            expected=_EXPECTED,
            got=f"dtype {array.dtype} of shape {array.shape}",
        )
    if len(array) != count:
        raise SourceError(
            f"{name} does not fit its images",
            expected=f"{counted(count, 'label')} for {counted(count, 'image')}",
            got=counted(len(array), "label"),
        )
    if array.dtype.kind in "US":
        return _texts(name, array)
    if array.dtype.kind == "b" and not class_names:
        return [str(bool(value)) for value in array]
    numbers = _whole_numbers(name, array)
    if not class_names:
        return [str(number) for number in numbers]
    wrong = [number for number in numbers if not 0 <= number < len(class_names)]
    if wrong:
        raise SourceError(
            f"{name} holds {counted(len(wrong), 'label that has', 'labels that have')} no name in "
            "class_names",
            expected=f"0 to {len(class_names) - 1}, for {counted(len(class_names), 'name')}",
            got=f"{min(wrong)} to {max(wrong)}" if len(set(wrong)) > 1 else str(wrong[0]),
        )
    return [class_names[number] for number in numbers]


def _whole_numbers(name: str, array: Array) -> list[int]:
    if array.dtype.kind == "f":
        wrong = ~np.isfinite(array) | (np.floor(array) != array)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise SourceError(
                f"{name} holds {counted(int(wrong.sum()), 'value that is', 'values that are')} no "
                "whole number",
                expected=_EXPECTED,
                got=f"{array[at]:g} at {at}",
            )
    return [int(value) for value in array]


def _texts(name: str, array: Array) -> list[str]:
    try:
        values = [str(v, "utf-8") if isinstance(v, bytes) else str(v) for v in array.tolist()]
        for value in values:
            value.encode()
    except ValueError as error:
        raise SourceError(
            f"{name} holds text that is not valid Unicode",
            got=str(error),
            fix=f"Decode it with its own encoding: np.char.decode({name}, ...).",
        ) from error
    return [value.strip() for value in values]
