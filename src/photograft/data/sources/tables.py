"""Rows of a manifest, read from CSV or Parquet as text."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from photograft.core.errors import SourceError, first_line
from photograft.core.files import printable
from photograft.core.spreadsheets import open_csv
from photograft.core.text import count

if TYPE_CHECKING:
    from _csv import Reader

PARQUET_MAGIC = b"PAR1"

_REQUIRED = ("path", "label")
_OPTIONAL = ("split", "group")
_EXPECTED = "a header with the columns path and label, and optionally split and group"


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


def read_rows(path: Path, note: Callable[[str], object] = lambda text: None) -> Iterator[Row]:
    """Yield the rows of a CSV or Parquet file, told apart by content.

    Args:
        path: The file.
        note: Told what the user should know of how it was read.

    Yields:
        The rows in the file's order; blank lines are left out.

    Raises:
        SourceError: The file can't be read, or lacks a column.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(PARQUET_MAGIC))
    except OSError as error:
        raise SourceError(
            f"the manifest {printable(path)} can't be read", got=error.strerror or str(error)
        ) from error
    yield from _parquet_rows(path) if magic == PARQUET_MAGIC else _csv_rows(path, note)


def _csv_rows(path: Path, note: Callable[[str], object]) -> Iterator[Row]:
    shown = printable(path)
    try:
        with open_csv(path, (*_REQUIRED, *_OPTIONAL)) as opened:
            if opened.note:
                note(f"{path.name} {opened.note}")
            try:
                yield from _parse_fields(opened.reader, opened.delimiter, shown)
            except csv.Error as error:
                raise SourceError(
                    f"the manifest {shown} is not well-formed CSV",
                    expected='rows whose quotes are closed, and a quote within quotes written ""',
                    got=f"{error} at line {opened.reader.line_num:,}",
                ) from error
    except UnicodeDecodeError as error:
        raise SourceError(
            f"the manifest {shown} is no text",
            expected="CSV in UTF-8, or as Excel saves it (Windows-1252, or UTF-16)",
            got=f"a byte 0x{error.object[error.start]:02x} that is not UTF-8",
            fix="Save it again with the encoding UTF-8.",
        ) from error


def _parse_fields(reader: Reader, delimiter: str, shown: str) -> Iterator[Row]:
    filled = (fields for fields in reader if any(field.strip() for field in fields))
    header = next(filled, None)
    if header is None:
        raise SourceError(f"the manifest {shown} is empty", expected=_EXPECTED)
    columns = _columns(header, shown)
    too_long = 0
    example = ""
    for fields in filled:
        where = f"line {reader.line_num}"
        if any(field.strip() for field in fields[len(header) :]):
            too_long += 1
            example = example or f"{len(fields)} in {where}"
            continue
        cells = {name: fields[at].strip() for name, at in columns.items() if at < len(fields)}
        yield Row(where, *(cells.get(name, "") for name in (*_REQUIRED, *_OPTIONAL)))
    if too_long:
        raise SourceError(
            f"rows of {shown} have more values than its header: {too_long:,} of them",
            expected=f"{count(len(header), 'value')} a row",
            got=example,
            fix=f"Put values that hold a {delimiter!r} in double quotes.",
        )


def _columns(header: Sequence[str], shown: str) -> dict[str, int]:
    """Return where the columns are that a manifest may have."""
    names = [name.strip().lower() for name in header]
    known = (*_REQUIRED, *_OPTIONAL)
    twice = sorted(name for name in known if names.count(name) > 1)
    if twice:
        raise SourceError(
            f"the manifest {shown} has {names.count(twice[0])} columns named {twice[0]}",
            expected=_EXPECTED,
            got=_quoted(header),
            fix="Upper and lower case are the same here; rename one of them.",
        )
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise SourceError(
            f"the manifest {shown} has no column {' or '.join(missing)}",
            expected=_EXPECTED,
            got=_quoted(header),
        )
    return {name: names.index(name) for name in known if name in names}


def _quoted(header: Iterable[str]) -> str:
    names = list(header)
    text = ", ".join(repr(name) for name in names[:20])
    return text + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _parquet_rows(path: Path) -> Iterator[Row]:
    # Slow to import, and needed for this kind of source only.
    import pyarrow as pa
    import pyarrow.parquet as pq

    shown = printable(path)
    try:
        with pq.ParquetFile(path) as table:
            schema = table.schema_arrow
            columns = _columns(schema.names, shown)
            for name, at in columns.items():
                if pa.types.is_nested(schema.field(at).type):
                    raise SourceError(
                        f"the column {schema.names[at]!r} of {shown} holds no plain values",
                        expected=f"one {name} a row, as text or a number",
                        got=f"values of type {schema.field(at).type}",
                    )
            number = 0
            wanted = [schema.names[at] for at in columns.values()]
            for batch in table.iter_batches(columns=wanted):
                values = {
                    name: batch.column(schema.names[at]).to_pylist() for name, at in columns.items()
                }
                blank = [None] * batch.num_rows
                picked = [values.get(name, blank) for name in (*_REQUIRED, *_OPTIONAL)]
                for cells in zip(*picked, strict=True):
                    number += 1
                    yield Row(f"row {number}", *(cell_text(cell) for cell in cells))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"the manifest {shown} can't be read as Parquet",
            got=first_line(error).rstrip("."),
            fix="Write it again; it may have been cut short.",
        ) from error


def cell_text(value: object) -> str:
    """Return a cell as stripped text, empty where it holds nothing.

    >>> cell_text(3.0), cell_text(float("nan")), cell_text(" cat ")
    ('3', '', 'cat')

    Raises:
        UnicodeDecodeError: It is bytes that are not UTF-8.
    """
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
