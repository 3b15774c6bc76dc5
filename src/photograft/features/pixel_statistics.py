"""Statistics of the training photos' pixels, for preprocessing that is fitted to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from photograft.backbones.registry import Backbone
from photograft.backbones.settings import Preprocessing
from photograft.core.errors import ImageError
from photograft.core.parallel import in_order
from photograft.core.progress import Progress
from photograft.data.dataset import Photo
from photograft.features import preprocessing as transforms

#: Photos that statistics are taken over, at most: evenly spread over the training photos.
_MOST_PHOTOS = 2000

#: What a small network is fed where the user does not say: the photos' own size within these.
_SMALLEST_INPUT, _LARGEST_INPUT = 16, 180


def small_input_size(photos: Sequence[Photo]) -> int:
    """Return a side in pixels for a small network's input: the median photo's shorter side."""
    side = int(np.median([min(photo.width, photo.height) for photo in photos]))
    return min(_LARGEST_INPUT, max(_SMALLEST_INPUT, side))


def goes_by_statistics(preprocessing: Preprocessing) -> bool:
    """Return whether preprocessing is fitted to the training photos' mean or deviation."""
    return "feature" in (preprocessing.center, preprocessing.standardize)


def with_statistics(
    backbone: Backbone,
    preprocessing: Preprocessing,
    photos: Sequence[Photo],
    max_pixels: int,
    progress: Progress,
) -> Backbone:
    """Return a record whose mean and standard deviation are those of the training photos.

    Args:
        backbone: The record.
        preprocessing: `center` and `standardize` say which statistics are wanted.
        photos: The training photos.
        max_pixels: Photos with more pixels are left out.
        progress: Told how far it is.
    """
    wanted = (preprocessing.center == "feature", preprocessing.standardize == "feature")
    if not any(wanted):
        return backbone
    total, square, count = np.zeros(3), np.zeros(3), 0
    with progress.step("Measuring pixels", min(len(photos), _MOST_PHOTOS), "photos") as step:
        for pixels in sample_pixels(photos, backbone, max_pixels):
            values = pixels.reshape(-1, 3).astype(np.float64) / 255
            total += values.mean(axis=0)
            square += np.square(values).mean(axis=0)
            count += 1
            step.advance()
    if not count:
        return backbone
    mean = total / count
    std = np.sqrt(np.maximum(square / count - np.square(mean), 1e-12))
    # What is not wanted stays as the record, or a rescaling, has it.
    return replace(
        backbone,
        mean=_triple(mean) if wanted[0] else backbone.mean,
        std=_triple(std) if wanted[1] else backbone.std,
    )


def sample_pixels(
    photos: Sequence[Photo], backbone: Backbone, max_pixels: int
) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield prepared pixels of at most `_MOST_PHOTOS` photos, those left out that don't decode."""
    chosen = [
        photos[i] for i in np.unique(np.linspace(0, len(photos) - 1, _MOST_PHOTOS).astype(int))
    ]

    def load(photo: Photo) -> npt.NDArray[np.uint8] | None:
        try:
            return transforms.prepare(photo.read(), backbone, max_pixels=max_pixels)
        except (ImageError, OSError):
            return None

    for pixels in in_order(load, chosen, window=64):
        if pixels is not None:
            yield pixels


def _triple(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    r, g, b = (float(v) for v in values)
    return r, g, b
