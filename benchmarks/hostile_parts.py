"""What hostile requests are made of: heads, photos of every format, and bombs."""

from __future__ import annotations

import functools
import io
import random
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

HOST = b"Host: localhost\r\n"


@dataclass(frozen=True)
class Attack:
    """What is sent.

    Attributes:
        kind: The name of what is tried.
        parts: Bytes, one after the other.
        pause: Seconds between them.
        reads: Whether the answer is waited for.
        ends: Whether the sending side is closed then: what was announced never comes.
    """

    kind: str
    parts: tuple[bytes, ...]
    pause: float = 0.0
    reads: bool = True
    ends: bool = False


def request(
    body: bytes = b"",
    place: bytes = b"/predict",
    kind: bytes = b"image/jpeg",
    *headers: bytes,
    method: bytes = b"POST",
    length: int | None = None,
) -> bytes:
    """Return a request, on a connection for it alone."""
    lines = [method + b" " + place + b" HTTP/1.1", b"Host: localhost", b"Connection: close"]
    lines += [
        b"Content-Type: " + kind,
        b"Content-Length: %d" % (len(body) if length is None else length),
    ]
    return b"\r\n".join([*lines, *headers, b"", body])


@functools.cache
def photo(kind: str = "JPEG", mode: str = "RGB", width: int = 120, height: int = 90) -> bytes:
    """Return a photo of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(data, kind)
    return data.getvalue()


PHOTOS = (
    ("JPEG", "RGB"), ("JPEG", "CMYK"), ("JPEG", "L"), ("PNG", "RGB"), ("PNG", "RGBA"),
    ("PNG", "P"), ("PNG", "1"), ("GIF", "P"), ("WEBP", "RGB"), ("TIFF", "RGB"), ("TIFF", "CMYK"),
    ("BMP", "RGB"), ("PPM", "RGB"), ("JPEG2000", "RGB"), ("ICO", "RGBA"), ("AVIF", "RGB"),
)  # fmt: skip


def any_photo(chance: random.Random) -> bytes:
    """Return a small photo of some format."""
    kind, mode = chance.choice(PHOTOS)
    return photo(kind, mode, 48, 48)


@functools.cache
def png_bomb(side: int) -> bytes:
    """Return a PNG of so many black pixels a side."""
    packer = zlib.compressobj(9)
    row = bytes(1 + side)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return png(struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0), rows)


def png(head: bytes, rows: bytes) -> bytes:
    """Return a PNG of a header and compressed rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    parts = (chunk(b"IHDR", head), chunk(b"IDAT", rows), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
