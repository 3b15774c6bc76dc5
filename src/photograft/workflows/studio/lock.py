"""One studio a project: the lock, and who has it."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from filelock import FileLock, Timeout

from photograft.core.errors import InputError, StorageError
from photograft.core.files import printable

LOCK, OWNER = ".lock", ".owner.json"


class ProjectLock:
    """Held by the process that has a project open; the system lets go of it when that ends.

    Args:
        folder: The project's.

    Raises:
        InputError: Another process, or another project object, has it.
        StorageError: The folder can't be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"{printable(folder)} is open in another studio{_owner(folder)}",
                fix="Use that one, or stop it first.",
            ) from None
        except OSError as error:
            raise StorageError(
                f"{printable(folder)} can't be written to ({error.strerror or error})",
                fix="Choose another folder with --project.",
            ) from error
        self.tell("")

    def tell(self, address: str) -> None:
        """Note for others who has the project.

        Args:
            address: Where its page is; empty where that is not known yet.
        """
        with contextlib.suppress(OSError):
            text = json.dumps({"process": os.getpid(), "address": address})
            (self._folder / OWNER).write_text(text, encoding="utf-8")

    def release(self) -> None:
        """Let another one have it."""
        with contextlib.suppress(OSError):
            (self._folder / OWNER).unlink(missing_ok=True)
        self._lock.release()


def _owner(folder: Path) -> str:
    try:
        found = json.loads((folder / OWNER).read_text(encoding="utf-8"))
        process, address = int(found["process"]), str(found["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return f" (process {process}{f', at {address}' if address else ''})"
