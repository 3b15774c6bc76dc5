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
import os
import uuid
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from photograft.core.digests import Digests, digest_array
from photograft.core.errors import StorageError
from photograft.core.feature_table import FeatureTable, find_among, release
from photograft.core.files import is_full
from photograft.core.text import count as counted

KEY = np.dtype([("digest", "S32"), ("crc", "<u4")])
_READ_ROWS = 1024
#: A look-up is begun so often where segments are dropped meanwhile.
_TRIES = 3


class Space:
    """The stored features of one backbone under one preprocessing; see `FeatureStore.space`."""

    def __init__(self, folder: Path, key: dict[str, Any], num_features: int) -> None:
        self.folder = folder
        self.key = key
        self.num_features = num_features

    def find(self, digests: Sequence[bytes] | Digests) -> FeatureTable:
        """Look photos up.

        Args:
            digests: SHA-256 of each photo's bytes.

        Returns:
            The rows that are there; a row whose checksum is wrong counts as missing.
        """
        wanted = np.unique(digest_array(digests))
        for _ in range(_TRIES):
            found, is_whole = self._find(wanted)
            if is_whole:
                break
        return found

    def _find(self, wanted: Digests) -> tuple[FeatureTable, bool]:
        """Return what is found, and whether no segment was dropped on the way: see `upkeep`."""
        places = np.full(len(wanted), -1, np.intp)
        maps: list[npt.NDArray[np.float32]] = []
        start, is_whole = 0, True
        for keys_path in sorted(self.folder.glob("*.keys")):
            if (places >= 0).all():
                break
            keys, rows = self.open_segment(keys_path)
            if rows is None:
                is_whole = is_whole and keys_path.exists()
                continue
            at = find_among(wanted, keys["digest"])
            hits = intact(np.flatnonzero((at >= 0) & (places[at] < 0)), keys, rows)
            if len(hits):
                places[at[hits]] = start + hits
                maps.append(rows)
                start += len(rows)
                with contextlib.suppress(OSError):
                    os.utime(keys_path)
        there = places >= 0
        table = FeatureTable(self.num_features, maps, wanted[there], places[there])
        return table, is_whole or bool(there.all())

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

    def append(self, digests: Sequence[bytes] | Digests, features: npt.NDArray[np.float32]) -> None:
        """Store the features of some photos.

        Args:
            digests: SHA-256 of each photo's bytes.
            features: Float32, shape ``(len(digests), num_features)``.
        """
        rows = np.ascontiguousarray(features, dtype="<f4")
        if rows.shape != (len(digests), self._space.num_features):
            raise ValueError(f"{rows.shape} rows for {counted(len(digests), 'photo')}")
        keys = np.empty(len(rows), KEY)
        keys["digest"] = digest_array(digests)
        keys["crc"] = [zlib.crc32(row) for row in rows]
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


def intact(
    hits: npt.NDArray[np.intp], keys: Any, rows: npt.NDArray[np.float32]
) -> npt.NDArray[np.intp]:
    """Return those of some places whose row has the checksum that was written with it."""
    good = []
    for start in range(0, len(hits), _READ_ROWS):
        part = hits[start : start + _READ_ROWS]
        sums = np.fromiter((zlib.crc32(rows[i]) for i in part.tolist()), np.uint32, len(part))
        good.append(part[sums == keys["crc"][part]])
        release(rows)
    return np.concatenate(good) if good else hits


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
