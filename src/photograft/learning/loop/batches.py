"""What the training loop is fed: batches of stored rows, or of photos prepared by other threads."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Generator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from photograft.backbones.registry import Backbone
from photograft.core.errors import ImageError, PhotograftError
from photograft.core.feature_table import Table
from photograft.core.parallel import in_order
from photograft.data.dataset import Photo
from photograft.features import preprocessing
from photograft.features.augmentation import augment, generator
from photograft.features.settings import Augmentation

#: Decoded photos are kept in memory up to this many bytes; beyond, they are decoded every epoch.
_MAX_KEPT_BYTES = 2 * 2**30


_BATCHES_AHEAD = 3

Arrays = Generator[npt.NDArray[np.generic], None, None]


class Batches(Protocol):
    """Inputs of a fixed set of photos."""

    def __len__(self) -> int:
        """How many photos there are."""

    def read(self, order: npt.NDArray[np.intp], batch_size: int, epoch: int) -> Arrays:
        """Yield the inputs of photos, `batch_size` at a time, the last batch as it comes out.

        Args:
            order: Indices of the photos.
            batch_size: Photos in a batch.
            epoch: Decides what is random about them.
        """


class StoredBatches:
    """Rows of the feature store: features, or activations at the boundary of a frozen part.

    Args:
        table: Holds the rows.
        digests: Of the photos.
        columns: Of a row.
        shape: Of one photo's input.
    """

    def __init__(
        self,
        table: Table,
        digests: Sequence[bytes],
        columns: npt.NDArray[np.intp] | slice = slice(None),
        shape: tuple[int, ...] = (-1,),
    ) -> None:
        self._table, self._digests = table, digests
        self._columns, self._shape = columns, shape

    def __len__(self) -> int:
        return len(self._digests)

    def read(self, order: npt.NDArray[np.intp], batch_size: int, epoch: int) -> Arrays:
        """Yield float32 rows; see `Batches`."""
        del epoch
        for rows in _parts(order, batch_size):
            found = self._table.rows([self._digests[i] for i in rows], self._columns)
            yield found.reshape(len(rows), *self._shape)


def seen_in_view(view: int, num_views: int, num_photos: int, epochs: int) -> npt.NDArray[np.intp]:
    """Return the photos of which so many epochs see a view: where epochs are few, not all.

    Args:
        view: Its number, from 0.
        num_views: How many there are.
        num_photos: How many photos there are.
        epochs: At least 1.
    """
    first_epoch = (view - np.arange(num_photos)) % num_views
    return np.flatnonzero(first_epoch < epochs)


class ViewBatches:
    """Rows of several views of each photo, another one in every epoch.

    Args:
        tables: Hold the rows, a table a view: those of `seen_in_view` at least.
        digests: Of the photos.
        columns: Of a row.
        shape: Of one photo's input.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        digests: Sequence[bytes],
        columns: npt.NDArray[np.intp] | slice = slice(None),
        shape: tuple[int, ...] = (-1,),
    ) -> None:
        self._views = [StoredBatches(table, digests, columns, shape) for table in tables]

    def __len__(self) -> int:
        return len(self._views[0])

    def read(self, order: npt.NDArray[np.intp], batch_size: int, epoch: int) -> Arrays:
        """Yield float32 rows; see `Batches`."""
        for rows in _parts(order, batch_size):
            numbers = (rows + epoch) % len(self._views)  # as `seen_in_view` has it
            found: npt.NDArray[np.float32] | None = None
            for number in np.unique(numbers).tolist():
                own = numbers == number
                (part,) = self._views[number].read(rows[own], len(rows), epoch)
                if found is None:
                    found = np.empty((len(rows), *part.shape[1:]), np.float32)
                found[own] = part
            if found is not None:
                yield found


class PhotoBatches:
    """Photos, prepared as a backbone wants them and changed at random.

    Args:
        photos: All of them decode.
        backbone: Its record says how to prepare them.
        augmentation: Random changes; None for none.
        seed: Of the changes.
        max_pixels: Photos with more pixels are an error.
    """

    def __init__(
        self,
        photos: Sequence[Photo],
        backbone: Backbone,
        augmentation: Augmentation | None,
        *,
        seed: int,
        max_pixels: int,
    ) -> None:
        self._photos, self._seed, self._max_pixels = photos, seed, max_pixels
        self._augmentation = augmentation if augmentation and augmentation.changes else None
        self._size = backbone.input_size
        self._backbone = backbone
        if self._augmentation and self._augmentation.min_crop:
            self._backbone = preprocessing.enlarged(backbone, preprocessing.CROP_MARGIN)
        self._kept: dict[int, npt.NDArray[np.uint8]] = {}
        height, width = self._backbone.input_size
        self._most_kept = _MAX_KEPT_BYTES // (3 * height * width)

    def __len__(self) -> int:
        return len(self._photos)

    def read(self, order: npt.NDArray[np.intp], batch_size: int, epoch: int) -> Arrays:
        """Yield uint8 pixels ``(n, height, width, 3)``; see `Batches`."""
        work: Callable[[int], npt.NDArray[np.uint8] | PhotograftError]
        work = functools.partial(self._load, epoch=epoch)
        loaded = in_order(work, order.tolist(), window=_BATCHES_AHEAD * batch_size)
        batch: list[npt.NDArray[np.uint8]] = []
        try:
            for pixels in loaded:
                if isinstance(pixels, PhotograftError):
                    raise pixels
                batch.append(pixels)
                if len(batch) == batch_size:
                    yield np.stack(batch)
                    batch = []
            if batch:
                yield np.stack(batch)
        finally:
            loaded.close()

    def _load(self, index: int, epoch: int) -> npt.NDArray[np.uint8] | PhotograftError:
        photo = self._photos[index]
        try:
            pixels = self._kept.get(index)
            if pixels is None:
                pixels = self._prepared(photo)
                if len(self._kept) < self._most_kept:
                    self._kept[index] = pixels
            if self._augmentation is None:
                return pixels
            rng = generator(self._seed, photo.digest, epoch)
            return augment(pixels, self._augmentation, rng, size=self._size)
        except OSError as error:
            return ImageError("unreadable", f"{photo.name}: {error.strerror or error}")
        except PhotograftError as error:
            return error

    def _prepared(self, photo: Photo) -> npt.NDArray[np.uint8]:
        data = photo.read()
        if hashlib.sha256(data).digest() != photo.digest:
            raise ImageError("unreadable", f"{photo.name} has changed since it was listed")
        return preprocessing.prepare(data, self._backbone, max_pixels=self._max_pixels)


def epoch_order(seed: int, epoch: int, num_photos: int, count: int) -> npt.NDArray[np.intp]:
    """Return which photos an epoch goes over, in which order.

    The epochs cut up one endless row of shuffles of all photos: an epoch of fewer or more steps
    than a shuffle has goes on where the one before stopped.

    Args:
        seed: Of the shuffles.
        epoch: From 0.
        num_photos: In a shuffle.
        count: Photos in an epoch.

    >>> sorted(epoch_order(0, 3, 5, 5).tolist())
    [0, 1, 2, 3, 4]
    """
    start, stop = epoch * count, (epoch + 1) * count
    first, last = start // num_photos, (stop - 1) // num_photos
    shuffles = [
        np.random.default_rng([seed, number]).permutation(num_photos)
        for number in range(first, last + 1)
    ]
    offset = first * num_photos
    return np.concatenate(shuffles)[start - offset : stop - offset].astype(np.intp)


def _parts(order: npt.NDArray[np.intp], size: int) -> list[npt.NDArray[np.intp]]:
    return [order[i : i + size] for i in range(0, len(order), size)]
