"""Drawn pictures by which a page finds out whether its browser computes as the library does.

They show nothing, and nobody's photos are among them: shapes and noise, which keep a network
undecided, so that small differences show. Each tries another part of the way to an answer; the
network is run on the first, and on what a browser decodes otherwise than the library.
"""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageDraw, ImageFilter

from photograft.backbones.registry import Backbone
from photograft.classifier.export.web.pixels import page_pixels
from photograft.core.arrays import Pixels

#: From packed pixels of a photo, the first axis of length 1, to probabilities ``(1, num_classes)``
#: and, where the classifier has a detector, OOD scores ``(1,)``.
Answer = Callable[[Pixels], tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]]

#: How far a probability may be off: where the pixels are the same to the bit, and where the
#: browser's decoder may be another than Pillow's.
EXACT, DECODED = 1e-3, 0.03
#: Likewise of a network in int8: each runtime rounds its whole numbers otherwise, and so answers
#: otherwise, by up to 0.05 between two on the same processor.
QUANTISED = 0.1
#: Drawings are tried, and the one taken of which the network is least sure.
_TRIED = 6


class _Kind(NamedTuple):
    name: str
    size: tuple[int, int] | None  # None: what is just decoded at a half
    encode: Callable[[Image.Image], bytes]
    tolerance: float


def checks(
    backbone: Backbone, answer: Answer, max_pixels: int, *, int8: bool = False
) -> list[dict[str, Any]]:
    """Return the embedded photos with their expected answers, as plain JSON types.

    Args:
        backbone: The record.
        answer: The exported network, run here.
        max_pixels: As the classifier has it.
        int8: Whether the network computes in whole numbers of 8 bits.
    """
    found = []
    half = 4 * backbone.least_side
    for number, kind in enumerate(_KINDS):
        tried, size = [], kind.size or (half + 314, half + 19)
        for i in range(_TRIED):
            data = kind.encode(_drawing(size, np.random.default_rng([number, i])))
            pixels = page_pixels(data, backbone, max_pixels=max_pixels)
            probabilities, scores = answer(pixels[None])
            sum_ = zlib.crc32(pixels.tobytes())
            tried.append((float(probabilities.max()), i, data, probabilities[0], scores, sum_))
        _, _, data, row, scores, sum_ = min(tried, key=lambda one: one[:2])
        found.append(
            {
                "name": kind.name,
                "data": base64.b64encode(data).decode(),
                "probabilities": [float(p) for p in row],
                "ood_score": None if scores is None else float(scores[0]),
                "pixels": sum_,
                "tolerance": QUANTISED if int8 else kind.tolerance,
            }
        )
    return found


def _drawing(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Return shapes of all sizes on a ground that changes slowly, with a little noise."""
    width, height = size
    ground = rng.integers(0, 256, (3, 4, 3), np.uint8)
    image = Image.fromarray(ground).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y = rng.integers(0, width), rng.integers(0, height)
        w, h = rng.integers(4, max(width // 3, 5)), rng.integers(4, max(height // 3, 5))
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        shape = draw.ellipse if rng.random() < 0.6 else draw.rectangle
        shape((int(x), int(y), int(x + w), int(y + h)), fill=colour)
    image = image.filter(ImageFilter.GaussianBlur(0.8))
    noise = rng.normal(0, 6, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def _png(image: Image.Image) -> bytes:
    return _saved(image, "PNG", optimize=True)


def _transparent(image: Image.Image) -> bytes:
    """Return a PNG with a hole."""
    hole = Image.new("L", image.size, 255)
    width, height = image.size
    ImageDraw.Draw(hole).ellipse((width // 4, height // 4, width // 2, height // 2), fill=0)
    image.putalpha(hole)
    return _png(image)


def _turned(image: Image.Image) -> bytes:
    """Return a JPEG that says that it lies on its side."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return _saved(image, "JPEG", quality=90, exif=exif)


def _jpeg(image: Image.Image) -> bytes:
    return _saved(image, "JPEG", quality=60)


def _saved(image: Image.Image, format_: str, **settings: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format_, **settings)
    return stream.getvalue()


_KINDS = (
    _Kind("a PNG with a hole", (200, 320), _transparent, EXACT),
    _Kind("a JPEG on its side", (320, 240), _turned, DECODED),
    _Kind("a large JPEG", None, _jpeg, EXACT),
)
