"""The journal of a project: each change that the user made, on the disk before it counts.

Lines of JSON, appended and never changed. A line that is torn, since the power went while it was
written, is the last one, and is dropped: nobody was told that it was kept.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from photograft.core.errors import InputError, StorageError
from photograft.core.files import is_full, printable

Record = dict[str, Any]

#: Where there is a text mode, it would write two bytes for each end of a line.
_MODE = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)

_FULL = "Free some space and do it again: all that was done before is kept."
_CLOSED = "Check that the disk is there and that its folder may be written to, and do it again."


class Journal:
    """A file of records.

    Args:
        path: Where it is; made where it is not.

    Attributes:
        records: What it held when it was opened.
        has_torn_line: Whether a torn line was dropped then.

    Raises:
        InputError: A line in its midst is no record.
        StorageError: It can't be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = os.open(path, _MODE | os.O_CREAT, 0o600)
        except OSError as error:
            raise _failed(path, error) from error
        try:
            self.records, self._size, self.has_torn_line = _read(path)
            if self.has_torn_line:
                os.ftruncate(self._file, self._size)
            sync(path.parent)
        except OSError as error:
            self.close()
            raise _failed(path, error) from error
        except InputError:
            self.close()
            raise

    def append(self, record: Record) -> None:
        """Write a record; when this returns, it is on the disk.

        Raises:
            StorageError: It could not be written. The journal is as it was before.
        """
        stamped = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **record}
        line = json.dumps(stamped, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        try:
            if self._file < 0:
                self._file = os.open(self._path, _MODE)
                os.ftruncate(self._file, self._size)
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
            os.fsync(self._file)
        except OSError as error:
            self._take_back()
            raise _failed(self._path, error) from error
        self._size += len(line)

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _take_back(self) -> None:
        """Drop what of a line was written; where that fails, too, the next one does that first."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self.close()


def sync(folder: Path) -> None:
    """Have the names of a folder's new files on the disk, where the system knows such a thing."""
    if os.name == "nt":
        return
    found = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(found)
    except OSError:  # some file systems have nothing of the kind
        pass
    finally:
        os.close(found)


def _read(path: Path) -> tuple[list[Record], int, bool]:
    """Return the records, the bytes that they take, and whether more followed that is none."""
    records: list[Record] = []
    size = 0
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        is_last = number >= len(lines) - 1  # the very last one follows the last line's end
        if number == len(lines):
            return records, size, bool(line)
        record = _record(line)
        if record is None:
            if is_last and not lines[-1]:
                return records, size, True
            raise InputError(
                f"line {number} of {printable(path)} is damaged",
                expected="a change in JSON",
                got=repr(line[:40]),
                fix="Take the line out, or put the file back from a copy.",
            )
        records.append(record)
        size += len(line) + 1
    return records, size, False


def _record(line: bytes) -> Record | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("do"), str) else None


def _failed(path: Path, error: OSError) -> StorageError:
    full = is_full(error)
    reason = "the disk is full" if full else error.strerror or str(error)
    return StorageError(
        f"the change could not be kept in {printable(path)} ({reason})",
        fix=_FULL if full else _CLOSED,
    )
