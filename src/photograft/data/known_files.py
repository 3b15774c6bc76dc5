"""What was read of files before, so that files that have not changed are not read again.

Of each file its size, the times of its last change (of its content, and of its entry in the file
system, which no program sets as it likes) and its place on the disk are kept beside what was read.
Where all of them are what they were, the file is taken for the one that was read. A file that had
changed in the seconds before it was read is not kept: it may have changed again within one tick of
the file system's clock (as git has it, "racy").

One file per folder of photos, in the cache; PHOTOGRAFT_REHASH=1 has every file read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import PIL

from photograft.core.errors import StorageError
from photograft.core.files import new_file, read_file
from photograft.core.stamps import Stamp, is_settled, stamp_of
from photograft.data.images import CODE_VERSION, Header

#: Of more files than this nothing is kept, and of no more folders than this.
MOST_FILES, _MOST_FOLDERS = 200_000, 50


@dataclass(frozen=True)
class FileOnDisk:
    """Reads a file; see `core.files.read_file`.

    Attributes:
        path: Where it is, absolute.
    """

    path: Path

    def __call__(self) -> bytes:
        """Return its bytes.

        Raises:
            OSError: As `read_file` does.
        """
        return read_file(self.path)

    def stamp(self) -> Stamp | None:
        """Return what tells whether the file has changed; None where that can't be told."""
        return stamp_of(self.path)


class Read(NamedTuple):
    """What is known of a file that was read.

    Attributes:
        digest: SHA-256 of its bytes.
        header: What its head says.
    """

    digest: bytes
    header: Header


class KnownFiles:
    """The files of a folder as they were read before.

    Args:
        cache: The cache folder; nothing is known or kept without.
        files: Those that are looked at now.
    """

    def __init__(self, cache: Path | None, files: Sequence[FileOnDisk]) -> None:
        self._path: Path | None = None
        self._known: dict[str, Any] = {}
        self._kept: dict[str, list[Any]] = {}
        if cache is None or not 0 < len(files) <= MOST_FILES:
            return
        try:
            root = os.path.commonpath(
                map(os.path.abspath, {os.path.dirname(f.path) for f in files})
            )
        except ValueError:  # on several drives
            return
        name = hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
        self._path = cache / "listed" / f"{name}.json"
        if os.environ.get("PHOTOGRAFT_REHASH", "0") in ("", "0"):
            self._known = _read(self._path)

    def find(self, file: FileOnDisk, stamp: Stamp | None) -> Read | None:
        """Return what was read of a file, if it has not changed since."""
        key = os.fsdecode(file.path)
        row = self._known.get(key)
        if stamp is None or row is None:
            return None
        try:
            if row[:4] != list(stamp):
                return None
            digest, (kind, width, height, mode) = bytes.fromhex(row[4]), row[5:]
            found = Read(digest, Header(str(kind), int(width), int(height), str(mode)))
        except (ValueError, TypeError):
            return None
        self._kept[key] = row
        return found

    def keep(self, file: FileOnDisk, stamp: Stamp | None, read: Read) -> None:
        """Note what was read of a file after its stamp was taken; several threads may do so."""
        if self._path is None or stamp is None or not is_settled(stamp):
            return
        header = read.header
        self._kept[os.fsdecode(file.path)] = [
            *stamp,
            read.digest.hex(),
            *(header.format, header.width, header.height, header.mode),
        ]

    def write(self) -> None:
        """Put what is known now in the place of what was; where that fails, nothing is lost."""
        if self._path is None or not self._kept or self._kept == self._known:
            return
        with contextlib.suppress(OSError, StorageError, UnicodeError):
            folder = self._path.parent
            folder.mkdir(parents=True, exist_ok=True)
            others = [file for file in folder.glob("*.json") if file != self._path]
            others.sort(key=lambda file: file.stat().st_mtime)
            for old in others[: max(len(others) + 1 - _MOST_FOLDERS, 0)]:
                old.unlink(missing_ok=True)
            text = json.dumps(self._kept, separators=(",", ":"))
            with new_file(self._path, fix="") as partial:
                partial.write_text(f"{_checksum(text)}\n{text}", encoding="ascii")


def _read(path: Path) -> dict[str, Any]:
    """Return what a file holds; nothing where it is missing, damaged or of another version."""
    with contextlib.suppress(OSError, ValueError):
        checksum, _, text = path.read_text(encoding="ascii").partition("\n")
        found = json.loads(text) if checksum == _checksum(text) else None
        if isinstance(found, dict):
            return found
    return {}


def _checksum(text: str) -> str:
    """Return what tells a text that was written whole, by this version, from any other."""
    return hashlib.sha256(f"{CODE_VERSION} {PIL.__version__} {text}".encode()).hexdigest()
