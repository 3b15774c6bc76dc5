"""HEIC and HEIF photos, opened as Pillow opens others; their reader is imported with the first."""

from __future__ import annotations

import functools
from typing import IO

from PIL import ImageFile

from photograft.core.optional import is_installed


@functools.cache
def is_there() -> bool:
    """Return whether their reader is installed."""
    return is_installed("pi_heif")


def open_heif(stream: IO[bytes]) -> ImageFile.ImageFile:
    """Return a photo whose pixels are not decoded yet: upright, and of 8 bits.

    The container turns the picture; what its EXIF says of the orientation is then taken away. The
    reader is not made known to Pillow, so that other users of Pillow in this process see no change.

    Args:
        stream: The file.

    Raises:
        SyntaxError: It is none, or damaged.
    """
    from pi_heif import HeifImageFile

    image: ImageFile.ImageFile = HeifImageFile(stream)
    return image
