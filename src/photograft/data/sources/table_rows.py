"""Rows of a table of photos as text, whatever it was read from."""

from __future__ import annotations

import math
import os
from typing import NamedTuple

from photograft.core.columnar import Codes, Column, Numbers, Records, Texts


class Row(NamedTuple):
    """One row, each value stripped text that is empty where there is none.

    Attributes:
        where: Which row it is, such as ``"line 7"``.
        path: The photo's path as it is written.
        label: Its class.
        split: The name of its split.
        group: The name of its group.
    """

    where: str
    path: str
    label: str
    split: str
    group: str


class Rows(Records[Row]):
    """Rows, a column for each of their fields.

    Args:
        where: What a row is called by its number, such as ``"line {}"``.
    """

    def __init__(self, where: str) -> None:
        def make(number: int, *cells: str) -> Row:
            return Row(where.format(number), *cells)

        columns: dict[str, Column] = {
            "number": Numbers(),
            "path": Texts(),
            "label": Codes(),
            "split": Codes(),
            "group": Codes(),
        }
        super().__init__(make, columns)


def cell_text(value: object) -> str:
    """Return a cell as stripped text, empty where it holds nothing.

    >>> cell_text(3.0), cell_text(float("nan")), cell_text(" cat ")
    ('3', '', 'cat')

    Raises:
        UnicodeDecodeError: It is bytes that are not UTF-8.
    """
    if type(value) is str:
        return value.strip()
    # Not by importing pandas: it is no dependency.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, bytes):
        return value.decode("utf-8").strip()
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        # A column of whole numbers becomes one of floats where a value is missing.
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value).strip()
