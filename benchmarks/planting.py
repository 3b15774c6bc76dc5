"""Faults planted in a copy of a set of photos, to see whether they are found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

from photograft.data.dataset import Dataset
from photograft.data.images import decode

#: What is done to a photo, by name.
KINDS = ("half", "quality 40", "crop", "flip", "brighter", "darker")


@dataclass(frozen=True)
class Planted:
    """A photo that was planted.

    Attributes:
        name: Its own.
        original: That of the photo that it was made from.
        kind: One of `KINDS`.
    """

    name: str
    original: str
    kind: str


def plant_near_duplicates(
    source: Path, out: Path, *, share: float = 0.05, seed: int = 0
) -> list[Planted]:
    """Copy a folder of photos, and add changed copies of some of them.

    Args:
        source: Class folders, split or not.
        out: Where to; must not exist.
        share: Of the photos that get a changed copy, in the same folder.
        seed: Decides which, and what is done to them.
    """
    dataset = Dataset.load(source)
    root = _root(source, dataset)
    shutil.copytree(source, out)
    rng = np.random.default_rng(seed)
    count = max(round(share * len(dataset.photos)), len(KINDS))
    chosen = np.sort(rng.permutation(len(dataset.photos))[:count])
    planted = []
    for number, i in enumerate(rng.permutation(chosen).tolist()):
        photo, kind = dataset.photos[i], KINDS[number % len(KINDS)]
        path = Path(photo.name)
        name = str(path.with_name(f"{path.stem}-planted-{number}.jpg"))
        quality = 40 if kind == "quality 40" else 90
        changed = _CHANGES[kind](decode(photo.read()), rng)
        changed.save(out / root / name, quality=quality)
        planted.append(Planted(name, photo.name, kind))
    return planted


def flip_labels(
    labels: npt.NDArray[np.int64], *, share: float = 0.05, seed: int = 0
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.intp]]:
    """Return labels of which some are another class's, drawn evenly, and which they are.

    Args:
        labels: Class indices, shape ``(n,)``, of two classes at least.
        share: Of the photos.
        seed: Decides which.
    """
    rng = np.random.default_rng(seed)
    num_classes = int(labels.max()) + 1
    chosen = np.sort(rng.permutation(len(labels))[: round(share * len(labels))])
    flipped = labels.copy()
    shift = rng.integers(1, num_classes, len(chosen))
    flipped[chosen] = (labels[chosen] + shift) % num_classes
    return flipped, chosen


def _root(source: Path, dataset: Dataset) -> Path:
    """Return the folder, relative to the source, that photos' names are relative to."""
    name = dataset.photos[0].name
    found = next(path for path in (source, *sorted(source.iterdir())) if (path / name).is_file())
    return found.relative_to(source)


def _half(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    del rng
    width, height = image.size
    return image.resize((max(width // 2, 1), max(height // 2, 1)), Image.Resampling.BICUBIC)


def _crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Cut off a twentieth of each side's length, anywhere."""
    width, height = image.size
    left, top = round(rng.uniform(0, 0.05) * width), round(rng.uniform(0, 0.05) * height)
    return image.crop((left, top, left + round(0.95 * width), top + round(0.95 * height)))


def _flip(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    del rng
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def _brightness(factor: float) -> Callable[[Image.Image, np.random.Generator], Image.Image]:
    def change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        del rng
        return ImageEnhance.Brightness(image).enhance(factor)

    return change


_CHANGES: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "half": _half,
    "quality 40": lambda image, rng: image,
    "crop": _crop,
    "flip": _flip,
    "brighter": _brightness(1.1),
    "darker": _brightness(0.9),
}
