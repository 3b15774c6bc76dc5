"""Why a photo is classified as it is, on one picture: the photo, its heat map, what is like it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from photograft.backbones.registry import Backbone
from photograft.classifier.heat_maps import Floats
from photograft.classifier.reference import Neighbour
from photograft.core.drawing import FAINT, INK, fill, save_figure
from photograft.core.errors import ImageError
from photograft.core.text import percent
from photograft.data.images import decode
from photograft.report.plots.overlays import COLOURS, overlay

#: Longer side of the photo and of a neighbour, in pixels.
_PHOTO, _NEIGHBOUR = 640, 256
#: The figure's width, the heights of its parts (of the photo at the most), and the space between
#: photos, all in inches.
_WIDTH, _TITLE, _PHOTOS, _HEADING, _ROW, _GAP = 9.0, 0.75, 3.8, 0.45, 2.25, 0.15
#: How wide the photo and its heat map are, as a share of the figure.
_SIDE = 0.46
_NUM_SHOWN = 5

Reads = Mapping[str, Callable[[], bytes]]


@dataclass(frozen=True)
class Explanation:
    """Why a photo is classified as it is.

    Attributes:
        name: Of the photo, as it was given.
        label: The most probable class.
        probability: Of that, in [0, 1].
        asked: The class that the heat map is about, which may be another.
        asked_probability: Of that, in [0, 1].
        heat: Evidence for it, float32, shape ``(h, w)``, in [0, 1]; None where there is no map.
        neighbours: The training photos that are most like it, the nearest first.
        picture: Where it is drawn; None where it is not.
        error: Why the photo can't be read; empty where it can.
    """

    name: str
    label: str
    probability: float
    asked: str
    asked_probability: float
    heat: Floats | None = field(repr=False)
    neighbours: tuple[Neighbour, ...]
    picture: Path | None = None
    error: str = ""

    @classmethod
    def failed(cls, name: str, error: str) -> Explanation:
        """Return what is to be said of a photo that can't be read."""
        return cls(name, "", 0.0, "", 0.0, None, (), error=error)


def draw(
    explanation: Explanation, photo: Image.Image, backbone: Backbone, reads: Reads, path: Path
) -> None:
    """Draw an explanation.

    Args:
        explanation: What is to be drawn.
        photo: RGB, upright.
        backbone: The classifier's.
        reads: By name, what returns a training photo's bytes; of the others the name is written.
        path: Where the picture goes.
    """
    neighbours = explanation.neighbours[:_NUM_SHOWN]
    row = _HEADING + _ROW if neighbours else 0.1
    photo = photo.copy()
    photo.thumbnail((_PHOTO, _PHOTO))
    room = min(_PHOTOS, _SIDE * _WIDTH * photo.height / photo.width) + 0.1
    height = _TITLE + room + row
    figure = Figure(figsize=(_WIDTH, height))
    FigureCanvasAgg(figure)
    write = functools.partial(figure.text, s="", color=INK)
    said = write(0.03, 1 - 0.32 / height, fontsize=15, weight="bold")
    after = f", {percent(explanation.probability)}"
    fill(figure, said, explanation.label, 0.94 * _WIDTH, after=after)
    said = write(0.03, 1 - 0.57 / height, fontsize=8, color=FAINT)
    # The key has the right half.
    fill(figure, said, explanation.name, (0.94 if explanation.heat is None else _SIDE) * _WIDTH)
    pictures = [photo]
    if explanation.heat is not None:
        pictures.append(overlay(photo, explanation.heat, backbone))
    for i, picture in enumerate(pictures):
        box = (0.03 + 0.48 * i, row / height, _SIDE, (room - 0.1) / height)
        axes = figure.add_axes(box, anchor="NW")
        axes.imshow(picture)
        axes.axis("off")
    if explanation.heat is not None:
        _write_key(figure, explanation, height)
    if neighbours:
        said = write(0.03, (_ROW + 0.12) / height, fontsize=10.5, weight="bold")
        said.set_text("The training photos most like it")
    width = (0.94 * _WIDTH - _GAP * (_NUM_SHOWN - 1)) / _NUM_SHOWN
    for i, neighbour in enumerate(neighbours):
        left = 0.03 + i * (width + _GAP) / _WIDTH
        axes = figure.add_axes((left, 0.55 / height, width / _WIDTH, (_ROW - 0.55) / height))
        axes.imshow(_small(neighbour, reads))
        axes.axis("off")
        fill(
            figure, write(left, 0.36 / height, fontsize=9.5, weight="bold"), neighbour.label, width
        )
        said = write(left, 0.18 / height, fontsize=6.5, color=FAINT)
        fill(figure, said, neighbour.name, width, before=f"{neighbour.distance:.2f}  ")
    save_figure(figure, path)


def _write_key(figure: Figure, explanation: Explanation, height: float) -> None:
    after = ""
    if explanation.asked != explanation.label:
        after = f" ({percent(explanation.asked_probability)})"
    top = 1 - 0.57 / height
    said = figure.text(0.51, top, "", fontsize=9.5, color=INK)
    fill(figure, said, explanation.asked, 0.25 * _WIDTH, before="What speaks for ", after=after)
    bar = figure.add_axes((0.83, top, 0.10, 0.09 / height))
    figure.colorbar(ScalarMappable(cmap=COLOURS), cax=bar, orientation="horizontal", ticks=[])
    bar.spines[:].set_visible(False)
    figure.text(0.82, top, "little", fontsize=7.5, color=FAINT, ha="right")
    figure.text(0.94, top, "much", fontsize=7.5, color=FAINT)


def _small(neighbour: Neighbour, reads: Reads) -> Image.Image:
    size = (_NEIGHBOUR, _NEIGHBOUR)
    read = reads.get(neighbour.name)
    try:
        if read is not None:
            found = decode(read(), at_least=_NEIGHBOUR)
            return ImageOps.pad(found, size, color="#f5f7fa", centering=(0, 0.5))
    except (ImageError, OSError):
        pass  # gone or changed since: its name stands below
    return Image.new("RGB", size, "#e4e7eb")
