"""Photos in class folders inside a ``.zip`` or ``.tar`` file; nothing is extracted by name."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import stat
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from photograft.core.errors import PhotograftError, SourceError
from photograft.core.files import MAX_FILE_BYTES, printable
from photograft.data.sources.base import Listing, SkippedFile
from photograft.data.sources.layout import build_listing
from photograft.data.sources.spool import DAMAGED, damaged, spool
from photograft.data.sources.tree import Passed, Tree

#: How a file begins, and what opens it, for each compression that a tar file may have.
COMPRESSIONS: Mapping[bytes, Callable[[Path], gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}

#: How a zip file begins: with a member, or with the end of an empty one.
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")

_UTF8_FLAG = 0x800
_ENCRYPTED_FLAG = 0x1
_MADE_ON_WINDOWS = 0

_Reader = Callable[[], bytes]


def read_archive(path: Path) -> Listing:
    """List the photos in an archive of class folders, laid out as a folder may be.

    Args:
        path: A zip file, or a tar file that may be compressed with gzip, bzip2 or xz.

    Returns:
        The listing, of kind ``"archive"``. Its items read from the open archive, so it must stay
        where it is.

    Raises:
        SourceError: The archive is damaged or too large, or holds no file in a class folder.
        StorageError: There is no room to decompress it.
    """
    path = path.absolute()
    contents = _Contents()
    try:
        # Not zipfile.is_zipfile: that is true of a tar file whose last member is a zip file.
        with path.open("rb") as file:
            is_zip = file.read(4) in ZIP_MAGICS
        if is_zip:
            _list_zip(path, contents)
        else:
            _list_tar(path, contents)
    except PhotograftError:
        raise
    except OSError as error:
        raise SourceError(
            f"{printable(path)} can't be read", got=error.strerror or str(error)
        ) from error
    return build_listing("archive", path, contents.tree(), contents.reader)


class _Contents:
    """The members of an archive, put in order by their paths."""

    def __init__(self) -> None:
        self._files: dict[PurePosixPath, _Reader] = {}
        self._folders: list[PurePosixPath] = []
        self._passed: list[Passed] = []
        self._outside: list[SkippedFile] = []

    def add(
        self, name: str, *, fault: str = "", size: int = 0, is_folder: bool, read: _Reader
    ) -> None:
        """Add a member; ``fault`` says why it can't be used, and is empty where it can."""
        path = PurePosixPath(name)
        if not _is_safe(name) or not (is_folder or path.parts):
            self._outside.append(SkippedFile(printable(name), "unsafe path"))
        elif is_folder:
            self._folders.append(path)
        elif fault:
            self._passed.append(Passed(path, fault))
        elif size > MAX_FILE_BYTES:
            detail = f"{size:,} bytes, and {MAX_FILE_BYTES:,} is the most"
            self._passed.append(Passed(path, "too large", detail))
        else:
            if path in self._files:
                detail = "the archive holds a later file of the same path"
                self._passed.append(Passed(path, "listed twice", detail))
            self._files[path] = read

    def tree(self) -> Tree:
        return Tree(list(self._files), self._folders, self._passed, self._outside)

    def reader(self, path: PurePosixPath) -> _Reader:
        return self._files[path]


def _is_safe(name: str) -> bool:
    r"""Return whether a member's name stays below the archive's root, on any system.

    >>> _is_safe("cats/1.jpg"), _is_safe("../1.jpg"), _is_safe("/1.jpg"), _is_safe("C:\\1.jpg")
    (True, False, False, False)
    """
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]", name):
        return False
    return ".." not in re.split(r"[/\\]", name)


def _list_zip(path: Path, contents: _Contents) -> None:
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGED as error:
        raise damaged(printable(path), error) from error
    members = _ZipMembers(archive)
    for info in archive.infolist():
        mode = stat.S_IFMT(info.external_attr >> 16)
        fault = ""
        if mode == stat.S_IFLNK:
            fault = "link"
        elif mode not in (0, stat.S_IFREG, stat.S_IFDIR):
            fault = "not a regular file"
        elif info.flag_bits & _ENCRYPTED_FLAG:
            fault = "encrypted"
        name = _zip_name(info)
        contents.add(
            name,
            fault=fault,
            size=info.file_size,
            is_folder=name.endswith("/"),
            read=partial(members.read, info),
        )


def _zip_name(info: zipfile.ZipInfo) -> str:
    name = info.filename
    if not info.flag_bits & _UTF8_FLAG:
        # macOS writes UTF-8 without the flag that says so; zipfile then takes it for CP437.
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = info.filename
    return name.replace("\\", "/") if info.create_system == _MADE_ON_WINDOWS else name


class _ZipMembers:
    """Reads members of an open zip file from any thread."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened_zip, (os.path.abspath(str(self._archive.filename)),)

    def read(self, info: zipfile.ZipInfo) -> bytes:
        try:
            # zipfile guards its reads, but not its count of open members.
            with self._lock:
                member = self._archive.open(info)
            try:
                data = member.read(MAX_FILE_BYTES + 1)
            finally:
                with self._lock:
                    member.close()
        except DAMAGED as error:
            raise OSError(f"{printable(info.filename)} is damaged: {error}") from error
        return _bounded(data, info.filename)


def _reopened_zip(path: str) -> _ZipMembers:
    return _ZipMembers(zipfile.ZipFile(path))


def _list_tar(path: Path, contents: _Contents) -> None:
    members = _TarMembers(path)
    for info in members:
        fault = "" if info.isreg() or info.isdir() else "not a regular file"
        contents.add(
            info.name,
            fault="link" if info.issym() or info.islnk() else fault,
            size=info.size,
            is_folder=info.isdir(),
            read=partial(members.read, info),
        )


def _open_tar(path: Path) -> IO[bytes]:
    """Return a tar file's bytes, decompressed, as a file in which can be sought."""
    with path.open("rb") as file:
        head = file.read(max(map(len, COMPRESSIONS)))
    for magic, opener in COMPRESSIONS.items():
        if head.startswith(magic):
            with opener(path) as stream:
                return spool(stream, printable(path))
    return path.open("rb")


class _TarMembers:
    """Lists and reads the members of an uncompressed tar file, and closes it at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._file = file = _open_tar(path)
        self._source = source = printable(path)
        self._lock = threading.Lock()
        try:
            self._archive = tarfile.TarFile(fileobj=file)
        except DAMAGED as error:
            raise SourceError(
                f"{source} is no archive that can be read",
                expected="a zip file, or a tar file that may be compressed with gzip, bzip2 or xz",
                got=str(error),
            ) from error

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _TarMembers, (self._path,)

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        last = -1
        try:
            for info in self._archive:
                # A crafted header can lead tarfile back to where it has been, for ever.
                if info.offset <= last or info.size < 0:
                    raise tarfile.ReadError("a member that does not follow the one before it")
                last = info.offset
                yield info
            # tarfile takes a damaged header for the end of the archive.
            self._file.seek(self._archive.offset)
            if self._file.read(tarfile.BLOCKSIZE).strip(b"\0"):
                raise tarfile.ReadError(f"a damaged header at byte {self._archive.offset:,}")
        except DAMAGED as error:
            raise damaged(self._source, error) from error

    def read(self, info: tarfile.TarInfo) -> bytes:
        try:
            with self._lock:
                member = self._archive.extractfile(info)
                data = b"" if member is None else member.read(MAX_FILE_BYTES + 1)
        except DAMAGED as error:
            raise OSError(f"{printable(info.name)} is damaged: {error}") from error
        return _bounded(data, info.name)


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > MAX_FILE_BYTES:
        raise OSError(f"{printable(name)} has more than {MAX_FILE_BYTES:,} bytes")
    return data
