"""Members of tar files, by their places in them; nothing is extracted by name."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from photograft.core.errors import SourceError
from photograft.core.files import MAX_FILE_BYTES, printable
from photograft.data.sources.members import Member
from photograft.data.sources.places import AnyFile
from photograft.data.sources.spool import DAMAGED, damaged, spool

#: How a file begins, and what opens it, for each compression that a tar file may have.
COMPRESSIONS: Mapping[bytes, Callable[[IO[bytes]], gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}


@dataclass(frozen=True)
class TarFile:
    """An uncompressed tar file from which members are read, each by its place.

    Attributes:
        file: The tar file.
    """

    file: AnyFile
    is_address = True

    @property
    def is_far(self) -> bool:
        """Whether it lies at an address."""
        return self.file.is_far

    def member(self, info: tarfile.TarInfo) -> Member:
        """Return what reads a member, which has to lie in one piece."""
        return Member(self, f"{info.offset_data} {info.size}")

    def read(self, place: str) -> bytes:
        """Return the bytes of a member.

        Raises:
            OSError: They can't be read, are too many, or end too early.
        """
        offset, size = map(int, place.split())
        if size > MAX_FILE_BYTES:  # of a sparse file so many zeros would be had for nothing
            raise OSError(f"{size:,} bytes, more than {MAX_FILE_BYTES:,}")
        data = self.file.read_at(offset, size)
        if len(data) != size:
            raise OSError(f"{self.file.name} ends within it")
        return data


def open_tar(file: AnyFile, *, is_one_of_many: bool = False) -> tuple[TarMembers, TarFile | None]:
    """Open a tar file.

    Args:
        file: The file; it may be compressed with gzip, bzip2 or xz.
        is_one_of_many: Whether others are open, too: it must not be compressed then.

    Returns:
        Its members; and what reads them from the file itself, None where it is compressed.

    Raises:
        OSError: It can't be read.
        SourceError: It is damaged or too large; or compressed, and at an address or one of many.
        StorageError: There is no room to decompress it.
    """
    members = TarMembers(file, is_one_of_many=is_one_of_many)
    return members, None if members.is_copy else TarFile(file)


def _open(file: AnyFile, *, is_one_of_many: bool) -> tuple[IO[bytes], bool]:
    """Return a tar file's bytes as a file in which can be sought, and whether that is a copy."""
    opened = file.open()
    head = opened.read(max(map(len, COMPRESSIONS)))
    opened.seek(0)
    for magic, opener in COMPRESSIONS.items():
        if head.startswith(magic):
            with opened:
                if file.is_far:
                    raise SourceError(
                        f"{file.shown} is compressed: it can't be read in place",
                        expected="a tar file without compression: photos are compressed as it is",
                        fix="Unpack it there, or copy it to this machine.",
                    )
                if is_one_of_many:  # each would keep a file open, and room on the disk
                    raise SourceError(
                        f"{file.shown} is compressed, and is one of several tar files",
                        expected="tar files without compression: photos are compressed as it is",
                        fix="Unpack it, as with gunzip, bunzip2 or unxz; or give it alone.",
                    )
                with opener(opened) as stream:
                    return spool(stream, file.shown), True
    return opened, False


class TarMembers:
    """Lists and reads the members of a tar file; pickled, it is opened anew where it is sent.

    Args:
        file: The tar file.
        is_one_of_many: See `open_tar`.

    Attributes:
        is_copy: Whether it was decompressed: places in it are not those in the file.

    Raises:
        SourceError: It is none. Also while it is listed, where it is damaged.
    """

    def __init__(self, file: AnyFile, *, is_one_of_many: bool = False) -> None:
        self._of, self._source = file, file.shown
        self._file, self.is_copy = _open(file, is_one_of_many=is_one_of_many)
        self._lock = threading.Lock()
        try:
            self._archive = tarfile.TarFile(fileobj=self._file)
        except DAMAGED as error:
            self._file.close()
            raise SourceError(
                f"{self._source} is no archive that can be read",
                expected="a zip file, or a tar file that may be compressed with gzip, bzip2 or xz",
                got=str(error),
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        return TarMembers, (self._of,)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

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
            self._file.close()
            raise damaged(self._source, error) from error

    def read(self, info: tarfile.TarInfo) -> bytes:
        """Return the bytes of a member.

        Raises:
            OSError: It is damaged, or too large.
        """
        try:
            with self._lock:
                member = self._archive.extractfile(info)
                data = b"" if member is None else member.read(MAX_FILE_BYTES + 1)
        except DAMAGED as error:
            raise OSError(f"{printable(info.name)} is damaged: {error}") from error
        return bounded(data, info.name)


def bounded(data: bytes, name: str) -> bytes:
    """Return the bytes of a member, if they are not too many.

    Raises:
        OSError: They are.
    """
    if len(data) > MAX_FILE_BYTES:
        raise OSError(f"{printable(name)} has more than {MAX_FILE_BYTES:,} bytes")
    return data


def is_safe(name: str) -> bool:
    r"""Return whether a member's name stays below the archive's root, on any system.

    >>> is_safe("cats/1.jpg"), is_safe("../1.jpg"), is_safe("/1.jpg"), is_safe("C:\\1.jpg")
    (True, False, False, False)
    """
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]", name):
        return False
    return ".." not in re.split(r"[/\\]", name)


def is_tar(head: bytes) -> bool:
    """Return whether a file that begins so, with some hundred bytes, is a tar file.

    Of compressed ones any is taken for one.
    """
    return head.startswith(tuple(COMPRESSIONS)) or head[257:262] == b"ustar"
