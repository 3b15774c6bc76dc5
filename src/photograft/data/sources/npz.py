"""Arrays inside an ``.npz`` file, mapped into memory and never loaded whole."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from photograft.core.errors import SourceError, StorageError
from photograft.core.files import printable
from photograft.data.sources.spool import DAMAGED, damaged, spool

_CHUNK = 2**20
_LOCAL_HEADER = struct.Struct("<26xHH")
_ENCRYPTED_FLAG = 0x1


class Npz:
    """The arrays of an ``.npz`` file by name, each opened when it is asked for.

    Args:
        path: The file.

    Raises:
        SourceError: It is no zip file.
    """

    def __init__(self, path: Path) -> None:
        self.shown = printable(path)
        self._path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except DAMAGED as error:
            raise damaged(self.shown, error) from error
        self._members: Mapping[str, zipfile.ZipInfo] = {
            info.filename.removesuffix(".npy"): info
            for info in self._archive.infolist()
            if info.filename.endswith(".npy")
        }

    def __enter__(self) -> Npz:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    @property
    def names(self) -> list[str]:
        """The names of the arrays, in the file's order."""
        return list(self._members)

    def open(self, name: str) -> np.ndarray[Any, np.dtype[Any]]:
        """Return an array that is read from the disk as it is used.

        Args:
            name: Its name.

        Returns:
            A read-only array. One that was stored compressed is mapped from an unpacked copy that
            goes with it.

        Raises:
            SourceError: The array is damaged, or holds Python objects.
            StorageError: There is no room to unpack it.
        """
        info = self._members[name]
        if info.flag_bits & _ENCRYPTED_FLAG:
            raise SourceError(
                f"the array {name} of {self.shown} is encrypted", fix="Save it without a password."
            )
        try:
            if info.compress_type == zipfile.ZIP_STORED:
                self._check(info)
                with self._path.open("rb") as file:
                    return self._map(file, self._start(file, info), info.file_size, name)
            with self._archive.open(info) as stream:
                copy = spool(stream, f"the array {name} of {self.shown}")
            with copy:
                return self._map(copy, 0, info.file_size, name)
        except (SourceError, StorageError):
            raise
        except DAMAGED as error:
            raise damaged(f"the array {name} of {self.shown}", error) from error

    def _check(self, info: zipfile.ZipInfo) -> None:
        """Read a member once, for zipfile to compare its checksum."""
        with self._archive.open(info) as stream:
            while stream.read(_CHUNK):
                pass

    def _start(self, file: IO[bytes], info: zipfile.ZipInfo) -> int:
        file.seek(info.header_offset)
        name_length, extra_length = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        return info.header_offset + _LOCAL_HEADER.size + int(name_length) + int(extra_length)

    def _map(
        self, file: IO[bytes], start: int, size: int, name: str
    ) -> np.ndarray[Any, np.dtype[Any]]:
        file.seek(start)
        version = npy.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = npy.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, fortran, dtype = npy.read_array_header_2_0(file)
        else:
            raise ValueError(f"npy format {version[0]}.{version[1]}, where 1.0 or 2.0 is known")
        if dtype.hasobject:
            raise SourceError(
                f"the array {name} of {self.shown} holds Python objects, which are never loaded",
                expected="an array of numbers or text",
                got=f"dtype {dtype}",
                fix=f"Save it as np.stack({name}) for images of one size, as {name}.astype(str) "
                "for text; photos of several sizes belong into class folders.",
            )
        data = file.tell() - start
        needed = dtype.itemsize * int(np.prod(shape, dtype=object))
        if data + needed != size:
            raise ValueError(f"shape {shape} needs {needed:,} bytes, and {size - data:,} are there")
        if needed == 0:
            return np.empty(shape, dtype)
        return np.memmap(
            file, dtype, mode="r", offset=start + data, shape=shape, order="F" if fortran else "C"
        )
