"""A folder that one process at a time works in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from photograft.core.errors import StorageError


@contextlib.contextmanager
def exclusive(folder: Path, *, taken: str, wait: str, fix: str) -> Iterator[None]:
    """Hold a folder for oneself, by a lock that goes with the process, however it ends.

    Its file, ``.lock``, stays: another process may be about to lock it.

    Args:
        folder: It is there.
        taken: What is said where another process holds it.
        wait: What the user can do then.
        fix: What the user can do where it can't be written.

    Raises:
        StorageError: Another process holds it, or it can't be written.
    """
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise StorageError(taken, fix=wait) from error
    except OSError as error:
        raise StorageError(
            f"{folder} can't be written ({error.strerror or error})", fix=fix
        ) from error
    try:
        yield
    finally:
        lock.release()
