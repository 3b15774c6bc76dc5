"""The pictures of a run, as PNG: the confusion matrix, and the most confident mistakes."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from photograft.errors import ImageError
from photograft.images import decode
from photograft.report.wording import percent

#: Beyond this many classes the cells of a confusion matrix carry no numbers.
_MAX_NUMBERED_CLASSES = 25
_MAX_NAME = 22
_MISTAKE_COLUMNS = 4
_THUMBNAIL = 256
INK, _ACCENT, FAINT = "#1f2933", "#b42318", "#52606d"


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
    size = min(max(3.6, 0.55 * k + 2.2), 16.0)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [plain_text(short_text(name, _MAX_NAME)) for name in class_names]
    font = min(10.0, max(4.0, 300 / k))
    axes.set_xticks(range(k), names, rotation=45 if k > 3 else 0, ha="right" if k > 3 else "center")
    axes.set_yticks(range(k), names)
    axes.tick_params(labelsize=font, length=0, colors=INK)
    axes.set_xlabel("predicted", color=INK)
    axes.set_ylabel("true", color=INK)
    axes.set_title(plain_text(title), color=INK, fontsize=11)
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
    figure.text(0.5, 1 - 0.3 / height, plain_text(title), ha="center", color=INK, fontsize=12)
    grid = figure.subplots(lines, columns, squeeze=False)
    figure.subplots_adjust(0.01, 0.3 / height, 0.99, 1 - 0.95 / height, 0.06, 0.36)
    for axes in grid.flat:
        axes.axis("off")
    for axes, row in zip(grid.flat, rows, strict=False):
        axes.imshow(_thumbnail(row.read))
        write = functools.partial(axes.text, 0.5, transform=axes.transAxes, ha="center")
        said = f"{percent(row.probability)} sure: {short_text(row.predicted, 18)}"
        write(y=1.1, s=plain_text(said), color=_ACCENT, fontsize=9, weight="bold")
        write(y=1.02, s=plain_text(f"is: {short_text(row.label, 26)}"), color=INK, fontsize=8.5)
        write(y=-0.07, s=plain_text(short_text(row.name, 40)), color=FAINT, fontsize=6)
    save_figure(figure, path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as the kind of picture that its path names."""
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; no reason to alarm anyone.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing", UserWarning)
        figure.savefig(path, dpi=130, pil_kwargs={"compress_level": 2})


def _thumbnail(read: Callable[[], bytes]) -> Image.Image:
    try:
        image = decode(read(), at_least=_THUMBNAIL)
    except (ImageError, OSError):  # it was there a moment ago; the picture is not worth failing for
        return Image.new("RGB", (_THUMBNAIL, _THUMBNAIL), "#e4e7eb")
    return ImageOps.pad(image, (_THUMBNAIL, _THUMBNAIL), color="#f5f7fa")


def short_text(text: str, most: int) -> str:
    """Return `text`, its middle left out where it is too long."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    if len(text) <= most:
        return text
    tail = (most - 1) * 2 // 3
    return text[: most - 1 - tail] + "…" + text[-tail:]


def plain_text(text: str) -> str:
    """Return `text` such that Matplotlib draws it and does not read it as mathematics."""
    return text.replace("$", r"\$")
