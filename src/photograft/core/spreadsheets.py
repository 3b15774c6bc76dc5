"""CSV files as spreadsheets want them, and as they save them: one writer and one reader for all.

Written: UTF-8 with a byte-order mark, without which Excel spoils names that are not ASCII. A cell
of text that a spreadsheet would run as a formula has an apostrophe before it. Names of photos do
not: they are the keys by which answers and rows find their photos.

Read: UTF-8 with or without the mark, UTF-16 with one (Excel's "Unicode Text"), and else
Windows-1252 (Excel's "CSV" in Western Europe); with commas, semicolons or tabs between.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from photograft.core.errors import InputError, as_typed, either
from photograft.core.files import new_file

if TYPE_CHECKING:
    from _csv import Reader

#: Writes one row, of which columns that are missing stay empty.
WriteRow = Callable[[Mapping[str, Any]], object]

#: The wide signs are run as well, in Japanese.
_STARTS_FORMULA = re.compile(r"[\t\r\n ]*[=+\-@＝＋－＠]")
#: -5 is a number, and - alone is text, to any spreadsheet.
_HARMLESS = re.compile(r"[+\-]?(\d+([.,]\d+)?)?")

_DELIMITERS = ",;\t"
#: What spreadsheets save by themselves, and nothing here reads or writes.
_WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")
_CHUNK_BYTES = 2**20
_WINDOWS = "cp1252"


def is_workbook(path: Path) -> bool:
    """Return whether a file is a spreadsheet's own, by its name."""
    return path.suffix.lower() in _WORKBOOKS


def no_table(path: Path, suffixes: Sequence[str], fix: str = "") -> InputError:
    """Return the error of a table that is to be written under a name of another kind.

    Args:
        path: The table.
        suffixes: That its name may end in.
        fix: What to do, where it is no spreadsheet's own.
    """
    if is_workbook(path):
        fix = f"Excel and LibreOffice open CSV files: call it {as_typed(path.stem + '.csv')}."
    return InputError(
        f"{path} is no table by its name", expected=f"one that ends in {either(suffixes)}", fix=fix
    )


@contextmanager
def new_csv(
    path: Path, columns: Sequence[str], *, fix: str, keys: Collection[str] = ()
) -> Iterator[WriteRow]:
    """Write a CSV file for spreadsheets, which appears whole or not at all.

    Args:
        path: Where it will be; folders above it are made.
        columns: Their names. What else a row holds is left out.
        fix: As in `new_file`.
        keys: Columns that are written exactly as they are, though a cell begin like a formula.

    Yields:
        What writes a row.

    Raises:
        StorageError: It can't be written.
    """
    with (
        new_file(path, fix=fix) as partial,
        partial.open("w", encoding="utf-8-sig", newline="") as file,
    ):
        write = csv_rows(file, columns)
        yield lambda row: write({k: v if k in keys else guarded(v) for k, v in row.items()})


def csv_rows(file: IO[str], columns: Sequence[str]) -> WriteRow:
    """Begin a CSV table for programs, every cell as it is; return what writes a row."""
    writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    return writer.writerow


def guarded(value: Any) -> Any:
    """Return a cell as one that no spreadsheet runs.

    >>> guarded("=1+1"), guarded("-5"), guarded("cat"), guarded(-5)
    ("'=1+1", '-5', 'cat', -5)
    """
    return f"'{value}" if isinstance(value, str) and _is_run(value) else value


def unguarded(text: str) -> str:
    """Return what `guarded` was given.

    >>> unguarded("'=1+1"), unguarded("'til then")
    ('=1+1', "'til then")
    """
    return text[1:] if text[:1] == "'" and _is_run(text[1:]) else text


class OpenCsv(NamedTuple):
    """A CSV file that is being read.

    Attributes:
        reader: Its rows, each a list of cells, from the beginning on.
        delimiter: What stands between cells.
        note: What the user should know of how it was read, as a clause; mostly empty.
    """

    reader: Reader
    delimiter: str
    note: str


@contextmanager
def open_csv(path: Path, known: Collection[str]) -> Iterator[OpenCsv]:
    """Open a CSV file as spreadsheets of any language save it.

    Args:
        path: The file.
        known: Names of columns in lower case: the delimiter is the one under which the header names
            most of them.

    Raises:
        OSError: It can't be read.
        UnicodeDecodeError: It is no text in any of the encodings.
        csv.Error: By the reader: it is not well-formed.
    """
    encoding = _encoding(path)
    with path.open(encoding=encoding, newline="") as file:
        head = next((line for line in file if line.strip()), "")
        delimiter = max(_DELIMITERS, key=lambda d: _named(head, d, known))
        file.seek(0)
        note = "is not in UTF-8: read as Windows-1252, as Excel saves CSV"
        yield OpenCsv(
            csv.reader(file, delimiter=delimiter, strict=True),
            delimiter,
            note if encoding == _WINDOWS else "",
        )


def _named(head: str, delimiter: str, known: Collection[str]) -> tuple[int, int]:
    try:
        header = next(csv.reader([head], delimiter=delimiter), [])
    except csv.Error:  # a cell beyond all bounds: said when the rows are read
        return 0, 0
    return len({name.strip().lower() for name in header} & set(known)), len(header)


def _encoding(path: Path) -> str:
    """Return the encoding in which all of a file is text."""
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while chunk := file.read(_CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            file.seek(0)
            _check_windows(file, error)
            return _WINDOWS
        return "utf-8-sig"


def _check_windows(file: IO[bytes], error: UnicodeDecodeError) -> None:
    """Raise the error that the file is no UTF-8 where it is no text of another kind, either."""
    while chunk := file.read(_CHUNK_BYTES):
        try:
            text = chunk.decode(_WINDOWS)
        except UnicodeDecodeError:
            raise error from None
        if "\0" in text:
            raise error


def _is_run(text: str) -> bool:
    return bool(_STARTS_FORMULA.match(text)) and not _HARMLESS.fullmatch(text)
