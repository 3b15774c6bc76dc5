"""What a page makes of a photo before its network sees it, as far as that is known here.

A browser decodes whole pictures, and the library large JPEGs at a reduced scale: those a page
decodes itself, to the byte as libjpeg does. Rare kinds of JPEG it leaves to the browser, and then
averages squares of pixels by the same factor, which is near to it: the network's input differs by
a fifth of a level on average.
"""

from __future__ import annotations

import io

from PIL import Image, JpegImagePlugin

from photograft.backbones.registry import Backbone
from photograft.core.arrays import Pixels
from photograft.core.errors import ImageError
from photograft.data import images
from photograft.features.packing import pack
from photograft.features.preprocessing import prepare_looks

#: How colours may be stored in the JPEGs that a page decodes: as often as the light, half as often
#: along the rows, or also along the columns. Each is that component's sampling across and down.
_SAMPLINGS = (
    ((1, 1), (1, 1), (1, 1)),
    ((2, 1), (1, 1), (1, 1)),
    ((2, 2), (1, 1), (1, 1)),
)


def page_pixels(data: bytes, backbone: Backbone, *, max_pixels: int) -> Pixels:
    """Return what the looks see of a photo in a page, packed: what `prepare_looks` gives.

    Args:
        data: The file's bytes.
        backbone: The record; its looks see one decoding.
        max_pixels: More pixels than this are refused.

    Raises:
        ImageError: The bytes are no usable picture, or what a page makes of it depends on the
            browser.
    """
    head = images.read_header(data, max_pixels=max_pixels)
    is_large = min(head.width, head.height) >= 4 * backbone.least_side
    if is_large and head.format in ("JPEG", "MPO") and not _is_decoded_by_page(data):
        raise ImageError(
            "unsupported format", "a large JPEG of a rare kind, which a page has the browser decode"
        )
    return pack(prepare_looks(data, backbone.looks, max_pixels=max_pixels))


def _is_decoded_by_page(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as image:
        if not isinstance(image, JpegImagePlugin.JpegImageFile):
            return False
        sampling = tuple((h, v) for _, h, v, _ in image.layer)
        return len(sampling) == 1 or (image.mode == "RGB" and sampling in _SAMPLINGS)
