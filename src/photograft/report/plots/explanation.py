"""Why a photo is classified as it is, on one picture: the photo, its heat map, what is like it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from photograft.backbones.registry import Backbone
from photograft.classifier.reference import Neighbour
from photograft.core.arrays import Floats
from photograft.core.drawing.sheet import Sheet, fitted, pixels
from photograft.core.errors import ImageError
from photograft.core.look import FAINT
from photograft.core.text import percent
from photograft.data.images import decode
from photograft.report.plots.overlays import colours, overlay

#: Longer side of a neighbour as it is read, in pixels.
_NEIGHBOUR = 256
#: The picture's width, the heights of its parts (of the photo at the most), and the space between
#: photos, all in inches.
_WIDTH, _TITLE, _WHY, _PHOTOS, _HEADING, _ROW, _GAP = 9.0, 0.75, 0.25, 3.8, 0.45, 2.25, 0.15
#: Where the photo and its heat map begin, and how wide they are.
_LEFT, _RIGHT, _SIDE = 0.27, 4.59, 4.14
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
    room = min(_PHOTOS, _SIDE * photo.height / photo.width)
    height = title + room + 0.1 + row
    sheet = Sheet(_WIDTH, height)
    _write_title(sheet, explanation)
    photo = ImageOps.contain(photo, (pixels(_SIDE), pixels(room)))
    sheet.put(_LEFT, title, photo)
    if explanation.heat is not None:
        sheet.put(_RIGHT, title, overlay(photo, explanation.heat, backbone))
        _write_key(sheet, explanation, title - 0.18)
    if neighbours:
        said = "The training photos most like it"
        sheet.write(_LEFT, title + room + 0.43, said, 10.5, bold=True, anchor="ls")
    width = (_LINE - _GAP * (_NUM_SHOWN - 1)) / _NUM_SHOWN
    for i, neighbour in enumerate(neighbours):
        left = _LEFT + i * (width + _GAP)
        sheet.put(left, height - _ROW, _small(neighbour, reads, pixels(width)))
        said = fitted(neighbour.label, width, 9.5, bold=True)
        sheet.write(left, height - 0.36, said, 9.5, bold=True, anchor="ls")
        said = fitted(neighbour.name, width, 6.5, before=f"{neighbour.distance:.2f}  ")
        sheet.write(left, height - 0.18, said, 6.5, FAINT, anchor="ls")
    sheet.save(path)


def _write_title(sheet: Sheet, explanation: Explanation) -> None:
    before, after = "", f", {percent(explanation.probability)}"
    if explanation.is_unknown:
        before, after = "unknown (nearest ", f" {percent(explanation.probability)})"
    said = fitted(explanation.label, _LINE, 15, bold=True, before=before, after=after)
    sheet.write(_LEFT, 0.32, said, 15, bold=True, anchor="ls")
    down = 0.57
    if explanation.is_unknown:
        sheet.write(_LEFT, down, explanation.why_unknown, 9.5, anchor="ls")
        down += _WHY
    # The key has the right half.
    width = _LINE if explanation.heat is None else _SIDE
    sheet.write(_LEFT, down, fitted(explanation.name, width, 8), 8, FAINT, anchor="ls")


def _write_key(sheet: Sheet, explanation: Explanation, down: float) -> None:
    after = ""
    if explanation.asked != explanation.label:
        after = f" ({percent(explanation.asked_probability)})"
    said = fitted(explanation.asked, 2.25, 9.5, before="What speaks for ", after=after)
    sheet.write(_RIGHT, down, said, 9.5, anchor="ls")
    bar = Image.fromarray(np.round(colours()[None]).astype(np.uint8))
    sheet.put(7.47, down - 0.09, bar.resize((pixels(0.9), pixels(0.09))))
    sheet.write(7.38, down, "little", 7.5, FAINT, anchor="rs")
    sheet.write(8.46, down, "much", 7.5, FAINT, anchor="ls")


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
