"""Upkeep of the feature store's segments: how large they are, dropping them, merging them.

Each command that computes features leaves a segment behind. Where they get many, the rows of small
ones are copied to a new one, those that are damaged or there twice left out, and the old ones
are dropped once the new one is whole. Killed at any moment, all rows are there, some of them twice,
which does no harm. A segment that a process is writing to is left alone.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from photograft.core.digests import digest_array
from photograft.core.feature_table import find_among
from photograft.core.segments import KEY, Space, intact, let_go

#: Segments of fewer bytes are small; they are merged once there are more than so many of them; and
#: into such of so many bytes: what was not used for long is dropped a segment at a time.
SMALL_BYTES, MOST_SMALL, MERGED_BYTES = 64 * 2**20, 16, 256 * 2**20

_ROWS = 1024


def merge_segments(
    space: Space,
    *,
    most_small: int = MOST_SMALL,
    small_bytes: int = SMALL_BYTES,
    merged_bytes: int = MERGED_BYTES,
) -> int:
    """Merge a space's small segments, if there are many of them.

    Args:
        space: The space.
        most_small: So many may be there.
        small_bytes: Smaller ones than this are merged.
        merged_bytes: They are copied to a new segment until it has so many.

    Returns:
        How many segments fewer there are.

    Raises:
        StorageError: The disk is full; nothing is lost.
    """
    small = [(stat, keys) for stat, keys in _closed(space.folder) if stat[0] < small_bytes]
    if len(small) <= most_small:
        return 0
    lock = FileLock(space.folder / "merging.lock")
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):  # another process is at it
        return 0
    try:
        small.sort(key=lambda found: (found[0][2], found[1].name))
        merged, group, num_bytes = 0, list[Path](), 0
        for stat, keys in small:
            group.append(keys)
            num_bytes += stat[0]
            if num_bytes >= merged_bytes:
                merged += _merge(space, group)
                group, num_bytes = [], 0
        return merged + _merge(space, group)
    finally:
        # The file stays: another process may be about to lock this one, and a third a new one.
        lock.release()


def segment_stat(keys: Path) -> tuple[int, int, float]:
    """Return a segment's bytes, rows and time of last use."""
    size, rows, used = 0, 0, 0.0
    with contextlib.suppress(OSError):
        info = keys.stat()
        size, rows, used = info.st_size, info.st_size // KEY.itemsize, info.st_mtime
        size += keys.with_suffix(".rows").stat().st_size
    return size, rows, used


def remove_segment(keys: Path) -> bool:
    """Delete a segment unless a process is writing to it."""
    lock = FileLock(keys.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return False
    try:
        # Keys first: rows without keys are nothing, keys without rows would be a damaged segment.
        keys.unlink(missing_ok=True)
        keys.with_suffix(".rows").unlink(missing_ok=True)
    except OSError:
        return False
    finally:
        let_go(lock)
    return True


def _merge(space: Space, old: list[Path]) -> int:
    if len(old) < 2:
        return 0
    used = max(segment_stat(keys)[2] for keys in old)
    there = digest_array([])
    copied = []
    before = set(space.folder.glob("*.keys"))
    with space.writer() as writer:
        for path in old:
            keys, rows = space.open_segment(path)
            if rows is None:  # it may hold rows all the same
                continue
            copied.append(path)
            good = intact(np.arange(len(rows)), keys, rows)
            own, first = np.unique(keys["digest"][good], return_index=True)
            new = find_among(there, own) < 0
            there = np.sort(np.concatenate([there, own[new]]))
            places = np.sort(good[first[new]])
            for start in range(0, len(places), _ROWS):
                part = places[start : start + _ROWS]
                writer.append(keys["digest"][part], rows[part])
    for path in set(space.folder.glob("*.keys")) - before:
        with contextlib.suppress(OSError):
            os.utime(path, (used, used))
    return sum(map(remove_segment, copied)) - 1


def _closed(folder: Path) -> list[tuple[tuple[int, int, float], Path]]:
    """Return the segments that no process is writing to, with their bytes, rows and last use."""
    found = []
    for keys in sorted(folder.glob("*.keys")):
        lock = FileLock(keys.with_suffix(".lock"))
        if os.path.exists(lock.lock_file):
            try:
                lock.acquire(timeout=0)
            except (Timeout, OSError):
                continue
            lock.release()
        found.append((segment_stat(keys), keys))
    return found
