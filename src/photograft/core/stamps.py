"""What tells whether a file has changed without reading it."""

from __future__ import annotations

import functools
import time
from pathlib import Path

from photograft.core.files import sha256_of

#: A change so long before a file was read shows in its times if another follows it: file systems
#: count in steps of up to two seconds. Later ones may not ("racy", as git has it).
_SETTLED_NS = 4_000_000_000

#: Size of a file, the times of the last change of its content and of its entry, and its place:
#: where they are the same, so is its content.
Stamp = tuple[int, int, int, int]


def stamp_of(path: Path) -> Stamp | None:
    """Return a file's stamp; None where that can't be told."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def is_settled(stamp: Stamp) -> bool:
    """Return whether a stamp can be believed of what is read of the file now."""
    return max(stamp[1:3]) <= time.time_ns() - _SETTLED_NS


def known_sha256(path: Path) -> str:
    """Return a file's SHA-256, in hexadecimal, which this process reads once while it stays.

    Raises:
        OSError: It can't be read.
    """
    stamp = stamp_of(path)
    return sha256_of(path) if stamp is None or not is_settled(stamp) else _sha256(path, stamp)


@functools.lru_cache(64)
def _sha256(path: Path, stamp: Stamp) -> str:
    del stamp  # another one is another file
    return sha256_of(path)
