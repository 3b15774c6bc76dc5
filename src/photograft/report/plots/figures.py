"""The pictures of a run, as PNG: the confusion matrix, and the most confident mistakes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from photograft.core.drawing.sheet import LINE, Sheet, fitted, fitting_size, pixels, text_width
from photograft.core.errors import ImageError
from photograft.core.look import FAINT, INK
from photograft.core.text import percent, short_text
from photograft.data.images import decode

_ACCENT, _EMPTY = "#b42318", "#e4e7eb"
#: Shades of the share of a class, from none to all: ColorBrewer's blues.
_BLUES = np.array(
    [
        (247, 251, 255),
        (222, 235, 247),
        (198, 219, 239),
        (158, 202, 225),
        (107, 174, 214),
        (66, 146, 198),
        (33, 113, 181),
        (8, 81, 156),
        (8, 48, 107),
    ]
)
#: Beyond this many classes the cells of a confusion matrix carry no numbers.
_MAX_NUMBERED_CLASSES = 25
_MAX_NAME = 22
_MISTAKE_COLUMNS = 4
_THUMBNAIL = 256
#: Space between things, and the width of the bar that tells what the shades mean, in inches.
_GAP, _BAR = 0.1, 0.13


@dataclass(frozen=True)
class Mistake:
    """A photo that was classified wrongly.

    Attributes:
        name: Of the file.
        label: The true class.
        predicted: What was said instead.
        probability: Of that, in [0, 1].
        read: Returns the file's bytes.
    """

    name: str
    label: str
    predicted: str
    probability: float
    read: Callable[[], bytes]


def confusion_matrix(
    confusion: npt.NDArray[np.int64], class_names: Sequence[str], title: str, path: Path
) -> None:
    """Draw a confusion matrix, shaded by the share of each true class.

    Args:
        confusion: Photo counts, shape ``(num_classes, num_classes)``; rows are the true classes.
        class_names: Of rows and columns.
        title: Above it; its lines are parted by newlines.
        path: Where the PNG goes.
    """
    k = len(class_names)
    side = min(max(2.6, 0.55 * k), 14.0)
    cell, size = side / k, min(10.0, max(4.0, 300 / k))
    names = [short_text(name, _MAX_NAME) for name in class_names]
    widest = max(text_width(name, size) for name in names)
    turned = k > 3 or widest > 0.9 * cell
    line, lines = size * LINE / 72, title.split("\n")
    left = 0.3 + 2 * _GAP + max(widest, 0.5)
    top = 0.3 + 0.22 * len(lines)
    below = _GAP + ((widest + line) * math.sqrt(0.5) if turned else line)
    right = 2 * _GAP + _BAR + text_width(" 100%", size) + 0.45
    sheet = Sheet(left + side + right, top + side + below + 0.4)
    _write_title(sheet, lines, (left + side + right) / 2)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    sheet.put(left, top, _shaded(shares, side, side))
    every = math.ceil(line / cell)  # more names than there is room for
    for i in range(0, k, every):
        middle = (i + 0.5) * cell
        sheet.write(left - _GAP, top + middle, names[i], size, anchor="rm")
        if turned:
            sheet.write_turned(left + middle, top + side + _GAP / 2, names[i], size, angle=45)
        else:
            sheet.write(left + middle, top + side + _GAP / 2 + line / 2, names[i], size)
    sheet.write(left + side / 2, top + side + below + 0.2, "predicted", 10)
    sheet.write_turned(0.2, top + side / 2, "true", 10, angle=90)
    if k <= _MAX_NUMBERED_CLASSES:
        for i, j in np.argwhere(confusion).tolist():
            colour = "white" if shares[i, j] > 0.5 else INK
            x, y = left + (j + 0.5) * cell, top + (i + 0.5) * cell
            sheet.write(x, y, f"{confusion[i, j]:,}", size, colour)
    bar = left + side + 2 * _GAP
    sheet.put(bar, top, _shaded(np.linspace(1, 0, pixels(side))[:, None], _BAR, side))
    for share, inwards in ((0, -0.06), (0.5, 0), (1, 0.06)):
        y = top + side * (1 - share) + inwards
        sheet.write(bar + _BAR + _GAP / 2, y, f"{share:.0%}", size, anchor="lm")
    x = left + side + right - 0.2
    sheet.write_turned(x, top + side / 2, "share of the true class", 10, angle=90)
    sheet.save(path)


def mistakes(rows: Sequence[Mistake], title: str, path: Path) -> None:
    """Draw wrongly classified photos side by side.

    Args:
        rows: At least one, in the order in which they are to be shown.
        title: Above them.
        path: Where the PNG goes.
    """
    columns = min(_MISTAKE_COLUMNS, max(2, len(rows)))
    photo, step = _THUMBNAIL / 110, (_THUMBNAIL / 110 + 0.15, _THUMBNAIL / 110 + 0.8)
    width = columns * step[0] + 0.15
    sheet = Sheet(width, 0.6 + math.ceil(len(rows) / columns) * step[1])
    _write_title(sheet, [title], width / 2)
    for i, row in enumerate(rows):
        left, top = 0.15 + i % columns * step[0], 0.6 + i // columns * step[1]
        middle, side = left + photo / 2, pixels(photo)
        said = f"{percent(row.probability)} sure: "
        said = fitted(row.predicted, photo, 9, bold=True, before=said)
        sheet.write(middle, top + 0.08, said, 9, _ACCENT, bold=True)
        sheet.write(middle, top + 0.25, fitted(row.label, photo, 8.5, before="is: "), 8.5)
        sheet.put(left, top + 0.36, _thumbnail(row.read, side))
        sheet.write(middle, top + 0.46 + photo, fitted(row.name, photo, 6), 6, FAINT)
    sheet.save(path)


def _write_title(sheet: Sheet, lines: Sequence[str], middle: float) -> None:
    """Write lines above a picture, smaller where they would not fit."""
    size = fitting_size(lines, 2 * middle - 0.3, 11.5)
    for i, line in enumerate(lines):
        sheet.write(middle, 0.26 + 0.2 * i, line, size)


def _shaded(shares: npt.NDArray[np.float64], width: float, height: float) -> Image.Image:
    """Return a picture, so large in inches, with a rectangle of each share's shade."""
    steps = np.linspace(0, 1, len(_BLUES))
    shades = [np.interp(shares, steps, _BLUES[:, channel]) for channel in range(3)]
    picture = Image.fromarray(np.round(np.stack(shades, axis=2)).astype(np.uint8))
    return picture.resize((pixels(width), pixels(height)), Image.Resampling.NEAREST)


def _thumbnail(read: Callable[[], bytes], side: int) -> Image.Image:
    try:
        image = decode(read(), at_least=side)
    except (ImageError, OSError):  # it was there a moment ago; the picture is not worth failing for
        return Image.new("RGB", (side, side), _EMPTY)
    return ImageOps.pad(image, (side, side), color="#f5f7fa")
