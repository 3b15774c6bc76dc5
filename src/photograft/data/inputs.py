"""What scikit-learn's users hand over as ``X``: paths, arrays or pictures, each read as a file."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import ExifTags, Image

from photograft.core.errors import InputError
from photograft.core.files import printable, read_file
from photograft.data.dataset import Dataset
from photograft.data.images import DEFAULT_MAX_PIXELS
from photograft.data.sources.base import Item, Listing
from photograft.data.sources.pixels import check_shape, encode, find_scale

Array = np.ndarray[Any, np.dtype[Any]]

_EXPECTED = (
    "paths, arrays (height, width), (height, width, 1), (height, width, 3) or (height, width, 4), "
    "or Pillow's pictures"
)

# Pillow's modes that a PNG keeps as they are: bits, palettes, transparency, 16-bit grey.
_PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"}


_CHANNELS = (1, 3, 4)

# The same picture may be in X twice, and Pillow's decoding of one is not for several threads.
_LOADING = threading.Lock()


@dataclass(frozen=True)
class PhotoInput:
    """One photo of ``X``; nothing of a file has been read yet.

    Attributes:
        shown: What errors call it: the path as it was given, or the place in ``X``.
        read: Returns the photo as a file's bytes; raises OSError where that fails.
    """

    shown: str
    read: Callable[[], bytes]


def understand(X: Any) -> list[PhotoInput]:
    """Return the photos of ``X``, in order.

    Args:
        X: A sequence of paths, arrays of pixels or Pillow's pictures; a column of them (a Series,
            or a table or an object array of one column); or one array of shape
            ``(n, height, width)`` or ``(n, height, width, channels)`` with 1, 3 or 4 channels.
            Whole numbers lie in [0, 255], floats in [0, 1].

    Returns:
        At least one photo.

    Raises:
        InputError: It is something else, or a photo is missing.
    """
    if isinstance(X, (str, bytes, os.PathLike, Image.Image)):
        raise InputError("X is a single photo", expected="several", fix="Put it into a list: [X].")
    if hasattr(X, "toarray"):
        raise InputError("X is a sparse matrix, which holds no photos", expected=_EXPECTED)
    if not isinstance(X, (list, tuple)) and hasattr(X, "__array__"):
        array = np.asarray(X)
        if array.dtype.kind not in "OU":
            return _of_array(array)
        X = _column(array)
    if not (hasattr(X, "__len__") and hasattr(X, "__getitem__")) or isinstance(X, Mapping):
        raise InputError(
            "X is no sequence of photos", expected=_EXPECTED, got=f"a {type(X).__name__}"
        )
    if not len(X):
        raise InputError("X holds no photos", expected="at least one", got="0 sample(s)")
    return [_understand_one(X[i], f"X[{i}]") for i in range(len(X))]


def is_column(X: Any) -> bool:
    """Return whether ``X`` is a table of one column, such as a DataFrame of paths."""
    shape = getattr(X, "shape", None)
    return isinstance(shape, tuple) and len(shape) == 2 and shape[1] == 1


def read_photos(
    inputs: Sequence[PhotoInput],
    labels: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Dataset:
    """Read every photo's bytes and header, but no pixels yet; photo ``i`` is that of ``X[i]``.

    Args:
        inputs: The photos.
        labels: The name of each one's class.
        groups: The group of each one.
        max_pixels: Photos with more pixels are refused.

    Raises:
        InputError: A photo can't be read, or is none; the error names it.
    """
    width = len(str(len(inputs)))
    items = [
        # With its number first: names are unique, and sorted as X is.
        Item(
            name=f"{i:0{width}}/{photo.shown}",
            label=labels[i] if labels is not None else "",
            split=None,
            group=groups[i] if groups is not None else None,
            read=photo.read,
        )
        for i, photo in enumerate(inputs)
    ]
    dataset = Dataset.from_listing("X", Listing("arrays", tuple(items)), max_pixels=max_pixels)
    refuse_unusable(dataset)
    return dataset


def refuse_unusable(dataset: Dataset) -> None:
    """Raise an error that names the first photo of those that `read_photos` read and can't be used.

    A photo can't be left out in silence: scikit-learn expects an answer for every row.

    Raises:
        InputError: There is one.
    """
    if not dataset.skipped:
        return
    first, others = dataset.skipped[0], len(dataset.skipped) - 1
    more = f", nor can {others:,} more of X" if others else ""
    reason = f"{first.reason} ({first.detail})" if first.detail else first.reason
    raise InputError(
        f"{first.name.partition('/')[2]} can't be used as a photo: {reason}{more}",
        fix="Leave it out of X and y.",
    )


def _of_array(array: Array) -> list[PhotoInput]:
    """Return the photos of one array of pixels."""
    if array.dtype.kind == "c":  # in scikit-learn's words
        raise InputError("Complex data not supported", expected="pixels", got=str(array.dtype))
    if array.ndim == 3 and array.shape[2] in _CHANNELS:
        raise InputError(
            "X is a single photo, or photos that are only some pixels wide",
            expected="shape (n, height, width) or (n, height, width, channels)",
            got=f"shape {array.shape}",
            fix="Put a single photo into a list: [X].",
        )
    opacity = array.ndim == 4 and array.shape[3] == 4
    check_shape("X", array[..., :3] if opacity else array)
    scale = _scale("X", array)
    return [PhotoInput(f"X[{i}]", partial(_encode, array, i, scale)) for i in range(len(array))]


def _column(array: Array) -> Array:
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if array.ndim == 1:
        return array
    raise InputError(
        "X is no column of photos",
        expected="shape (n,) or (n, 1)",
        got=f"shape {array.shape} of {array.dtype}",
        fix="Choose the column of paths: X[['path']].",
    )


def _understand_one(value: Any, shown: str) -> PhotoInput:
    if isinstance(value, (str, os.PathLike)):
        path = Path(cast("str | os.PathLike[str]", value))
        return PhotoInput(printable(path), partial(read_file, path))
    if isinstance(value, Image.Image):
        return PhotoInput(shown, partial(_encode_picture, value))
    array = np.asarray(value) if hasattr(value, "__array__") else None
    if array is None or not array.ndim:  # also a missing path: pandas gives None, NaN or NA
        got = f"{value!r:.60}, a {type(value).__name__}"
        raise InputError(f"{shown} is no photo", expected=_EXPECTED, got=got)
    shape = array.shape
    if not (array.ndim == 2 or (array.ndim == 3 and shape[2] in _CHANNELS)) or 0 in shape:
        first = array.ndim == 3 and shape[0] in _CHANNELS
        raise InputError(
            f"{shown} is no photo",
            expected=_EXPECTED,
            got=f"an array of shape {shape}",
            fix=f"Put the channels last: {shown}.transpose(1, 2, 0)." if first else "",
        )
    return PhotoInput(shown, partial(_encode, array[None], 0, _scale(shown, array)))


def _scale(name: str, array: Array) -> float:
    """Return what an array's values are to be multiplied by to lie in 0 to 255."""
    scale, _ = find_scale({name: array})
    if array.dtype.kind == "f" and scale == 1:
        # Were the range to be guessed, a photo's features would depend on what came with it.
        raise InputError(
            f"{name} holds floats above 1",
            expected="floats in [0, 1], or whole numbers in [0, 255]",
            fix=f"Hand over {name}.astype('uint8'), or divide by 255.",
        )
    return scale


def _encode(array: Array, index: int, scale: float) -> bytes:
    """Return one image of a checked array as a file: PPM or PGM, with transparency PNG."""
    if array.ndim < 4 or array.shape[3] != 4:
        return encode(array, index, scale)
    image = array[index]
    if scale != 1:
        image = np.rint(image.astype(np.float64) * scale).clip(0, 255)
    return _as_file(Image.fromarray(np.ascontiguousarray(image, np.uint8)), "PNG")


def _encode_picture(picture: Image.Image) -> bytes:
    """Return a picture as a file that decodes to the same as the file it was opened from."""
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
