"""Photos that are hard to decode and to resize right, drawn: what exports are tried on, too."""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageDraw

#: Ways that EXIF says a photo lies.
_TURNS = range(1, 9)


@functools.cache
def hard_photos() -> tuple[tuple[str, bytes], ...]:
    """Return their names and files: the same on each call."""
    photo = _drawn(400, 300)
    found = [(f"EXIF orientation {turn}.jpg", _turned(photo, turn)) for turn in _TURNS]
    found += [
        ("CMYK.jpg", _saved(photo.convert("CMYK"), "JPEG", quality=90)),
        ("grey.jpg", _saved(photo.convert("L"), "JPEG", quality=90)),
        ("progressive.jpg", _saved(photo, "JPEG", quality=80, progressive=True)),
        ("16 bits.png", _saved(_deep(photo), "PNG")),
        ("16 bits.tif", _saved(_deep(photo), "TIFF")),
        ("palette.png", _saved(photo.quantize(64), "PNG")),
        ("palette with a hole.gif", _saved(photo.quantize(64), "GIF", transparency=3)),
        ("alpha.png", _saved(_with_hole(photo), "PNG")),
        ("grey and alpha.png", _saved(_with_hole(photo).convert("LA"), "PNG")),
        ("black and white.png", _saved(photo.convert("1"), "PNG")),
        ("lossless.webp", _saved(photo, "WEBP", lossless=True)),
        ("1 x 1.png", _saved(_drawn(1, 1), "PNG")),
        ("5 x 3.png", _saved(_drawn(5, 3), "PNG")),
        ("wide.png", _saved(_drawn(3000, 20), "PNG")),
        ("tall.png", _saved(_drawn(20, 3000), "PNG")),
        ("a little tall.png", _saved(_drawn(333, 777), "PNG")),
        ("large.jpg", _saved(_drawn(4000, 3000), "JPEG", quality=85)),
        ("large, on its side.jpg", _turned(_drawn(2400, 1700), 6)),
        ("large.png", _saved(_drawn(2100, 1500), "PNG", compress_level=1)),
    ]
    return tuple(found)


def _drawn(width: int, height: int) -> Image.Image:
    """Return shapes on a ground that changes slowly, with a grain: other on each side."""
    rng = np.random.default_rng([width, height])
    ground = Image.fromarray(rng.integers(0, 256, (3, 4, 3), np.uint8))
    image = ground.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for i in range(24):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        w, h = (int(rng.integers(1, side // 4 + 2)) for side in (width, height))
        r, g, b = (int(c) for c in rng.integers(0, 256, 3))
        shape = draw.ellipse if i % 2 else draw.rectangle
        shape((x, y, x + w, y + h), fill=(r, g, b))
    grain = rng.normal(0, 8, (min(height, 512), min(width, 512), 1))
    repeats = (-(-height // len(grain)), -(-width // grain.shape[1]), 1)
    grain = np.tile(grain, repeats)[:height, :width]
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def _turned(photo: Image.Image, turn: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    return _saved(photo, "JPEG", quality=90, exif=exif)


def _deep(photo: Image.Image) -> Image.Image:
    grey = np.asarray(photo.convert("L")).astype(np.uint16)
    return Image.fromarray(grey * 257 + np.arange(grey.shape[1], dtype=np.uint16) % 199)


def _with_hole(photo: Image.Image) -> Image.Image:
    hole = Image.linear_gradient("L").resize(photo.size)
    found = photo.copy()
    found.putalpha(hole)
    return found


def _saved(photo: Image.Image, format_: str, **settings: Any) -> bytes:
    stream = io.BytesIO()
    photo.save(stream, format_, **settings)
    return stream.getvalue()
