"""Files and folders, on this machine or at an address, that are looked through and read alike."""

from __future__ import annotations

import functools
import io
import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from photograft.core.errors import SourceError
from photograft.core.files import MAX_FILE_BYTES, printable
from photograft.data.sources.addresses import Address, cause_of, opened, unreachable
from photograft.data.sources.tree import Tree

#: Read ahead while a file is looked through: about what comes in the time of one more request.
_AHEAD_BYTES = 2**20
#: Open files that are kept, so that each photo of a tar does not ask for the size of it.
_MOST_OPEN = 64


@dataclass(frozen=True)
class LocalFile:
    """A file on this machine.

    Attributes:
        path: Where it is, absolute.
    """

    path: str
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
    """

    address: Address
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
            return bytes(_kept_open(self.address).read_at(size, offset))


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
                if size > MAX_FILE_BYTES:
                    raise OSError(f"the file has {size:,} bytes, more than {MAX_FILE_BYTES:,}")
                data = bytes(file.read())
            if len(data) != size:
                raise OSError(f"it ends after {len(data):,} of {size:,} bytes")
            return data


#: A file of photos, or of rows.
AnyFile = LocalFile | FarFile


def local_file(path: Path) -> LocalFile:
    """Return the file at a path."""
    return LocalFile(os.path.abspath(path))


def kind_at(address: Address) -> str:
    """Return what is at an address: ``"file"``, ``"folder"``, or nothing, which is empty.

    Raises:
        SourceError: The store can't be asked.
    """
    import pyarrow as pa  # slow to import
    from pyarrow.fs import FileType

    try:
        system, path = opened(address)
        found = system.get_file_info(path).type
    except SourceError:
        raise
    except (pa.ArrowException, Exception) as error:  # fsspec's raise what they like
        raise unreachable(address, error) from error
    return {FileType.File: "file", FileType.Directory: "folder"}.get(found, "")


def tree_at(address: Address) -> Tree:
    """Return the files below an address.

    Raises:
        SourceError: They can't be listed.
    """
    from pyarrow.fs import FileSelector, FileType

    try:
        system, path = opened(address)
        found = system.get_file_info(FileSelector(path, recursive=True))
    except SourceError:
        raise
    except Exception as error:  # fsspec's raise what they like
        raise unreachable(address, error) from error
    tree, cut = Tree(), len(path.strip("/")) + 1 if path.strip("/") else 0
    for info in sorted(found, key=lambda info: str(info.path)):
        below = PurePosixPath(info.path.strip("/")[cut:])
        if below.parts and ".." not in below.parts:
            (tree.files if info.type == FileType.File else tree.folders).append(below)
    return tree


@contextmanager
def _told(address: Address) -> Iterator[None]:
    """Have what is raised say briefly why a file can't be read."""
    try:
        yield
    except Exception as error:  # PyArrow's own errors, and whatever fsspec's raise
        if isinstance(error, OSError) and error.__cause__ is not None:
            raise  # said already
        raise OSError(f"{printable(str(address))}: {cause_of(error)}") from error


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
def _kept_open(address: Address) -> Any:
    system, path = opened(address)
    return system.open_input_file(path)
