"""Copies of compressed streams on the disk, so that they can be read at any place."""

from __future__ import annotations

import lzma
import struct
import tarfile
import tempfile
import zipfile
import zlib
from typing import IO, Protocol

from photograft.core.errors import SourceError, StorageError

#: More than this (bytes) is never unpacked from one source.
MAX_UNPACKED_BYTES = 64 * 2**30

#: What Python's own readers raise on files that are damaged or made by an attacker.
DAMAGED = (
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)

_CHUNK = 2**20


class Readable(Protocol):
    """What can be read from its start to its end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most ``size``; none at the end."""


def spool(stream: Readable, source: str) -> IO[bytes]:
    """Copy a stream into a temporary file that has no name and goes when it is closed.

    Args:
        stream: What to copy; it is read to its end.
        source: What it is, for errors.

    Returns:
        The file, at its start; the caller closes it.

    Raises:
        SourceError: The stream is damaged, or longer than `MAX_UNPACKED_BYTES`.
        StorageError: The temporary file can't be written.
    """
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it.
    except OSError as error:
        raise _full(source, error) from error
    try:
        total = 0
        while chunk := _next_chunk(stream, source):
            total += len(chunk)
            if total > MAX_UNPACKED_BYTES:
                raise SourceError(
                    f"{source} unpacks to too much data",
                    expected=f"at most {MAX_UNPACKED_BYTES:,} bytes",
                    got="more",
                    fix="Unpack it yourself and give the folder.",
                )
            _write(file, chunk, source)
        _flush(file, source)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def damaged(source: str, error: Exception) -> SourceError:
    """Return the error for a source whose bytes are broken."""
    return SourceError(
        f"{source} is damaged or incomplete",
        got=str(error).rstrip(".") or type(error).__name__,
        fix="Copy or download it again.",
    )


def _next_chunk(stream: Readable, source: str) -> bytes:
    try:
        return stream.read(_CHUNK)
    except DAMAGED as error:
        raise damaged(source, error) from error


def _write(file: IO[bytes], chunk: bytes, source: str) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        raise _full(source, error) from error


def _flush(file: IO[bytes], source: str) -> None:
    try:
        file.flush()
    except OSError as error:
        raise _full(source, error) from error


def _full(source: str, error: OSError) -> StorageError:
    return StorageError(
        f"{source} can't be unpacked into a temporary file",
        got=error.strerror or str(error),
        fix="Free some space, or set TMPDIR to a folder that has more.",
    )
