"""What a page makes of a photo before its network sees it, done here in the same way.

A browser decodes whole pictures, and the library large JPEGs at a reduced scale. A page then
averages squares of pixels by the same factor: on photos of 1 to 12 megapixels the network's input
differs from the library's by a third of a level on average, at most 12 of 255, where leaving that
out makes it differ by 2.5, at most 55.
"""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image

from photograft.backbones.registry import Backbone
from photograft.data import images
from photograft.features.preprocessing import Pixels, resize, scaled_size

#: By which JPEGs are decoded at a reduced scale, the largest first.
_FACTORS = (8, 4, 2)
_JPEG = b"\xff\xd8\xff"


def page_pixels(data: bytes, backbone: Backbone, *, max_pixels: int) -> Pixels:
    """Return what the network sees of a photo in a page: as `preprocessing.prepare` does.

    Where a browser's decoder differs from Pillow's, that is not in it.

    Args:
        data: The file's bytes.
        backbone: The record.
        max_pixels: More pixels than this are refused.

    Raises:
        ImageError: The bytes are no usable picture.
    """
    if not data.startswith(_JPEG):
        size = max(scaled_size(backbone))
        return resize(images.decode(data, max_pixels=max_pixels, at_least=size), backbone)
    image = images.decode(data, max_pixels=max_pixels)
    possible = min(image.size) // (2 * max(scaled_size(backbone)))
    factor = next((factor for factor in _FACTORS if factor <= possible), 1)
    return resize(image.reduce(factor) if factor > 1 else image, backbone)


@functools.cache
def begins_with_columns() -> bool:
    """Return whether Pillow here begins with the columns of pictures that lose more height.

    It does since version 13; each pass is rounded, so the order shows.
    """
    noise = np.random.default_rng(0).integers(0, 2, (60, 20, 3), np.uint8) * np.uint8(255)
    picture, bicubic = Image.fromarray(noise), Image.Resampling.BICUBIC
    found = picture.resize((15, 15), bicubic)
    columns_first = picture.resize((20, 15), bicubic).resize((15, 15), bicubic)
    return found.tobytes() == columns_first.tobytes()
