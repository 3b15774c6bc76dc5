"""Why a photo is classified as it is, on one picture: the photo, its heat map, what is like it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from photograft.backbones.registry import Backbone
from photograft.classifier.heat_maps import Floats
from photograft.classifier.reference import Neighbour
from photograft.core.drawing import COMPRESSION, DPI, FAINT, INK, boxes_for_letters, fill
from photograft.core.errors import ImageError
from photograft.core.text import percent
from photograft.data.images import decode
from photograft.report.plots.overlays import colours, overlay

#: Longer side of a neighbour as it is read, in pixels.
_NEIGHBOUR = 256
#: The picture's width, the heights of its parts (of the photo at the most), and the space between
#: photos, all in inches.
_WIDTH, _TITLE, _WHY, _PHOTOS, _HEADING, _ROW, _GAP = 9.0, 0.75, 0.25, 3.8, 0.45, 2.25, 0.15
#: Where the photo and its heat map begin, and how wide they are, as shares of the picture.
_LEFT, _RIGHT, _SIDE = 0.03, 0.51, 0.46
#: How wide all is, in inches.
_LINE = 0.94 * _WIDTH
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
        ood_score: How unlike every class the photo is, as of `Prediction`; None where the
            classifier can't tell.
        ood_threshold: The score above which it is unknown; None likewise.
        is_unknown: Whether it is like none of the classes, as ``predict --unknown`` says.
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
    ood_score: float | None = None
    ood_threshold: float | None = None
    is_unknown: bool = False

    @classmethod
    def failed(cls, name: str, error: str) -> Explanation:
        """Return what is to be said of a photo that can't be read."""
        return cls(name, "", 0.0, "", 0.0, None, (), error=error)

    @property
    def why_unknown(self) -> str:
        """Why it is unknown, for users; empty where it is not."""
        if not self.is_unknown or self.ood_score is None or self.ood_threshold is None:
            return ""
        # With as many digits as it takes to tell them apart.
        digits = next(
            (n for n in (2, 3, 4, 5) if round(self.ood_score, n) > round(self.ood_threshold, n)), 6
        )
        return (
            f"It is like none of the classes: its OOD score is {self.ood_score:.{digits}f}, and "
            f"above {self.ood_threshold:.{digits}f} a photo is unknown."
        )


def draw(
    explanation: Explanation, photo: Image.Image, backbone: Backbone, reads: Reads, path: Path
) -> None:
    """Draw an explanation.

    Args:
        explanation: What is to be drawn.
        photo: RGB, upright.
        backbone: The classifier's.
        reads: By name, what returns a training photo's bytes; of the others the name is written.
        path: Where the picture goes, a PNG.
    """
    neighbours = explanation.neighbours[:_NUM_SHOWN]
    row = _HEADING + _ROW if neighbours else 0.1
    title = _TITLE + (_WHY if explanation.is_unknown else 0)
    room = min(_PHOTOS, _SIDE * _WIDTH * photo.height / photo.width)
    sheet = _Sheet(title + room + 0.1 + row)
    _write_title(sheet, explanation)
    photo = ImageOps.contain(photo, (_pixels(_SIDE * _WIDTH), _pixels(room)))
    sheet.put(photo, _LEFT, title)
    if explanation.heat is not None:
        sheet.put(overlay(photo, explanation.heat, backbone), _RIGHT, title)
        _write_key(sheet, explanation, title - 0.18)
    if neighbours:
        said = sheet.write(_LEFT, title + room + 0.43, fontsize=10.5, weight="bold")
        said.set_text("The training photos most like it")
    width = (_LINE - _GAP * (_NUM_SHOWN - 1)) / _NUM_SHOWN
    for i, neighbour in enumerate(neighbours):
        left = _LEFT + i * (width + _GAP) / _WIDTH
        sheet.put(_small(neighbour, reads, _pixels(width)), left, sheet.height - _ROW)
        said = sheet.write(left, sheet.height - 0.36, fontsize=9.5, weight="bold")
        sheet.fill(said, neighbour.label, width)
        said = sheet.write(left, sheet.height - 0.18, fontsize=6.5, color=FAINT)
        sheet.fill(said, neighbour.name, width, before=f"{neighbour.distance:.2f}  ")
    sheet.save(path)


class _Sheet:
    """A white sheet that Matplotlib writes on, and photos are pasted onto.

    Axes for each photo would take ten times as long.

    Args:
        height: In inches; it is `_WIDTH` wide.
    """

    def __init__(self, height: float) -> None:
        self.height = height
        self._figure = Figure(figsize=(_WIDTH, height), dpi=DPI)
        self._canvas: Any = FigureCanvasAgg(self._figure)
        self._pictures: list[tuple[Image.Image, tuple[int, int]]] = []

    def write(self, left: float, down: float, **style: Any) -> Any:
        """Return a text, empty yet, on a line so far down, in inches."""
        return self._figure.text(left, 1 - down / self.height, "", **{"color": INK, **style})

    def fill(self, written: Any, text: str, width: float, **around: str) -> None:
        """Say something in a text, shortened to a width in inches."""
        fill(self._figure, written, text, width, **around)

    def put(self, picture: Image.Image, left: float, down: float) -> None:
        """Put a picture of its own size where its upper left corner is to be."""
        self._pictures.append((picture, (_pixels(left * _WIDTH), _pixels(down))))

    def save(self, path: Path) -> None:
        """Write it as a PNG."""
        with boxes_for_letters():
            self._canvas.draw()
        sheet = Image.fromarray(np.asarray(self._canvas.buffer_rgba())[:, :, :3])
        for picture, place in self._pictures:
            sheet.paste(picture, place)
        sheet.save(path, "PNG", compress_level=COMPRESSION, dpi=(DPI, DPI))


def _write_title(sheet: _Sheet, explanation: Explanation) -> None:
    said = sheet.write(_LEFT, 0.32, fontsize=15, weight="bold")
    before, after = "", f", {percent(explanation.probability)}"
    if explanation.is_unknown:
        before, after = "unknown (nearest ", f" {percent(explanation.probability)})"
    sheet.fill(said, explanation.label, _LINE, before=before, after=after)
    down = 0.57
    if explanation.is_unknown:
        sheet.write(_LEFT, down, fontsize=9.5).set_text(explanation.why_unknown)
        down += _WHY
    said = sheet.write(_LEFT, down, fontsize=8, color=FAINT)
    # The key has the right half.
    width = _LINE if explanation.heat is None else _SIDE * _WIDTH
    sheet.fill(said, explanation.name, width)


def _write_key(sheet: _Sheet, explanation: Explanation, down: float) -> None:
    after = ""
    if explanation.asked != explanation.label:
        after = f" ({percent(explanation.asked_probability)})"
    said = sheet.write(_RIGHT, down, fontsize=9.5)
    sheet.fill(said, explanation.asked, 0.25 * _WIDTH, before="What speaks for ", after=after)
    bar = Image.fromarray(np.round(colours()[None]).astype(np.uint8))
    sheet.put(bar.resize((_pixels(0.10 * _WIDTH), _pixels(0.09))), 0.83, down - 0.09)
    sheet.write(0.82, down, fontsize=7.5, color=FAINT, ha="right").set_text("little")
    sheet.write(0.94, down, fontsize=7.5, color=FAINT).set_text("much")


def _small(neighbour: Neighbour, reads: Reads, side: int) -> Image.Image:
    size = (side, side)
    read = reads.get(neighbour.name)
    try:
        if read is not None:
            found = decode(read(), at_least=_NEIGHBOUR)
            return ImageOps.pad(found, size, color="#f5f7fa")
    except (ImageError, OSError):
        pass  # gone or changed since: its name stands below
    return Image.new("RGB", size, "#e4e7eb")


def _pixels(inches: float) -> int:
    return max(1, round(inches * DPI))
