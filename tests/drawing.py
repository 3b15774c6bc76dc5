"""Photos for tests, drawn: coloured shapes on noise, seeded."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

#: ``make_photos(root, classes=("circle", "square"), n=12, size=96, seed=0) -> root``
MakePhotos = Callable[..., Path]


def draw_folder(
    root: Path,
    classes: Sequence[str] = ("circle", "square"),
    n: int = 12,
    size: int = 96,
    seed: int = 0,
) -> Path:
    """Fill ``root/<class>/<00..>.jpg`` with `n` photos a class, easily told apart, all different.

    Each class has its shape (by its place in `classes`: ellipse, rectangle, triangle, ellipse …)
    and its own hue; place, size, brightness and noise are drawn from `seed`.
    """
    for number, name in enumerate(classes):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(n):
            rng = np.random.default_rng([seed, number, i])
            draw_photo(rng, number, size).save(folder / f"{i:02}.jpg", quality=90)
    return root


def draw_photo(rng: np.random.Generator, number: int, size: int) -> Image.Image:
    """One noisy photo of the class `number`."""
    ground = tuple(int(v) for v in rng.integers(60, 120, 3))
    image = Image.new("RGB", (size, size), ground)
    radius = float(rng.uniform(0.2, 0.35)) * size
    x, y = (float(v) for v in rng.uniform(radius, size - radius, 2))
    colour = [int(v) for v in rng.integers(40, 90, 3)]
    colour[number % 3] = int(rng.integers(190, 250))
    draw, fill = ImageDraw.Draw(image), (colour[0], colour[1], colour[2])
    box = (x - radius, y - radius, x + radius, y + radius)
    if number % 3 == 0:
        draw.ellipse(box, fill=fill)
    elif number % 3 == 1:
        draw.rectangle(box, fill=fill)
    else:
        draw.polygon([(x, box[1]), (box[0], box[3]), (box[2], box[3])], fill=fill)
    noise = rng.normal(0, 8, (size, size, 3))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def draw_jpeg(seed: str) -> bytes:
    """A small photo, another one of each seed, as the bytes of a JPEG file."""
    rng = np.random.default_rng(list(seed.encode()))
    stream = io.BytesIO()
    draw_photo(rng, len(seed) % 2, 48).save(stream, "JPEG")
    return stream.getvalue()
