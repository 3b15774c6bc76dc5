"""Pixels and pictures in memory, written as the bytes of files: everything else reads files."""

from __future__ import annotations

import io
import threading
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from photograft.core.arrays import Array
from photograft.data.sources.pixels import encode

# Pillow's modes that a PNG keeps as they are: bits, palettes, transparency, 16-bit grey.
_PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"}

# The same picture may be handed over twice, and Pillow's decoding of one is not for several
# threads.
_LOADING = threading.Lock()


def encode_pixels(array: Array, index: int, scale: float) -> bytes:
    """Return one image of a checked array as a file: PPM or PGM, with transparency PNG.

    Args:
        array: Shape ``(n, height, width)`` or ``(n, height, width, channels)``, channels 1, 3 or 4.
        index: Which image.
        scale: What `find_scale` returned for it.
    """
    if array.ndim < 4 or array.shape[3] != 4:
        return encode(array, index, scale)
    image = array[index]
    if scale != 1:
        image = np.rint(image.astype(np.float64) * scale).clip(0, 255)
    return _as_file(Image.fromarray(np.ascontiguousarray(image, np.uint8)), "PNG")


def encode_picture(picture: Image.Image) -> bytes:
    """Return a picture as a file that decodes to the same as the file it was opened from.

    Raises:
        OSError: It can't be decoded.
    """
    try:
        with _LOADING:
            picture.load()
        turned = picture.getexif().get(ExifTags.Base.Orientation, 1) != 1
        plain = picture.mode in ("L", "RGB") and not picture.has_transparency_data
        if plain and not turned:
            return encode(np.asarray(picture)[None], 0, 1.0)
        if picture.mode == "F":
            return _as_file(picture, "TIFF")
        if picture.mode not in _PNG_MODES:
            # Without a profile of colours: that which Pillow makes of LAB has the time in it, so
            # the same picture would be another file a second later.
            rgb = picture.convert("RGB")
            return _as_file(rgb, "PNG", exif=picture.getexif(), icc_profile=None)
        return _as_file(picture, "PNG", exif=picture.getexif())
    except Exception as error:  # a picture is decoded only now, and Pillow raises nearly anything
        raise OSError(str(error) or type(error).__name__) from error


def _as_file(picture: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()
