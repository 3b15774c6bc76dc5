"""Photos in class folders inside a ``.zip`` or ``.tar`` file; nothing is extracted by name."""

from __future__ import annotations

import stat
import threading
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from photograft.core.errors import PhotograftError, SourceError
from photograft.core.files import MAX_FILE_BYTES, printable
from photograft.data.sources.base import Listing, SkippedFile
from photograft.data.sources.layout import build_listing
from photograft.data.sources.places import AnyFile, FarFile, LocalFile, local_file
from photograft.data.sources.spool import DAMAGED, damaged
from photograft.data.sources.tars import TarFile, TarMembers, bounded, is_safe, open_tar
from photograft.data.sources.tree import Passed, Tree
from photograft.data.sources.webdataset import holds_samples, list_samples

#: How a zip file begins: with a member, or with the end of an empty one.
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")

_UTF8_FLAG = 0x800
_ENCRYPTED_FLAG = 0x1
_MADE_ON_WINDOWS = 0

_Reader = Callable[[], bytes]


def read_archive(path: Path | FarFile) -> Listing:
    """List the photos in an archive: class folders, laid out as a folder may be, or samples.

    Args:
        path: A zip file, or a tar file that may be compressed with gzip, bzip2 or xz; not so at an
            address.

    Returns:
        The listing, of kind ``"archive"``, or ``"webdataset"`` of a tar file with labels beside its
        photos. Its items read from the archive, so it must stay where it is.

    Raises:
        SourceError: The archive is damaged or too large, or holds no file in a class folder.
        StorageError: There is no room to decompress it.
    """
    archive = path if isinstance(path, FarFile) else local_file(path)
    contents = _Contents()
    try:
        # Not zipfile.is_zipfile: that is true of a tar file whose last member is a zip file.
        with archive.open() as file:
            is_zip = file.read(4) in ZIP_MAGICS
        if is_zip:
            _list_zip(archive, contents)
        else:
            members, tar = open_tar(archive)
            if holds_samples(members):
                return list_samples(archive, members, tar)
            _list_tar(members, tar, contents)
    except PhotograftError:
        raise
    except OSError as error:
        raise SourceError(
            f"{archive.shown} can't be read", got=error.strerror or str(error)
        ) from error
    return build_listing("archive", archive.shown, contents.tree(), contents.reader)


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
        if not is_safe(name) or not (is_folder or path.parts):
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


def _list_zip(file: AnyFile, contents: _Contents) -> None:
    try:
        members = _ZipMembers(file)
    except DAMAGED as error:
        raise damaged(file.shown, error) from error
    for info in members.archive.infolist():
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
    """Reads members of a zip file from any thread."""

    def __init__(self, file: AnyFile) -> None:
        self._file = file
        self.archive = zipfile.ZipFile(file.path if isinstance(file, LocalFile) else file.open())
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _ZipMembers, (self._file,)

    def read(self, info: zipfile.ZipInfo) -> bytes:
        try:
            # zipfile guards its reads, but not its count of open members.
            with self._lock:
                member = self.archive.open(info)
            try:
                data = member.read(MAX_FILE_BYTES + 1)
            finally:
                with self._lock:
                    member.close()
        except DAMAGED as error:
            raise OSError(f"{printable(info.filename)} is damaged: {error}") from error
        return bounded(data, info.filename)


def _list_tar(members: TarMembers, tar: TarFile | None, contents: _Contents) -> None:
    for info in members:
        fault = "" if info.isreg() or info.isdir() else "not a regular file"
        in_place = tar is not None and not info.issparse()
        contents.add(
            info.name,
            fault="link" if info.issym() or info.islnk() else fault,
            size=info.size,
            is_folder=info.isdir(),
            read=tar.member(info) if tar and in_place else partial(members.read, info),
        )
