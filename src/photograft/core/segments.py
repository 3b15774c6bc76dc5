"""Segments of the feature store: pairs of append-only files, each written by one process.

    <id>.rows        float32 rows, one after another
    <id>.keys        per row: SHA-256 of the photo, CRC-32 of the row
    <id>.lock        held by the process that writes

A row counts once its key is written, and keys are written after rows: a process killed at any
moment loses the batch in flight and leaves nothing false behind. The checksum catches what a power
cut or a bad disk may do. Two processes never write to the same file.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import uuid
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from photograft.core.errors import StorageError
from photograft.core.files import is_full
from photograft.core.text import count as counted

KEY = np.dtype([("digest", "S32"), ("crc", "<u4")])
_DIGEST_BYTES = 32
_READ_ROWS = 1024
#: A look-up is begun so often where segments are dropped meanwhile.
_TRIES = 3


#: Which features of a row.
Columns = npt.NDArray[np.intp] | slice


class Table(Protocol):
    """Features of photos, found by their content digests; see `FeatureTable`."""

    num_features: int

    def __contains__(self, digest: object) -> bool: ...

    def __len__(self) -> int: ...

    def rows(self, digests: Sequence[bytes], columns: Columns = ...) -> npt.NDArray[np.float32]:
        """Return the rows of some photos; see `FeatureTable.rows`."""
        ...


class Space:
    """The stored features of one backbone under one preprocessing; see `FeatureStore.space`."""

    def __init__(self, folder: Path, key: dict[str, Any], num_features: int) -> None:
        self.folder = folder
        self.key = key
        self.num_features = num_features

    def find(self, digests: Sequence[bytes]) -> FeatureTable:
        """Look photos up.

        Args:
            digests: SHA-256 of each photo's bytes.

        Returns:
            The rows that are there; a row whose checksum is wrong counts as missing.
        """
        for _ in range(_TRIES):
            found, is_whole = self._find(digests)
            if is_whole:
                break
        return found

    def _find(self, digests: Sequence[bytes]) -> tuple[FeatureTable, bool]:
        """Return what is found, and whether no segment was dropped on the way: see `upkeep`."""
        # Not found: -1. The keys stay those that were asked for, so that nothing is held twice.
        places: dict[bytes, int] = dict.fromkeys(digests, -1)
        maps: list[npt.NDArray[np.float32]] = []
        start, lacking, is_whole = 0, len(places), True
        for keys_path in sorted(self.folder.glob("*.keys")):
            if not lacking:
                break
            keys, rows = self.open_segment(keys_path)
            if rows is None:
                is_whole = is_whole and keys_path.exists()
                continue
            hits = [
                (digest, i)
                for i, digest in enumerate(digests_in(keys))
                if places.get(digest, 0) == -1
            ]
            found = 0
            for digest, i in intact(hits, keys, rows):
                found += places[digest] == -1  # a segment may hold a photo twice
                places[digest] = start + i
            if found:
                maps.append(rows)
                start, lacking = start + len(rows), lacking - found
                with contextlib.suppress(OSError):
                    os.utime(keys_path)
        if lacking:
            places = {digest: place for digest, place in places.items() if place >= 0}
        return FeatureTable(self.num_features, maps, places), is_whole or not lacking

    def writer(self) -> Writer:
        """Open a new segment for this process to write to."""
        return Writer(self)

    def open_segment(self, keys_path: Path) -> tuple[Any, npt.NDArray[np.float32] | None]:
        """Return a segment's keys and its rows; None where it can't be opened.

        Another process has dropped it, or too many files are open, say.
        """
        rows_path = keys_path.with_suffix(".rows")
        try:
            raw = keys_path.read_bytes()
            row_bytes = 4 * self.num_features
            count = min(len(raw) // KEY.itemsize, rows_path.stat().st_size // row_bytes)
            if not count:
                return np.empty(0, KEY), np.empty((0, self.num_features), np.float32)
            shape = (count, self.num_features)
            rows = np.memmap(rows_path, np.float32, "r", shape=shape)
        except OSError:
            return None, None
        return np.frombuffer(raw, KEY, count), rows


class FeatureTable:
    """Rows of a space, memory-mapped: nothing is in memory until it is asked for.

    Args:
        num_features: Length of a row.
        maps: Segments, in order.
        places: Of each photo, the number of its row, counted through all of these.
    """

    def __init__(
        self, num_features: int, maps: list[npt.NDArray[np.float32]], places: dict[bytes, int]
    ) -> None:
        self.num_features = num_features
        self._maps = maps
        self._places = places
        self._ends = np.cumsum([len(rows) for rows in maps])

    def __contains__(self, digest: object) -> bool:
        return digest in self._places

    def __len__(self) -> int:
        return len(self._places)

    def rows(
        self, digests: Sequence[bytes], columns: Columns = slice(None)
    ) -> npt.NDArray[np.float32]:
        """Return the rows of some photos, in their order.

        Args:
            digests: All of them must be in the table.
            columns: Which features of each row.

        Returns:
            Float32, shape ``(len(digests), number of columns)``, a copy.
        """
        width = np.empty((1, self.num_features), np.bool_)[:, columns].shape[1]
        found = np.empty((len(digests), width), np.float32)
        places = np.fromiter((self._places[digest] for digest in digests), np.intp, len(digests))
        segments = np.searchsorted(self._ends, places, side="right")
        for start in range(0, len(places), _READ_ROWS):
            part = slice(start, start + _READ_ROWS)
            for segment in np.unique(segments[part]).tolist():
                own = np.flatnonzero(segments[part] == segment)
                rows = self._maps[segment]
                within = places[part][own] - (self._ends[segment] - len(rows))
                found[part][own] = np.asarray(rows)[within][:, columns]
                _release(rows)
        return found


class Writer:
    """Appends rows to a segment of its own; a context manager.

    Raises:
        StorageError: The cache folder can't be written to, or the disk is full.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        folder = space.folder
        self._base = folder / uuid.uuid4().hex
        with _storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            note = folder / "space.json"
            if not note.exists():
                temporary = folder / f".{self._base.name}.json"
                temporary.write_text(json.dumps(space.key, indent=1, sort_keys=True))
                os.replace(temporary, note)
            self._lock = FileLock(self._base.with_suffix(".lock"))
            self._lock.acquire(timeout=0)
            self._rows = self._base.with_suffix(".rows").open("wb", buffering=0)
            self._keys = self._base.with_suffix(".keys").open("wb", buffering=0)

    def append(self, digests: Sequence[bytes], features: npt.NDArray[np.float32]) -> None:
        """Store the features of some photos.

        Args:
            digests: SHA-256 of each photo's bytes.
            features: Float32, shape ``(len(digests), num_features)``.
        """
        rows = np.ascontiguousarray(features, dtype="<f4")
        if rows.shape != (len(digests), self._space.num_features):
            raise ValueError(f"{rows.shape} rows for {counted(len(digests), 'photo')}")
        keys = np.array([(d, zlib.crc32(r)) for d, r in zip(digests, rows, strict=True)], KEY)
        with _storage_errors(self._space.folder):
            _write_all(self._rows.fileno(), rows.tobytes())
            _write_all(self._keys.fileno(), keys.tobytes())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rows.close()
        self._keys.close()
        let_go(self._lock)


def let_go(lock: FileLock) -> None:
    """Release a segment's lock, and remove its file: as it is held, where the system allows that.

    Otherwise another process might lock it in between, and a third one a new file of that name.
    """
    path = Path(lock.lock_file)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    lock.release()
    if os.name == "nt":  # an open file can't be removed there, nor one that is locked anew
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def digests_in(keys: Any) -> Iterator[bytes]:
    """Yield each key's digest, trailing zero bytes kept (NumPy's own ``S32`` drops them)."""
    raw = keys.tobytes()
    for start in range(0, len(raw), KEY.itemsize):
        yield raw[start : start + _DIGEST_BYTES]


def intact(
    hits: list[tuple[bytes, int]], keys: Any, rows: npt.NDArray[np.float32]
) -> list[tuple[bytes, int]]:
    """Return the hits, digests and places, whose row has the checksum that was written with it."""
    crcs = keys["crc"]
    good = []
    for start in range(0, len(hits), _READ_ROWS):
        part = hits[start : start + _READ_ROWS]
        good += [(digest, i) for digest, i in part if zlib.crc32(rows[i]) == crcs[i]]
        _release(rows)
    return good


def _release(rows: npt.NDArray[np.float32]) -> None:
    """Let go of the pages that were read, so that what was looked at does not count as memory."""
    mapped = getattr(rows, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


@contextlib.contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"the feature store in {folder} can't be written to ({error.strerror or error})",
            fix="Free some space, or run `photograft cache prune`; what is done so far is kept."
            if is_full(error)
            else "Give another folder in the environment variable PHOTOGRAFT_CACHE.",
        ) from error
