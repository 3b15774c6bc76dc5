"""Checks on arrays of images, and the images of such arrays as files' bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from photograft.core.arrays import Array
from photograft.core.errors import SourceError
from photograft.core.text import count

# Resizing leaves floats that are a little beyond the range they are meant to keep.
_TOLERANCE = 1e-3

_CHUNK_BYTES = 2**24

_EXPECTED_SHAPE = (
    "images of shape (n, height, width, 3), (n, height, width, 1) or (n, height, width)"
)


class _Range(NamedTuple):
    low: float
    high: float
    not_finite: int


def check_shape(name: str, array: Array) -> None:
    """Check that an array's shape is one of images.

    Args:
        name: The array's name, for the error.
        array: The array.

    Raises:
        SourceError: It is not, or it holds no image.
    """
    shape = array.shape
    if len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3)):
        if 0 in shape:
            raise SourceError(
                f"{name} holds no images", expected=_EXPECTED_SHAPE, got=f"shape {shape}"
            )
        return
    fix = ""
    if len(shape) == 2:
        fix = f"Give flattened images their height and width: {name}.reshape(-1, height, width)."
    elif len(shape) == 4 and shape[1] in (1, 3):
        fix = f"Put the channels last: {name}.transpose(0, 2, 3, 1)."
    elif len(shape) == 4 and shape[3] == 4:
        fix = f"Leave out the alpha channel: {name}[..., :3]."
    raise SourceError(
        f"{name} is no array of images", expected=_EXPECTED_SHAPE, got=f"shape {shape}", fix=fix
    )


def find_scale(images: Mapping[str, Array]) -> tuple[float, list[str]]:
    """Return what the values are to be multiplied by to lie in 0 to 255.

    Args:
        images: Arrays of images by name; the first, which is the one to learn from, decides.

    Returns:
        The factor, 1 or 255, and notes on how it was found.

    Raises:
        SourceError: An array is of another type, or holds values that lie outside the range.
    """
    names = list(images)
    floats = {name for name in names if _is_float(name, images[name])}
    if not floats:
        for name in names:
            _check_integers(name, images[name])
        return 1.0, []
    if len(floats) < len(names):
        types = ", ".join(f"{name} of {images[name].dtype}" for name in names)
        raise SourceError(
            "the images are of whole numbers in one array and of floats in another",
            expected="one type, so that the range of the values is the same",
            got=types,
        )
    found = {name: _range(images[name]) for name in names}
    first = names[0]
    _check_finite(first, found[first])
    top = 1.0 if found[first].high <= 1 + _TOLERANCE else 255.0
    for name in names:
        _check_finite(name, found[name])
        low, high, _ = found[name]
        if low < -_TOLERANCE * top or high > (1 + _TOLERANCE) * top:
            raise SourceError(
                f"the values of {name} lie outside 0 to {top:g}",
                expected=f"floats in [0, {top:g}], as the maximum of {first} "
                f"is {found[first].high:g}",
                got=f"values from {low:g} to {high:g}",
                fix="Undo any normalisation; Photograft does its own.",
            )
    note = f"values of {first} reach {found[first].high:g}: all were taken to lie in 0 to {top:g}"
    return 255.0 / top, [note]


def encode(array: Array, index: int, scale: float) -> bytes:
    """Return one image of a checked array as the bytes of a PPM or PGM file.

    Args:
        array: The array.
        index: Which image.
        scale: What `find_scale` returned.

    Returns:
        The file's bytes.
    """
    image = np.asarray(array[index])
    if image.dtype.kind == "f":
        image = np.clip(np.rint(image.astype(np.float64) * scale), 0, 255)
    pixels = np.ascontiguousarray(image, dtype=np.uint8)
    magic = "P6" if pixels.shape[2:] == (3,) else "P5"
    return f"{magic}\n{pixels.shape[1]} {pixels.shape[0]}\n255\n".encode() + pixels.tobytes()


def _is_float(name: str, array: Array) -> bool:
    if array.dtype.kind not in "uif":
        raise SourceError(
            f"{name} is of a type that images can't have",
            expected="uint8, or floats in [0, 1] or [0, 255]",
            got=f"dtype {array.dtype}",
            fix=f"Make it numbers: {name}.astype(np.uint8) * 255."
            if array.dtype.kind == "b"
            else "",
        )
    return array.dtype.kind == "f"


def _check_integers(name: str, array: Array) -> None:
    if array.dtype == np.uint8:
        return
    low, high, _ = _range(array)
    if low < 0 or high > 255:
        raise SourceError(
            f"the values of {name} lie outside 0 to 255",
            expected="whole numbers in [0, 255]",
            got=f"{array.dtype} from {low:.0f} to {high:.0f}",
        )


def _check_finite(name: str, found: _Range) -> None:
    if found.not_finite:
        raise SourceError(
            f"{name} holds {count(found.not_finite, 'value that is', 'values that are')} NaN or "
            "infinite",
            expected="floats in [0, 1] or [0, 255]",
            fix="Replace them, or leave those images out.",
        )


def _range(array: Array) -> _Range:
    low, high, not_finite = np.inf, -np.inf, 0
    for chunk in _chunks(array):
        if array.dtype.kind == "f":
            finite = chunk[np.isfinite(chunk)]
            not_finite += chunk.size - finite.size
        else:
            finite = chunk
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return _Range(low, high, not_finite)


def _chunks(array: Array) -> Iterator[Array]:
    # In the order in which the values lie on the disk.
    ordered = array if array.flags.c_contiguous else array.T
    step = max(1, _CHUNK_BYTES // max(1, ordered[0].nbytes))
    for start in range(0, len(ordered), step):
        yield ordered[start : start + step]
