"""Photos and settings that tests of augmentation share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drawing import draw_photo
from photograft.features.augmentation import augment, generator
from photograft.features.settings import Augmentation

Pixels = npt.NDArray[np.uint8]


SIDE = 96


def photo(seed: int = 0, size: int = SIDE) -> Pixels:
    return np.asarray(draw_photo(np.random.default_rng(seed), seed, size))


def changed(settings: Augmentation, seed: int = 0, pixels: Pixels | None = None) -> Pixels:
    pixels = photo() if pixels is None else pixels
    height, width = pixels.shape[:2]
    return augment(pixels, settings, generator(seed, b"photo", 0), size=(height, width))
