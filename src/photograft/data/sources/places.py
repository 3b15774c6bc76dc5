"""Files and folders, on this machine or at an address, that are looked through and read alike."""

from __future__ import annotations

import functools
import io
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from photograft.core.errors import SourceError
from photograft.core.files import MAX_FILE_BYTES, printable
from photograft.core.stamps import stamp_of
from photograft.data.sources.addresses import Address
from photograft.data.sources.spool import spool
from photograft.data.sources.stores import cause_of, opened, unreachable
from photograft.data.sources.tree import SHARD_SUFFIXES, Tree

#: Read ahead while a file is looked through: about what comes in the time of one more request.
_AHEAD_BYTES = 2**20
#: Open files that are kept, so that each photo of a tar does not ask for the size of it.
_MOST_OPEN = 64


@dataclass(frozen=True)
class LocalFile:
    """A file on this machine.

    Attributes:
        path: Where it is, absolute.
        version: What is another one where it was written anew.
    """

    path: str
    version: str = ""
    is_far = False

    @property
    def shown(self) -> str:
        """What messages call it."""
        return printable(self.path)

    @property
    def name(self) -> str:
        """Its own name."""
        return printable(os.path.basename(self.path))

    def open(self) -> IO[bytes]:
        """Open it, to be read at any place.

        Raises:
            OSError: It can't be read.
        """
        return open(self.path, "rb")

    def read_at(self, offset: int, size: int) -> bytes:
        """Return so many bytes from a place on, fewer at its end.

        Raises:
            OSError: It can't be read.
        """
        with self.open() as file:
            file.seek(offset)
            return file.read(size)


@dataclass(frozen=True)
class FarFile:
    """A file at an address.

    Attributes:
        address: Its address.
        version: What is another one where it was written anew.
    """

    address: Address
    version: str = ""
    is_far = True

    @property
    def shown(self) -> str:
        """What messages call it: never with a user or options."""
        return printable(str(self.address))

    @property
    def name(self) -> str:
        """Its own name."""
        return printable(self.address.name)

    def open(self) -> IO[bytes]:
        """Open it, to be read at any place.

        Raises:
            OSError: It can't be read; the text says why.
        """
        with _told(self.address):
            system, path = opened(self.address)
            raw = cast("io.RawIOBase", _Raw(system.open_input_file(path), self.address))
            return io.BufferedReader(raw, _AHEAD_BYTES)

    def read_at(self, offset: int, size: int) -> bytes:
        """Return so many bytes from a place on, fewer at its end.

        Raises:
            OSError: It can't be read; the text says why.
        """
        with _told(self.address):
            return bytes(_kept_open(self).read_at(size, offset))


@dataclass(frozen=True)
class FarFolder:
    """What files at addresses are read from, each by its path.

    Attributes:
        root: The address of the folder.
    """

    root: Address
    is_address = True
    is_far = True

    def read(self, place: str) -> bytes:
        """Return the bytes of the file at a path below the folder.

        Raises:
            OSError: It can't be read; the text says why.
        """
        address = self.root.at(posixpath.join(self.root.path, place))
        with _told(address):
            system, path = opened(address)
            with system.open_input_file(path) as file:
                size = file.size()
                data = bytes(file.read()) if size <= MAX_FILE_BYTES else None
        if data is None:
            raise OSError(f"the file has {size:,} bytes, more than {MAX_FILE_BYTES:,}")
        if len(data) != size:
            raise OSError(f"it ends after {len(data):,} of {size:,} bytes")
        return data


#: A file of photos, or of rows.
AnyFile = LocalFile | FarFile


def local_file(path: Path) -> LocalFile:
    """Return the file at a path."""
    return LocalFile(os.path.abspath(path), str(stamp_of(path)))


def find_at(address: Address) -> FarFile | FarFolder | None:
    """Return what is at an address; None where there is nothing.

    Raises:
        SourceError: The store can't be asked.
    """
    from pyarrow.fs import FileType  # slow to import

    with _reached(address):
        system, path = opened(address)
        found = system.get_file_info(path)
    if found.type == FileType.Directory:
        return FarFolder(address)
    return FarFile(address, _version(found)) if found.type == FileType.File else None


def files_at(address: Address) -> tuple[Tree, dict[PurePosixPath, FarFile]]:
    """Return what lies below an address, and of shards of sets the files.

    Raises:
        SourceError: They can't be listed.
    """
    from pyarrow.fs import FileSelector, FileType  # slow to import

    with _reached(address):
        system, path = opened(address)
        listed = system.get_file_info(FileSelector(path, recursive=True))
    tree, shards = Tree(), dict[PurePosixPath, FarFile]()
    cut = len(path.strip("/")) + 1 if path.strip("/") else 0
    for info in sorted(listed, key=lambda info: str(info.path)):
        below = PurePosixPath(info.path.strip("/")[cut:])
        if not below.parts or ".." in below.parts:
            continue
        (tree.files if info.type == FileType.File else tree.folders).append(below)
        if below.suffix.lower() in SHARD_SUFFIXES:
            inner = address.at(posixpath.join(address.path, str(below)))
            shards[below] = FarFile(inner, _version(info))
    return tree, shards


@contextmanager
def copied(file: FarFile) -> Iterator[Path]:
    """Copy a table to a temporary folder; errors about it then name its address.

    Raises:
        SourceError: It can't be read, or is too large.
        StorageError: There is no room for it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / posixpath.basename(file.address.path)
        try:
            with file.open() as opened, spool(opened, file.shown) as stream, path.open("wb") as own:
                shutil.copyfileobj(stream, own)
            yield path
        except SourceError as error:
            raise SourceError(str(error).replace(printable(path), file.shown)) from error


def _version(info: Any) -> str:
    return f"{info.size} {info.mtime_ns}"


@contextmanager
def _reached(address: Address) -> Iterator[None]:
    """Have what is raised say why a store can't be asked."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:  # PyArrow's own errors, and whatever fsspec's raise
        raise unreachable(address, error) from error


class _ToldError(OSError):
    """Says briefly why a file at an address can't be read."""


@contextmanager
def _told(address: Address) -> Iterator[None]:
    """Have what is raised say briefly why a file can't be read."""
    try:
        yield
    except _ToldError:
        raise
    except SourceError as error:  # of ours, without secrets
        raise _ToldError(f"{printable(str(address))}: {error}") from error
    except Exception as error:  # PyArrow's own errors, and whatever fsspec's raise
        cause = cause_of(address, error)
        raise _ToldError(f"{printable(str(address))}: {cause}") from error


class _Raw(io.RawIOBase):
    """An open file of PyArrow's, read as Python reads files."""

    def __init__(self, file: Any, address: Address) -> None:
        self._file, self._address = file, address
        self._size, self._at = int(file.size()), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        size = min(len(buffer), self._size - self._at)
        if size <= 0:
            return 0
        with _told(self._address):
            data = self._file.read_at(size, self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


@functools.lru_cache(_MOST_OPEN)
def _kept_open(file: FarFile) -> Any:
    system, path = opened(file.address)
    return system.open_input_file(path)
