"""What goes through the pipe between a process and those that work for it: pickled, one by one."""

from __future__ import annotations

import struct
from multiprocessing.reduction import ForkingPickler
from typing import IO, Any

from photograft.core.errors import first_line

_LENGTH = struct.Struct("<Q")


class UnreadableError(Exception):
    """What came can't be unpickled; its cause says why."""


def send(stream: IO[bytes], thing: object) -> None:
    """Write one thing; nothing of it where it can't be pickled.

    Raises:
        OSError: Nobody reads any more.
    """
    data = ForkingPickler.dumps(thing)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Return the next thing, written by a process of our own.

    Raises:
        EOFError: There is none any more.
        UnreadableError: It can't be unpickled.
    """
    data = _read(stream, _LENGTH.unpack(_read(stream, _LENGTH.size))[0])
    try:
        return ForkingPickler.loads(data)
    except Exception as error:
        raise UnreadableError(first_line(error)) from error


def _read(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data
