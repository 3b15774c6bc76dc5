"""What a photo may be in Python: a path, an array of pixels or a picture, each read as a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from photograft.core.addresses import is_address, shown_address
from photograft.core.arrays import Array
from photograft.core.errors import InputError, SourceError, described
from photograft.core.files import printable, read_file
from photograft.data.encoding import encode_picture, encode_pixels
from photograft.data.formats import refuse_by_name
from photograft.data.sources.addresses import Address, local_path, parse_address
from photograft.data.sources.members import Member
from photograft.data.sources.pixels import check_shape, find_scale
from photograft.data.sources.places import FarFolder

_EXPECTED = (
    "paths, arrays (height, width), (height, width, 1), (height, width, 3) or (height, width, 4), "
    "or Pillow's pictures"
)

_CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class PhotoInput:
    """One photo that was handed over; nothing of a file has been read yet.

    Attributes:
        name: The path as it was given, or the place among the others, such as ``"X[3]"``.
        read: Returns the photo as a file's bytes; raises OSError where that fails, ImageError where
            the file's name tells that it is none.
        is_path: Whether it is a file on the disk.
    """

    name: str
    read: Callable[[], bytes]
    is_path: bool = False


@dataclass(frozen=True)
class PhotoFile:
    """Reads the file at a path, as long as its name does not tell that it is no photo.

    Attributes:
        path: As it was given.
    """

    path: str

    def __call__(self) -> bytes:
        """Return its bytes; raises OSError, or ImageError by its name."""
        path = Path(self.path)
        data = read_file(path)
        refuse_by_name(data, path.name)
        return data

    def __reduce__(self) -> tuple[Any, ...]:
        return PhotoFile, (os.path.abspath(self.path),)  # of other processes the folder is another


@dataclass(frozen=True)
class Refused:
    """Reads nothing.

    Attributes:
        why: What it says instead.
    """

    why: str

    def __call__(self) -> bytes:
        """Raise OSError."""
        raise OSError(self.why)


def far_photo(address: Address) -> PhotoInput:
    """Return the photo at an address."""
    read = Member(FarFolder(address.root), address.path)
    return PhotoInput(printable(str(address)), read)


def _far(text: str) -> PhotoInput:
    try:
        path = local_path(text)
        if not is_address(path):
            return PhotoInput(path, PhotoFile(path), is_path=True)
        return far_photo(parse_address(text))
    except SourceError as error:
        return PhotoInput(printable(shown_address(text)), Refused(error.what))


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
    if is_array_like(X):
        array = to_array(X, "X")
        if array.dtype.kind not in "OU":
            return _of_several(array)
        X = column(array)
    if not (hasattr(X, "__len__") and hasattr(X, "__getitem__")) or isinstance(X, Mapping):
        raise InputError("X is no sequence of photos", expected=_EXPECTED, got=described(X))
    if not len(X):
        raise InputError("X holds no photos", expected="at least one", got="0 sample(s)")
    return [one_photo(X[i], f"X[{i}]") for i in range(len(X))]


def is_column(X: Any) -> bool:
    """Return whether ``X`` is a table of one column, such as a DataFrame of paths."""
    shape = getattr(X, "shape", None)
    return isinstance(shape, tuple) and len(shape) == 2 and shape[1] == 1


def is_array_like(value: Any) -> bool:
    """Return whether a value is an array, or turns into one: a Series, a tensor, a table."""
    return not isinstance(value, (list, tuple)) and hasattr(value, "__array__")


def to_array(value: Any, place: str) -> Array:
    """Return a value that `is_array_like` as an array.

    Args:
        value: The value.
        place: What the error calls it.

    Raises:
        InputError: It does not let itself be turned into one, like a tensor on another device.
    """
    try:
        return np.asarray(value)
    except Exception as error:  # whatever the library behind it raises
        raise InputError(
            f"{place} can't be turned into an array",
            expected="what np.asarray takes",
            got=f"a {type(value).__name__}: {error}",
        ) from error


def column(array: Array, place: str = "X") -> Array:
    """Return the one column of an array of objects or text, shape ``(n,)``.

    Raises:
        InputError: It has several, or none.
    """
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if array.ndim == 1:
        return array
    raise InputError(
        f"{place} is no column of photos",
        expected="shape (n,) or (n, 1)",
        got=f"shape {array.shape} of {array.dtype}",
        fix=f"Choose the column of paths: {place}[['path']].",
    )


def has_shape_of_one(array: Array) -> bool:
    """Return whether an array has the shape of one photo: channels last, if there are any."""
    return array.ndim == 2 or (array.ndim == 3 and array.shape[2] in _CHANNELS)


def several_photos(array: Array, place: str) -> list[PhotoInput]:
    """Return the photos of one array of pixels, called ``place[0]`` and so on.

    Args:
        array: Shape ``(n, height, width)`` or ``(n, height, width, channels)``.
        place: What errors call it.

    Raises:
        InputError: It is of another shape or type, or its values are no pixels'.
    """
    opacity = array.ndim == 4 and array.shape[3] == 4
    check_shape(place, array[..., :3] if opacity else array)
    scale = _scale(place, array)
    return [
        PhotoInput(f"{place}[{i}]", partial(encode_pixels, array, i, scale))
        for i in range(len(array))
    ]


def one_photo(value: Any, place: str, *, expected: str = _EXPECTED) -> PhotoInput:
    """Return the photo that a value is.

    Args:
        value: A path, an array of one photo, or a Pillow picture.
        place: What errors call it, and the photo where it is no file.
        expected: What the caller takes, for the error.

    Raises:
        InputError: It is something else.
    """
    if isinstance(value, str) and is_address(value):
        return _far(value)
    if isinstance(value, (str, os.PathLike)):
        name = str(os.fsdecode(value))  # of NumPy's text, too, plain text
        return PhotoInput(name, PhotoFile(name), is_path=True)
    if isinstance(value, Image.Image):
        return PhotoInput(place, partial(encode_picture, value))
    array = to_array(value, place) if is_array_like(value) else None
    if array is None or not array.ndim:  # also a missing path: pandas gives None, NaN or NA
        raise InputError(f"{place} is no photo", expected=expected, got=described(value))
    if not has_shape_of_one(array) or 0 in array.shape:
        first = array.ndim == 3 and array.shape[0] in _CHANNELS
        raise InputError(
            f"{place} is no photo",
            expected=expected,
            got=f"an array of shape {array.shape}",
            fix=f"Put the channels last: {place}.transpose(1, 2, 0)." if first else "",
        )
    return PhotoInput(place, partial(encode_pixels, array[None], 0, _scale(place, array)))


def _of_several(array: Array) -> list[PhotoInput]:
    if array.dtype.kind == "c":  # in scikit-learn's words
        raise InputError("Complex data not supported", expected="pixels", got=str(array.dtype))
    if array.ndim == 3 and has_shape_of_one(array):
        raise InputError(
            "X is a single photo, or photos that are only some pixels wide",
            expected="shape (n, height, width) or (n, height, width, channels)",
            got=f"shape {array.shape}",
            fix="Put a single photo into a list: [X].",
        )
    return several_photos(array, "X")


def _scale(name: str, array: Array) -> float:
    """Return what an array's values are to be multiplied by to lie in 0 to 255."""
    scale, _ = find_scale({name: array})
    if array.dtype.kind == "f" and scale == 1:
        # Were the range to be guessed, a photo's features would depend on what came with it.
        raise InputError(
            f"{name} holds floats above 1",
            expected="floats in [0, 1], or whole numbers in [0, 255]",
            got=f"values up to {array.max():g}",
            fix=f"Hand over {name}.astype('uint8'), or divide by 255.",
        )
    return scale
