"""MNIST and the sets made after its pattern, in their original IDX files."""

from __future__ import annotations

import gzip
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from photograft.core.arrays import Array
from photograft.core.errors import PhotograftError, SourceError
from photograft.core.files import printable
from photograft.core.store import default_cache_dir
from photograft.core.text import count
from photograft.data.sources.base import Item, Listing, SkippedFile, make_listing
from photograft.data.sources.named_sets import PLAIN_NAMES
from photograft.data.sources.pixels import encode
from photograft.data.sources.rows import number_items
from photograft.data.sources.spool import DAMAGED, Readable, damaged, spool

#: The files of each split: images, labels.
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}

#: More pixels or labels than this are not read from one file.
MAX_VALUES = 2**31

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTES = 8


@dataclass(frozen=True)
class IdxSet:
    """A set in four IDX files.

    Attributes:
        name: One of `PLAIN_NAMES`, and the name of its folder in the cache.
        title: What people call it.
        torchvision: The class of torchvision that knows where to fetch it.
        class_names: The name of each label.
    """

    name: str
    title: str
    torchvision: str
    class_names: tuple[str, ...]


_CLASS_NAMES = {
    "mnist": "0 1 2 3 4 5 6 7 8 9",
    "fashion-mnist": "T-shirt/top Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag Ankle_boot",
    "kmnist": "o ki su tsu na ha ma ya re wo",
}
_TITLES = {
    "mnist": ("MNIST", "MNIST"),
    "fashion-mnist": ("Fashion-MNIST", "FashionMNIST"),
    "kmnist": ("KMNIST", "KMNIST"),
}
SETS = {
    name: IdxSet(
        name, *_TITLES[name], tuple(c.replace("_", " ") for c in _CLASS_NAMES[name].split())
    )
    for name in PLAIN_NAMES
}

#: Puts the unpacked files of a set into a folder; may be replaced in tests.
Fetch = Callable[[IdxSet, Path], None]


def read_mnist(name: str, *, cache: Path | None = None, fetch: Fetch | None = None) -> Listing:
    """List the images of MNIST, Fashion-MNIST or KMNIST; fetch them where they are not here yet.

    Args:
        name: One of `PLAIN_NAMES`.
        cache: The user's cache folder; the files lie in ``datasets/NAME`` in it, as they were
            published (``.gz``) or unpacked.
        fetch: Fetches the files; by torchvision where not given.

    Returns:
        The listing, of kind ``"arrays"``, with the splits train and test. Each item reads as a
        PGM file.

    Raises:
        SourceError: The files are not here and can't be fetched, or are damaged.
        StorageError: There is no room to unpack them.
    """
    idx_set = SETS[name]
    folder = (default_cache_dir() if cache is None else cache).absolute() / "datasets" / name
    if _missing(folder):
        try:
            (fetch or fetch_by_torchvision)(idx_set, folder)
        except (OSError, RuntimeError, ImportError) as error:  # URLError is an OSError
            if isinstance(error, PhotograftError):
                raise
            raise _not_here(idx_set, folder, str(error)) from error
        if _missing(folder):
            raise _not_here(idx_set, folder, "some files did not come")
    items: list[Item] = []
    skipped: list[SkippedFile] = []
    for split, (image_file, label_file) in FILES.items():
        images = _open(folder, image_file, num_dims=3)
        labels = np.asarray(_open(folder, label_file, num_dims=1))
        _check_labels(folder / label_file, labels, len(images), len(idx_set.class_names))
        texts = [idx_set.class_names[label] for label in labels.tolist()]
        found, passed = number_items(split, texts, partial(_reader, images), are_pixels=True)
        items += found
        skipped += passed
    return make_listing("arrays", items, skipped)


def read_idx(path: Path, *, num_dims: int) -> Array:
    """Return the array in an IDX file of bytes, mapped from the disk.

    Args:
        path: The file, plain or compressed by gzip; told apart by content.
        num_dims: How many dimensions it must have.

    Returns:
        A read-only array of dtype uint8, of at least one value.

    Raises:
        SourceError: It is no such file, damaged, cut short, or too large.
        StorageError: There is no room to unpack it.
    """
    shown = printable(path)
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            if not packed:
                shape = _read_header(file, num_dims, shown)
                start = file.tell()
                return _map(file, start, shape, path.stat().st_size - start, shown)
            with gzip.GzipFile(fileobj=file) as stream:
                shape = _read_header(stream, num_dims, shown)
                # One byte more than the header promises, to see that it promises too little.
                copy = spool(_Bounded(stream, math.prod(shape) + 1), shown)
            with copy:
                return _map(copy, 0, shape, os.fstat(copy.fileno()).st_size, shown)
    except PhotograftError:
        raise
    except DAMAGED as error:
        raise damaged(shown, error) from error


class _Bounded:
    """The next bytes of a stream, up to a limit."""

    def __init__(self, stream: Readable, limit: int) -> None:
        self._stream = stream
        self._left = limit

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data


def _read_header(file: Readable, num_dims: int, shown: str) -> tuple[int, ...]:
    head = file.read(4 + 4 * num_dims)
    expected = f"an IDX file of bytes with {num_dims} dimensions"
    if len(head) < 4 + 4 * num_dims or head[:4] != bytes([0, 0, _UNSIGNED_BYTES, num_dims]):
        raise SourceError(
            f"{shown} is no file of this set",
            expected=expected,
            got=f"one that begins {head[:4]!r}",
        )
    shape = tuple(int(value) for value in np.frombuffer(head, ">u4", offset=4))
    if not 0 < math.prod(shape) <= MAX_VALUES:
        raise SourceError(
            f"{shown} has a shape that can't be used",
            expected=f"1 to {count(MAX_VALUES, 'value')}",
            got=f"shape {shape}",
        )
    return shape


def _map(file: IO[bytes], start: int, shape: tuple[int, ...], there: int, shown: str) -> Array:
    if there != math.prod(shape):
        raise SourceError(
            f"{shown} is damaged or incomplete",
            expected=f"{math.prod(shape):,} bytes for shape {shape}",
            got="more" if there > math.prod(shape) else f"{there:,}",
            fix="Copy or download it again.",
        )
    array: np.memmap[Any, np.dtype[np.uint8]] = np.memmap(
        file, np.uint8, mode="r", offset=start, shape=shape
    )
    return array


def fetch_by_torchvision(idx_set: IdxSet, folder: Path) -> None:
    """Fetch a set by torchvision, which checks the files' hashes, and put it into a folder.

    Args:
        idx_set: The set.
        folder: Made if it is not there. Each file appears in it whole.

    Raises:
        OSError: The files can't be fetched or written.
        RuntimeError: Likewise; torchvision raises either.
    """
    from torchvision import datasets  # brings torch

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetched-") as root:
        getattr(datasets, idx_set.torchvision)(root, download=True)
        for names in FILES.values():
            for name in names:
                os.replace(Path(root, idx_set.torchvision, "raw", name), folder / name)


def _reader(images: Array, index: int) -> Callable[[], bytes]:
    return partial(encode, images, index, 1.0)


def _path(folder: Path, name: str) -> Path | None:
    """Return where a file lies, plain or compressed; None where it does not."""
    paths = (folder / name, folder / f"{name}.gz")
    return next((path for path in paths if path.is_file()), None)


def _missing(folder: Path) -> list[str]:
    return [name for names in FILES.values() for name in names if _path(folder, name) is None]


def _open(folder: Path, name: str, *, num_dims: int) -> Array:
    path = _path(folder, name)
    if path is None:
        raise SourceError(f"there is no {name} in {printable(folder)} any more")
    return read_idx(path, num_dims=num_dims)


def _check_labels(path: Path, labels: Array, num_images: int, num_classes: int) -> None:
    if len(labels) != num_images:
        raise SourceError(
            f"{printable(path)} does not fit its images",
            expected=count(num_images, "label"),
            got=f"{len(labels):,}",
        )
    if labels.max() >= num_classes:
        raise SourceError(
            f"{printable(path)} holds labels that have no name",
            expected=f"0 to {num_classes - 1}",
            got=str(labels.max()),
        )


def _not_here(idx_set: IdxSet, folder: Path, reason: str) -> SourceError:
    missing = _missing(folder)
    return SourceError(
        f"{idx_set.title} is not on this machine and can't be fetched "
        f"({' '.join(reason.split())[:300]})",
        expected=f"{', '.join(missing)} in {printable(folder)}",
        fix="Where there is a network, download the four files of the set "
        f"and put them into {printable(folder)}; unpacked or as .gz, both will do.",
    )
