"""The size that a file's header states, read without a decoder."""

from __future__ import annotations

import struct


def declared_size(data: bytes, name: str) -> tuple[int, int] | None:
    """Return the size that the header states, for formats whose pixels Pillow touches on opening.

    Opening a WebP allocates its canvas, and opening an ICO decodes it, so a limit on the size has
    to be applied before that.

    Args:
        data: The file.
        name: Pillow's name of its format.

    Returns:
        Width and height; None for any other format, and where the header ends early.
    """
    try:
        if name == "WEBP":
            return _webp_size(data)
        return _ico_size(data) if name == "ICO" else None
    except (struct.error, IndexError):
        return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return (
            int.from_bytes(data[24:27], "little") + 1,
            int.from_bytes(data[27:30], "little") + 1,
        )
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _ico_size(data: bytes) -> tuple[int, int] | None:
    """Return the size of the largest picture in an icon; what the directory says can be wrong."""
    largest: tuple[int, int] | None = None
    for index in range(int.from_bytes(data[4:6], "little")):
        (at,) = struct.unpack_from("<I", data, 6 + 16 * index + 12)
        if data[at : at + 8] == b"\x89PNG\r\n\x1a\n":
            size = struct.unpack_from(">II", data, at + 16)
        elif data[at : at + 4] == b"\x0c\0\0\0":
            width, height = struct.unpack_from("<HH", data, at + 4)
            size = (width, height // 2)  # the mask lies below the picture and is counted
        else:
            width, height = struct.unpack_from("<II", data, at + 4)
            size = (width, height // 2)
        if largest is None or size[0] * size[1] > largest[0] * largest[1]:
            largest = (size[0], size[1])
    return largest
