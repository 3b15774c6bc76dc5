"""The pictures of a run, as PNG: the confusion matrix, and the most confident mistakes."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from photograft.core.drawing import (
    FAINT,
    INK,
    boxes_for_letters,
    fill,
    plain_text,
    save_figure,
    short_text,
)
from photograft.core.errors import ImageError
from photograft.core.text import percent
from photograft.data.images import decode

#: Beyond this many classes the cells of a confusion matrix carry no numbers.
_MAX_NUMBERED_CLASSES = 25
_MAX_NAME = 22
_MISTAKE_COLUMNS = 4
_THUMBNAIL = 256
_ACCENT = "#b42318"


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
        title: Above it.
        path: Where the PNG goes.
    """
    k = len(class_names)
    side = min(max(2.2, 0.5 * k), 14.0)  # of the matrix itself, in inches
    font = min(10.0, max(4.0, 300 / k))
    names = [plain_text(short_text(name, _MAX_NAME)) for name in class_names]
    widest = _widest(names, font)
    turned = k > 3 or widest > 0.9 * side / k
    below = widest * math.sin(math.pi / 4) if turned else 0.0
    figure = Figure(figsize=(1.1 * side + widest + 1.9, side + below + 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(
        range(k), names, rotation=45 if turned else 0, ha="right" if turned else "center"
    )
    if turned:  # names end at their columns, whatever their length
        for label in axes.get_xticklabels():
            label.set_rotation_mode("anchor")
    axes.set_yticks(range(k), names)
    axes.tick_params(labelsize=font, length=0, colors=INK)
    axes.set_xlabel("predicted", color=INK)
    axes.set_ylabel("true", color=INK)
    figure.suptitle(plain_text(title), color=INK, fontsize=_title_size(figure, title, 11))
    axes.spines[:].set_visible(False)
    if k <= _MAX_NUMBERED_CLASSES:
        for i, row in enumerate(confusion):
            for j, count in enumerate(row):
                colour = "white" if shares[i, j] > 0.5 else INK
                if count:
                    axes.text(j, i, f"{count:,}", ha="center", va="center", color=colour, size=font)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    bar.set_ticks([0, 0.5, 1], labels=["0%", "50%", "100%"])
    bar.set_label("share of the true class", color=INK)
    bar.outline.set_visible(False)
    save_figure(figure, path)


def mistakes(rows: Sequence[Mistake], title: str, path: Path) -> None:
    """Draw wrongly classified photos side by side.

    Args:
        rows: At least one, in the order in which they are to be shown.
        title: Above them.
        path: Where the PNG goes.
    """
    columns = min(_MISTAKE_COLUMNS, max(2, len(rows)))
    lines = math.ceil(len(rows) / columns)
    width, height = 2.5 * columns, 3.1 * lines + 0.5
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    size = _title_size(figure, title, 12)
    figure.text(0.5, 1 - 0.3 / height, plain_text(title), ha="center", color=INK, fontsize=size)
    grid = figure.subplots(lines, columns, squeeze=False)
    figure.subplots_adjust(0.01, 0.3 / height, 0.99, 1 - 0.95 / height, 0.06, 0.36)
    for axes in grid.flat:
        axes.axis("off")
    for axes, row in zip(grid.flat, rows, strict=False):
        axes.imshow(_thumbnail(row.read))
        write = functools.partial(axes.text, 0.5, s="", transform=axes.transAxes, ha="center")
        room = 0.95 * width / columns
        said = write(y=1.1, color=_ACCENT, fontsize=9, weight="bold")
        fill(figure, said, row.predicted, room, before=f"{percent(row.probability)} sure: ")
        fill(figure, write(y=1.02, color=INK, fontsize=8.5), row.label, room, before="is: ")
        fill(figure, write(y=-0.07, color=FAINT, fontsize=6), row.name, room)
    save_figure(figure, path)


def _widest(names: Sequence[str], size: float) -> float:
    """Return how wide the widest of some texts is in a font of `size` points, in inches."""
    figure = Figure()
    FigureCanvasAgg(figure)
    written = [figure.text(0, 0, name, fontsize=size) for name in names]
    with boxes_for_letters():
        return float(max(text.get_window_extent().width for text in written)) / figure.dpi


def _title_size(figure: Figure, title: str, usual: float) -> float:
    """Return the size of font at which a title fits into its figure, in points."""
    room = figure.get_figwidth() - 0.3
    return max(4.0, usual * min(1.0, room / _widest([plain_text(title)], usual)))


def _thumbnail(read: Callable[[], bytes]) -> Image.Image:
    try:
        image = decode(read(), at_least=_THUMBNAIL)
    except (ImageError, OSError):  # it was there a moment ago; the picture is not worth failing for
        return Image.new("RGB", (_THUMBNAIL, _THUMBNAIL), "#e4e7eb")
    return ImageOps.pad(image, (_THUMBNAIL, _THUMBNAIL), color="#f5f7fa")
