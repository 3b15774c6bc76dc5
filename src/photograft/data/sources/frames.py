"""Photos named by the rows of a table in memory: of pandas, PyArrow, or columns by name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from photograft.core.errors import SourceError, described
from photograft.data.sources.base import Listing
from photograft.data.sources.manifest import list_rows
from photograft.data.sources.manifest_places import Places
from photograft.data.sources.table_rows import Rows, cell_text

#: The names that columns have where they are not given, by what they hold.
DEFAULT_COLUMNS = {"path": "path", "label": "label", "split": "split", "group": "group"}

_EXPECTED = "a DataFrame, a PyArrow table, or a mapping of names to columns"
_NESTED = (list, tuple, set, dict, np.ndarray)


def read_frame(
    frame: Any, columns: Mapping[str, str | None], root: str | os.PathLike[str] | None
) -> Listing:
    """List the photos that a table in memory names.

    Its rows are treated as those of a manifest.

    Args:
        frame: A DataFrame, a PyArrow table, or a mapping of names to columns.
        columns: The names of the columns that hold ``"path"``, ``"label"``, ``"split"`` and
            ``"group"``. The last two may be None, and may be missing where their name is the one
            of `DEFAULT_COLUMNS`.
        root: What paths are relative to; the current folder where not given.

    Returns:
        The listing, of kind ``"table"``.

    Raises:
        SourceError: It is no table, lacks a column, or its rows can't be used; see `list_rows`.
    """
    available = _names(frame)
    found: dict[str, list[str]] = {}
    for what, name in columns.items():
        if name is not None and available.count(name) == 1:
            found[what] = texts(frame[name], f"the column {name!r}", paths=what == "path")
        elif name in available:
            raise SourceError(
                f"the table has {available.count(name)} columns named {name!r}",
                expected="one",
                fix="Rename the others.",
            )
        elif what in ("path", "label") or name not in (None, DEFAULT_COLUMNS[what]):
            raise SourceError(
                f"the table has no column {name!r}",
                expected=f"a column with the {what} of each photo",
                got=", ".join(repr(name) for name in available[:20]) or "no columns",
                fix=f"Say which it is: {what}=NAME.",
            )
    lengths = {columns[what]: len(cells) for what, cells in found.items()}
    if len(set(lengths.values())) > 1:
        raise SourceError(
            "the columns of the table are of different lengths",
            expected="one value in each for each photo",
            got=", ".join(f"{count:,} in {name!r}" for name, count in lengths.items()),
        )
    if not found["path"]:
        raise SourceError("the table has no rows", expected="one row for each photo")
    blank = [""] * len(found["path"])
    rows = Rows("row {}")
    rows.extend(
        number=range(1, len(blank) + 1),
        **{what: found.get(what, blank) for what in DEFAULT_COLUMNS},
    )
    places = Places(Path(os.path.expanduser(root or "")).absolute())
    return list_rows(rows, places, kind="table", shown="the table", root_is="root")


def texts(values: Any, place: str, *, paths: bool = False) -> list[str]:
    """Return the values of a column as text, each as `cell_text` gives it.

    Args:
        values: A sequence, an array, or a column of pandas or PyArrow.
        place: What errors call it.
        paths: Whether they are paths, which need not be valid Unicode.

    Raises:
        SourceError: It is no column of plain values.
    """
    cells = _cells(values, place)
    nested = next((cell for cell in cells if isinstance(cell, _NESTED)), None)
    if nested is not None:
        raise SourceError(
            f"{place} holds no plain values",
            expected="one text or number for each photo",
            got=f"values such as {nested!r:.60}",
        )
    try:
        found = [cell_text(cell) for cell in cells]
        for text in found:
            _ = os.fsencode(text) if paths else text.encode()
    except UnicodeError as error:
        raise SourceError(
            f"{place} holds text that is not valid Unicode", got=str(error)
        ) from error
    return found


def _names(frame: Any) -> list[Any]:
    """Return the names of a table's columns."""
    names = getattr(frame, "column_names", None)  # PyArrow's, whose `columns` are the values
    if names is None:
        names = getattr(frame, "columns", None)
    if names is None and isinstance(frame, Mapping):
        names = frame.keys()
    if names is None or not isinstance(names, Iterable) or not hasattr(frame, "__getitem__"):
        is_path = isinstance(frame, (str, os.PathLike))
        raise SourceError(
            "this is no table",
            expected=_EXPECTED,
            got=described(frame),
            fix="A file with such a table is read by Dataset.load." if is_path else "",
        )
    return list(names)


def _cells(values: Any, place: str) -> list[Any]:
    for method in ("to_pylist", "tolist", "to_list"):
        if callable(convert := getattr(values, method, None)):
            values = convert()
            break
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise SourceError(
            f"{place} is no column",
            expected="one value for each photo",
            got=described(values),
        )
    return list(values)
