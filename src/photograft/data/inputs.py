"""Photos that were handed over in Python: looked through for a classifier, or made a dataset."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from photograft.core.addresses import is_address
from photograft.core.errors import InputError, described
from photograft.core.files import printable
from photograft.data.containers import photos_at
from photograft.data.dataset import Dataset
from photograft.data.images import DEFAULT_MAX_PIXELS
from photograft.data.photo import Photo
from photograft.data.photo_inputs import (
    PhotoInput,
    column,
    has_shape_of_one,
    is_array_like,
    one_photo,
    several_photos,
    to_array,
)
from photograft.data.photo_inputs import is_column as is_column
from photograft.data.photo_inputs import understand as understand
from photograft.data.sources.addresses import local_path
from photograft.data.sources.base import Item, Listing
from photograft.data.sources.tree import is_hidden

_ACCEPTED = (
    "the path of a file or a folder, a file's bytes, a Pillow picture, an array "
    "(height, width[, channels]) or (n, height, width[, channels]) with 1, 3 or 4 channels, a "
    "Photo, a Dataset, or a sequence of photos"
)

# What is one photo by its type.
_ONE = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image, Photo, PhotoInput)


def photos_in(x: Any, place: str = "x") -> PhotoInput | Iterable[PhotoInput]:
    """Return the photo that something is, or the photos that it holds, in order.

    Args:
        x: One photo: the path or the address of a file, the bytes of one, a Pillow picture, a
            `Photo`, or an array ``(height, width)`` or ``(height, width, channels)`` with 1, 3 or 4
            channels, whole numbers in [0, 255] or floats in [0, 1]. Or several: the path of a
            folder (see `files_in`), the address of a folder, a table or a tar, a `Dataset`, an
            array ``(n, height, width)`` or ``(n, height, width, channels)``, a column of a table,
            or any iterable of photos, each of which gives one.
        place: What it is called, in errors and in the names of photos that are no files.

    Returns:
        One photo, or an iterable of them. What does not lie ready, such as a generator, is read
        and understood only as the iterable is.

    Raises:
        InputError: It is none of these.

    >>> photos_in(np.zeros((20, 30, 3))).name
    'x'
    >>> [photo.name for photo in photos_in([np.zeros((20, 30)), "a.jpg"])]
    ['x[0]', 'a.jpg']
    """
    if isinstance(x, Dataset):
        return [_one(photo, place) for photo in x.photos]
    if isinstance(x, str) and is_address(local_path(x)):
        return photos_at(x)
    if isinstance(x, (str, os.PathLike)) and os.path.isdir(x):
        return [_one(path, place) for path in files_in(os.fsdecode(x))]
    if isinstance(x, _ONE):
        return _one(x, place)
    if isinstance(x, Mapping) or hasattr(x, "toarray"):
        raise _not_understood(x, place)
    if hasattr(x, "read"):
        raise InputError(
            f"{place} is an open file",
            expected=_ACCEPTED,
            got=f"a {type(x).__name__}",
            fix=f"Hand over its bytes: {place}.read().",
        )
    if is_array_like(x):
        array = to_array(x, place)
        # Of a tensor, that is far likelier than so many grey photos.
        if hasattr(x, "permute") and array.ndim == 3 and not has_shape_of_one(array):
            _refuse_channels_first(array, place)
        if array.dtype.kind not in "OU":
            return _of_array(array, place)
        x = column(array, place)
    try:
        values = iter(x)
    except TypeError as error:
        raise _not_understood(x, place) from error
    photos = (_one(value, f"{place}[{i}]") for i, value in enumerate(values))
    # At once, where they lie ready: better now than after an hour's work.
    return list(photos) if isinstance(x, (list, tuple, np.ndarray)) else photos


def files_in(folder: str) -> Iterator[str]:
    """Yield a folder's visible files at every depth, sorted, following no link to a folder.

    Hidden, too, is what systems leave there, such as ``Thumbs.db``. A folder that can't be listed
    is yielded itself, with ``/`` at its end: to read it fails, and says why.

    Args:
        folder: Its path, with which each yielded path begins.
    """
    failed: list[OSError] = []

    def closed() -> Iterator[str]:
        yield from (os.path.join(error.filename or folder, "") for error in failed)
        failed.clear()

    for here, folders, files in os.walk(folder, onerror=failed.append):
        yield from closed()
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        yield from (os.path.join(here, name) for name in sorted(files) if not is_hidden(name))
    yield from closed()


def matching(pattern: str) -> Iterator[str]:
    """Yield the files that a glob pattern matches, sorted, and then folders that kept some hidden.

    Args:
        pattern: As a shell has them; ``**`` is folders at any depth. One that matches nothing is
            yielded itself.
    """
    found = sorted(path for path in glob.iglob(pattern, recursive=True) if not os.path.isdir(path))
    closed = set()
    above = os.path.dirname(pattern)
    while above:
        closed |= {os.path.join(path, "") for path in glob.iglob(above, recursive=True)}
        above = os.path.dirname(above) if glob.has_magic(above) else ""
    refused = sorted(path for path in closed if _is_closed(path))
    yield from [*found, *refused] or [pattern]


def _is_closed(folder: str) -> bool:
    """Return whether it is a folder that can't be listed."""
    try:
        os.scandir(folder).close()
    except (NotADirectoryError, FileNotFoundError):  # a file, or a link whose target is gone
        return False
    except OSError:
        return True
    return False


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
            name=f"{i:0{width}}/{printable(photo.name)}",
            label=labels[i] if labels is not None else "",
            split=None,
            group=groups[i] if groups is not None else None,
            read=photo.read,
        )
        for i, photo in enumerate(inputs)
    ]
    listing = Listing("arrays", tuple(items))
    # Each photo that can't be used is refused, that is soon enough.
    dataset = Dataset.from_listing(
        "X", listing, max_pixels=max_pixels, empty_classes="drop", progress=False
    )
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


def _one(value: Any, place: str) -> PhotoInput:
    """Return the photo that one value is; a folder is a file that can't be read."""
    if isinstance(value, PhotoInput):
        return value
    if isinstance(value, Photo):
        return PhotoInput(value.name, value.read)
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        return PhotoInput(place, lambda: data)
    return one_photo(value, place, expected=_ACCEPTED)


def _of_array(array: np.ndarray[Any, np.dtype[Any]], place: str) -> PhotoInput | list[PhotoInput]:
    if has_shape_of_one(array):
        return one_photo(array, place, expected=_ACCEPTED)
    if array.ndim == 4 and not len(array):
        return []
    return several_photos(array, place)


def _refuse_channels_first(array: np.ndarray[Any, np.dtype[Any]], place: str) -> None:
    if array.shape[0] in (1, 3, 4):
        raise InputError(
            f"{place} is a tensor of one photo with the channels first, or of grey photos",
            expected="the channels last",
            got=f"shape {array.shape}",
            fix=f"Hand over {place}.permute(1, 2, 0); of grey photos {place}[..., None].",
        )


def _not_understood(x: Any, place: str) -> InputError:
    return InputError(
        f"{place} is no photo, and holds none",
        expected=_ACCEPTED,
        got=described(x),
    )
