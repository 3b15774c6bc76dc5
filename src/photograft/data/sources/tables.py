"""Rows of a manifest, read from CSV or Parquet as text."""

from __future__ import annotations

import csv
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from photograft.core.addresses import is_address
from photograft.core.errors import SourceError, first_line
from photograft.core.files import printable
from photograft.core.spreadsheets import open_csv
from photograft.core.text import count
from photograft.data.sources.table_rows import Rows, cell_text

if TYPE_CHECKING:
    from _csv import Reader

PARQUET_MAGIC = b"PAR1"

_REQUIRED = ("path", "label")
_OPTIONAL = ("split", "group")
_EXPECTED = "a header with the columns path and label, and optionally split and group"

_BREAK = re.compile(r"\r\n|\r|\n")
#: So many rows are read at once.
_BATCH = 16_384


def read_rows(path: Path, note: Callable[[str], object] = lambda text: None) -> Rows:
    """Return the rows of a CSV or Parquet file, told apart by content.

    Args:
        path: The file.
        note: Told what the user should know of how it was read.

    Returns:
        The rows in the file's order; blank lines are left out.

    Raises:
        SourceError: The file can't be read, or lacks a column.
    """
    return _parquet_rows(path) if _is_parquet(path) else _csv_rows(path, note)


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
    except OSError as error:
        raise SourceError(
            f"the manifest {printable(path)} can't be read", got=error.strerror or str(error)
        ) from error


def is_manifest(path: str) -> bool:
    """Return whether a file's name is that of a manifest: no photo is called so."""
    return path.lower().endswith((".csv", ".tsv", ".parquet"))


def read_paths(path: Path) -> Iterator[str]:
    """Yield the absolute paths, or addresses, that a manifest names, in its order, one by one.

    Args:
        path: A CSV or Parquet file with a column ``path``. Other columns, and rows without a path,
            are left out.

    Raises:
        SourceError: It can't be read, or lacks the column.
    """
    root = path.absolute().parent
    for batch in path_batches(path):
        yield from (text if is_address(text) else os.fspath(root / text) for text in batch if text)


def path_batches(path: Path) -> Iterator[list[str]]:
    """Yield the column ``path`` of a manifest, many rows at a time; see `read_paths`."""
    shown = printable(path)
    if not _is_parquet(path):
        try:
            with open_csv(path, _REQUIRED) as opened:
                header = next((row for row in opened.reader if _is_filled(row)), [])
                at = _columns(header, shown, ("path",))["path"]
                paths: list[str] = []
                try:
                    for row in opened.reader:
                        paths += [row[at].strip()] if at < len(row) else []
                        if len(paths) == _BATCH:
                            yield paths
                            paths = []
                except csv.Error:
                    yield paths  # what stands before it is whole
                    raise
                yield paths
        except UnicodeDecodeError as error:
            raise _no_text(shown, error) from error
        except csv.Error as error:
            raise SourceError(f"the manifest {shown} can't be read", got=str(error)) from error
        return
    import pyarrow as pa  # slow to import
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file, pq.ParquetFile(file) as table:
            names = table.schema_arrow.names
            name = names[_columns(names, shown, ("path",))["path"]]
            for batch in table.iter_batches(_BATCH, columns=[name], use_threads=False):
                yield [cell_text(cell) for cell in batch.column(0).to_pylist()]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _no_parquet(shown, error) from error


def _csv_rows(path: Path, note: Callable[[str], object]) -> Rows:
    shown = printable(path)
    try:
        with open_csv(path, (*_REQUIRED, *_OPTIONAL)) as opened:
            if opened.note:
                note(f"{path.name} {opened.note}")
            try:
                return _parse_fields(opened.reader, opened.delimiter, shown)
            except csv.Error as error:
                raise SourceError(
                    f"the manifest {shown} is not well-formed CSV",
                    expected='rows whose quotes are closed, and a quote within quotes written ""',
                    got=f"{error} at line {opened.reader.line_num:,}",
                ) from error
    except UnicodeDecodeError as error:
        raise _no_text(shown, error) from error


def _parse_fields(reader: Reader, delimiter: str, shown: str) -> Rows:
    header = next((fields for fields in reader if _is_filled(fields)), None)
    if header is None:
        raise SourceError(f"the manifest {shown} is empty", expected=_EXPECTED)
    columns, found = _columns(header, shown), Rows("line {}")
    wanted = [columns.get(name) for name in (*_REQUIRED, *_OPTIONAL)]
    too_long, example = 0, ""
    last = reader.line_num
    while batch := list(itertools.islice(reader, _BATCH)):
        numbers: Sequence[int] = range(last + 1, last + 1 + len(batch))
        if reader.line_num != numbers[-1]:  # a cell goes over several lines
            ends = itertools.accumulate(1 + len(_BREAK.findall("\0".join(row))) for row in batch)
            numbers = [last + end for end in ends]
        last = reader.line_num
        kept = []
        for number, fields in zip(numbers, batch, strict=True):
            if len(fields) < len(header):
                if not _is_filled(fields):
                    continue
                fields += [""] * (len(header) - len(fields))
            elif len(fields) > len(header) and any(f.strip() for f in fields[len(header) :]):
                too_long += 1
                example = example or f"{len(fields)} in line {number}"
                continue
            kept.append((number, fields))
        cells = [
            [""] * len(kept) if at is None else [fields[at].strip() for _, fields in kept]
            for at in wanted
        ]
        if not all(cells[0]):  # rows without a path, or without anything
            filled = [bool(p) or _is_filled(row[1]) for p, row in zip(cells[0], kept, strict=True)]
            kept = list(itertools.compress(kept, filled))
            cells = [list(itertools.compress(column, filled)) for column in cells]
        found.extend(
            number=[number for number, _ in kept],
            **dict(zip((*_REQUIRED, *_OPTIONAL), cells, strict=True)),
        )
    if too_long:
        raise SourceError(
            f"rows of {shown} have more values than its header: {too_long:,} of them",
            expected=f"{count(len(header), 'value')} a row",
            got=example,
            fix=f"Put values that hold a {delimiter!r} in double quotes.",
        )
    return found


def _is_filled(fields: Sequence[str]) -> bool:
    return any(field.strip() for field in fields)


def _columns(
    header: Sequence[str], shown: str, required: Sequence[str] = _REQUIRED
) -> dict[str, int]:
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
    missing = [name for name in required if name not in names]
    if missing:
        raise SourceError(
            f"the manifest {shown} has no column {' or '.join(missing)}",
            expected=_EXPECTED if "label" in required else "a header with the column path",
            got=_quoted(header),
        )
    return {name: names.index(name) for name in known if name in names}


def _quoted(header: Iterable[str]) -> str:
    names = list(header)
    text = ", ".join(repr(name) for name in names[:20])
    return text + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _parquet_rows(path: Path) -> Rows:
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
            found = Rows("row {}")
            wanted = [schema.names[at] for at in columns.values()]
            for batch in table.iter_batches(batch_size=_BATCH, columns=wanted, use_threads=False):
                values = {
                    name: batch.column(schema.names[at]).to_pylist() for name, at in columns.items()
                }
                blank = [""] * batch.num_rows
                found.extend(
                    number=range(len(found) + 1, len(found) + 1 + batch.num_rows),
                    **{
                        name: [cell_text(cell) for cell in values[name]]
                        if name in values
                        else blank
                        for name in (*_REQUIRED, *_OPTIONAL)
                    },
                )
            return found
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _no_parquet(shown, error) from error


def _no_parquet(shown: str, error: Exception) -> SourceError:
    return _unreadable_parquet(shown, first_line(error).rstrip("."))


def _unreadable_parquet(shown: str, why: str) -> SourceError:
    return SourceError(
        f"{shown} can't be read as Parquet",
        got=why,
        fix="Write it again; it may have been cut short.",
    )


def _no_text(shown: str, error: UnicodeDecodeError) -> SourceError:
    if shown.lower().endswith(".parquet"):
        return _unreadable_parquet(shown, "another beginning than Parquet files have")
    return SourceError(
        f"the manifest {shown} is no text",
        expected="CSV in UTF-8, or as Excel saves it (Windows-1252, or UTF-16)",
        got=f"a byte 0x{error.object[error.start]:02x} that is not UTF-8",
        fix="Save it again with the encoding UTF-8.",
    )
