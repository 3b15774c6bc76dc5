"""A process that decodes photos for a server: what a hostile one can take down is this alone.

It reads from its standard input and writes to its standard output, until the former ends:

    in:   lengths of the record and of the file, and the most pixels (3 x uint64); record; file
    out:  b"s", number of pixels (uint64)          of a large one; one byte lets it decode
    out:  b"p", length (uint64), the pixels        or
          b"e", length (uint64), the error as JSON: reason and detail
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import struct
import sys
from typing import BinaryIO

from photograft.backbones.registry import Backbone
from photograft.core.errors import ImageError
from photograft.data.images import read_header
from photograft.features.preprocessing import prepare_looks

JOB, NUMBER = struct.Struct("<QQQ"), struct.Struct("<Q")
SIZE, PIXELS, ERROR = b"s", b"p", b"e"

#: Pixels of photos that are decoded without asking for room.
_SMALL = 2_000_000
#: More than Pillow needs of any mode for each pixel, its copies on the way to RGB included.
_BYTES_PER_PIXEL = 24
#: For what is no pixels: coefficients of a progressive JPEG count as those.
_ROOM = 256_000_000


def main() -> None:
    """Decode until there is nothing more to read."""
    # Whoever ends the server ends the worker by closing the pipe, once its work is done.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # What libraries print goes nowhere: the pipes are for frames, the log is not for photos.
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    limited = 0
    with contextlib.suppress(BrokenPipeError):  # the server is gone
        while len(head := source.read(JOB.size)) == JOB.size:
            record_length, length, max_pixels = JOB.unpack(head)
            record, data = source.read(record_length), source.read(length)
            if max_pixels > limited:
                _limit_memory(max_pixels)
                limited = max_pixels
            _answer(record, data, max_pixels, source, sink)


def _answer(record: bytes, data: bytes, max_pixels: int, source: BinaryIO, sink: BinaryIO) -> None:
    try:
        header = read_header(data, max_pixels=max_pixels)
        if (pixels := header.width * header.height) > _SMALL:
            sink.write(SIZE + NUMBER.pack(pixels))
            sink.flush()
            if source.read(1) != SIZE:
                return
        looks = _backbone(record).looks
        kind = PIXELS
        seen = prepare_looks(data, looks, max_pixels=max_pixels)
        answer = b"".join(pixels.tobytes() for pixels in seen)
    except ImageError as error:
        kind, answer = ERROR, json.dumps([error.reason, error.detail]).encode()
    except MemoryError:
        kind, answer = (
            ERROR,
            json.dumps(["too large", "decoding it takes too much memory"]).encode(),
        )
    sink.write(kind + NUMBER.pack(len(answer)) + answer)
    sink.flush()


@functools.lru_cache(maxsize=32)
def _backbone(record: bytes) -> Backbone:
    return Backbone.from_json(json.loads(record))


def _limit_memory(max_pixels: int) -> None:
    """Let no photo take more memory than the largest that is allowed can need."""
    if sys.platform == "win32":
        return
    import resource

    used = 0
    with contextlib.suppress(OSError, ValueError), open("/proc/self/statm", "rb") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    most = (used or 1_000_000_000) + max_pixels * _BYTES_PER_PIXEL + _ROOM
    with contextlib.suppress(OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
