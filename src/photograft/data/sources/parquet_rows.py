"""Photos read from a column of a Parquet file, each by its row, a window of rows at a time.

A row group is decoded as a whole where it is small, and else in windows, one after another: of a
file's photos no more is held than some windows, however large its row groups are.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from photograft.core.errors import SourceError, first_line
from photograft.core.files import MAX_FILE_BYTES
from photograft.data.sources.places import AnyFile

#: About so many bytes of photos are decoded at once, and held altogether, by a process.
_WINDOW_BYTES, _HELD_BYTES = 16 * 2**20, 96 * 2**20
#: More rows are never decoded at once: one large photo may stand for many of them, of which the
#: file's own sizes do not tell.
_MOST_ROWS = 256
#: Row groups in which windows are being read.
_MOST_READING = 8
#: Asked for at once.
_BUFFER_BYTES = 2**20


@dataclass(frozen=True)
class ParquetColumn:
    """A column of photos' bytes.

    Attributes:
        file: The file.
        column: The column, as the path of a leaf, such as ``"image.bytes"``.
    """

    file: AnyFile
    column: str
    is_address = False  # for one photo, a window of others is decoded: that is done once

    @property
    def is_far(self) -> bool:
        """Whether the file lies at an address."""
        return self.file.is_far

    def read(self, place: str) -> bytes:
        """Return the bytes of a photo by its row group and its row in that.

        Raises:
            OSError: They can't be read, or the row holds none.
        """
        group, row = map(int, place.split())
        try:
            cell = _WINDOWS.cell(self, group, row)
        except Exception as error:  # Arrow's own errors are of many kinds
            raise OSError(f"{self.file.name} can't be read: {first_line(error)}") from error
        if not cell:
            raise OSError("the row holds no bytes of a photo")
        if len(cell) > MAX_FILE_BYTES:
            raise OSError(f"{len(cell):,} bytes, more than {MAX_FILE_BYTES:,}")
        return bytes(cell)


@contextmanager
def open_parquet(file: AnyFile) -> Iterator[Any]:
    """Open a Parquet file, as a ``pyarrow.parquet.ParquetFile``.

    Raises:
        SourceError: It can't be read as one.
    """
    import pyarrow.parquet as pq  # slow to import

    try:
        opened = file.open()
        try:
            table = pq.ParquetFile(opened)
        except BaseException:
            opened.close()
            raise
    except Exception as error:  # Arrow's own errors are of many kinds
        raise SourceError(
            f"{file.shown} can't be read as Parquet",
            got=first_line(error).rstrip("."),
            fix="Write it again; it may have been cut short.",
        ) from error
    with opened, table:
        yield table


@dataclass
class _Reading:
    """A row group that is being read, window by window.

    Attributes:
        file: The open file.
        batches: What gives its next rows.
        size: Rows of a window.
        count: Windows that there are.
        at: The number of the next window.
        rest: What was read beyond the last one.
    """

    file: IO[bytes]
    batches: Iterator[Any]
    size: int
    count: int
    at: int = 0
    rest: Any = None

    def __del__(self) -> None:
        self.file.close()

    def next(self) -> Any:
        """Return the rows of the next window, a chunked array."""
        import pyarrow as pa  # slow to import

        parts, missing = [], self.size
        while missing:
            batch = self.rest if self.rest is not None else next(self.batches, None)
            if batch is None:
                break
            part, self.rest = batch[:missing], batch[missing:] if len(batch) > missing else None
            column = part.column(0)
            parts.append(column.flatten()[0] if pa.types.is_struct(column.type) else column)
            missing -= len(part)
        self.at += 1
        return pa.chunked_array(parts) if parts else None


@dataclass
class _Windows:
    """The windows that this process holds."""

    held: OrderedDict[tuple[ParquetColumn, int, int], Any] = field(default_factory=OrderedDict)
    sizes: dict[tuple[ParquetColumn, int], int] = field(default_factory=dict)
    reading: OrderedDict[tuple[ParquetColumn, int], _Reading] = field(default_factory=OrderedDict)
    guard: threading.Lock = field(default_factory=threading.Lock)
    locks: tuple[threading.Lock, ...] = field(
        default_factory=lambda: tuple(threading.Lock() for _ in range(16))
    )

    def cell(self, column: ParquetColumn, group: int, row: int) -> bytes | None:
        """Return a row's bytes."""
        key = column, group
        with self.locks[hash(key) % len(self.locks)]:  # one thread decodes, others wait for it
            size = self.sizes.get(key)
            window = None if size is None else self._find((*key, row // size))
            if window is None:
                window, size = self._decode(key, row)
        found = window[row % size].as_py() if size and window is not None else None
        return found if isinstance(found, bytes) else None

    def _find(self, place: tuple[ParquetColumn, int, int]) -> Any:
        with self.guard:
            window = self.held.get(place)
            if window is not None:
                self.held.move_to_end(place)
            return window

    def _decode(self, key: tuple[ParquetColumn, int], row: int) -> tuple[Any, int]:
        with self.guard:
            reading = self.reading.pop(key, None)
        if reading is None or reading.at > row // reading.size:
            reading = _begin(*key)
        window = None
        while reading.at <= row // reading.size:
            window = reading.next()
        if window is None:
            raise EOFError(f"row group {key[1]:,} ends before row {row:,}")
        with self.guard:
            if len(self.sizes) > 2**16:
                self.sizes.clear()
            self.sizes[key] = reading.size
            self.held[*key, reading.at - 1] = window
            while len(self.held) > 2 and sum(w.nbytes for w in self.held.values()) > _HELD_BYTES:
                self.held.popitem(last=False)
            if reading.at < reading.count:
                self.reading[key] = reading
            old = [
                self.reading.popitem(last=False)[1]
                for _ in range(len(self.reading) - _MOST_READING)
            ]
        del old  # closed by now, and not under the lock
        return window, reading.size


_WINDOWS = _Windows()


def _begin(column: ParquetColumn, group: int) -> _Reading:
    import pyarrow.parquet as pq

    opened = column.file.open()
    try:
        table = pq.ParquetFile(opened, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        about = table.metadata.row_group(group)
        chunks = [about.column(i) for i in range(about.num_columns)]
        num_bytes = sum(
            c.total_uncompressed_size for c in chunks if c.path_in_schema == column.column
        )
        mean = max(1, num_bytes // max(1, about.num_rows))
        size = max(1, min(about.num_rows, _MOST_ROWS, _WINDOW_BYTES // mean))
        batches = table.iter_batches(
            size, row_groups=[group], columns=[column.column], use_threads=False
        )
        return _Reading(opened, batches, size, -(-about.num_rows // size))
    except BaseException:
        opened.close()
        raise
