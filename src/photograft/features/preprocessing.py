"""The preprocessing contract: from an upright RGB picture to what the network is fed.

Normalisation by mean and standard deviation is part of the same record, and is done where the
network runs, so that what travels there is one byte per value.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from photograft.backbones.registry import Backbone
from photograft.core.arrays import Pixels
from photograft.core.errors import InputError
from photograft.data.images import DEFAULT_MAX_PIXELS, decode

#: Part of the feature store's key: raise it whenever `prepare` gives other pixels.
CODE_VERSION = 1

#: Random crops are taken from photos prepared this much larger, so that they stay sharp.
CROP_MARGIN = 1.3

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def prepare(data: bytes, backbone: Backbone, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
    """Decode a file and bring it to the backbone's input size.

    Args:
        data: The file's bytes.
        backbone: Its record says how to resize and crop.
        max_pixels: More pixels than this are refused.

    Returns:
        RGB, uint8, shape ``(height, width, 3)``, contiguous.

    Raises:
        ImageError: The bytes are no usable picture.
    """
    return prepare_looks(data, [backbone], max_pixels=max_pixels)[0]


def prepare_looks(
    data: bytes, looks: Sequence[Backbone], *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> list[Pixels]:
    """Decode a file, once where all looks see one decoding, and bring it to each one's input size.

    Args:
        data: As in `prepare`.
        looks: Each one's record says how to resize and crop.
        max_pixels: As in `prepare`.

    Returns:
        Of each look what `prepare` gives.

    Raises:
        ImageError: The bytes are no usable picture.
    """
    found: list[Pixels] = []
    for side, alike in itertools.groupby(looks, key=lambda look: look.least_side):
        image = decode(data, max_pixels=max_pixels, at_least=side)
        found += [resize(image, look) for look in alike]
    return found


def resize(image: Image.Image, backbone: Backbone) -> Pixels:
    """Bring a picture to the backbone's input size.

    Args:
        image: RGB and upright.
        backbone: As in `prepare`.

    Returns:
        As `prepare` does.
    """
    height, width = backbone.input_size
    scaled_height, scaled_width = backbone.scaled_size
    image = _resize(image, scaled_width, scaled_height, backbone)
    if image.size != (width, height):
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    return np.asarray(image)


def enlarged(backbone: Backbone, factor: float) -> Backbone:
    """Return a record whose photos are prepared larger, for crops to be taken from.

    Args:
        backbone: The record.
        factor: At least 1.
    """
    height, width = (round(side * factor) for side in backbone.input_size)
    return replace(backbone, input_size=(height, width))


def _resize(image: Image.Image, width: int, height: int, backbone: Backbone) -> Image.Image:
    filter_ = _FILTERS.get(backbone.interpolation)
    if filter_ is None or backbone.crop_mode not in ("squash", "center"):
        raise InputError(
            f"backbone {backbone.name} asks for preprocessing that is not known here",
            got=f"interpolation {backbone.interpolation!r}, crop mode {backbone.crop_mode!r}",
        )
    if backbone.crop_mode == "squash":
        return image.resize((width, height), filter_)
    # The shorter side decides. An extreme aspect ratio would make the longer side huge, and all
    # but its middle is cropped away: cut that off first.
    scale = max(width / image.width, height / image.height)
    keep_width = min(image.width, math.ceil(2 * width / scale))
    keep_height = min(image.height, math.ceil(2 * height / scale))
    left, top = (image.width - keep_width) / 2, (image.height - keep_height) / 2
    size = (max(width, round(keep_width * scale)), max(height, round(keep_height * scale)))
    return image.resize(size, filter_, box=(left, top, left + keep_width, top + keep_height))
