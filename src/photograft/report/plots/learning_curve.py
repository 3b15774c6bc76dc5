"""The picture of a learning curve, as PNG: accuracy with its extrapolation, and recall by class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photograft.core.drawing.panel import (
    SMALL,
    Entry,
    Panel,
    Scale,
    accuracy_scale,
    legend_height,
    legend_width,
    write_legend,
)
from photograft.core.drawing.paper import Marker, Stroke
from photograft.core.drawing.sheet import Sheet, fitted, fitting_size
from photograft.core.errors import InputError
from photograft.core.look import COLOURS, FAINT
from photograft.core.text import count, short_text
from photograft.evaluation.learning_curve.curve import LearningCurve
from photograft.evaluation.learning_curve.extrapolation import LEVEL

_MARKERS = ("circle", "square", "triangle", "diamond", "down", "plus", "cross")
_BLUE, _BAND, _OTHERS = COLOURS[0], ("#9ecae1", 0.45), Stroke("#cbd2d9", 1.2)
#: Sizes are written at an axis at least this far apart, as a factor, and at most about so many.
_APART, _MOST_TICKS = 1.7, 7
#: In inches: the picture, where its panels begin and end, and the room for the names of classes.
_WIDTH, _HEIGHT, _TOP, _PANEL = 12.0, 5.2, 1.05, 3.55
_OVERALL, _CLASSES, _NAMES = (0.75, 6.15), (6.95, 9.95), 1.45


def draw_learning_curve(curve: LearningCurve, path: Path) -> None:
    """Draw accuracy and per-class recall by number of photos.

    Args:
        curve: As it was measured.
        path: Where the picture goes: a PNG.

    Raises:
        InputError: The suffix is another.
    """
    if path.suffix.lower() != ".png":
        raise InputError(f"{path} is no picture by its name", expected=".png")
    sheet = Sheet(_WIDTH, _HEIGHT)
    first, *others = curve.sentences()[:2]
    lines = [f"{short_text(curve.name, 40)}. {first}", *others]
    size = fitting_size(lines, _WIDTH - 0.4, 11)
    for i, line in enumerate(lines):
        sheet.write(0.2, 0.32 + 0.22 * i, line, size, anchor="ls")
    _draw_overall(sheet, curve)
    _draw_classes(sheet, curve)
    sheet.save(path)


def _draw_overall(sheet: Sheet, curve: LearningCurve) -> None:
    low, middle, high = (
        _smooth(np.array([getattr(forecast, name) for forecast in curve.band]))
        for name in ("low", "accuracy", "high")
    )
    forecasts = [forecast.accuracy for forecast in curve.forecasts]
    values = np.concatenate([curve.accuracy.ravel(), curve.overall, low, middle, high, forecasts])
    panel = _panel(
        sheet, _OVERALL, [*curve.sizes, *(f.num_photos for f in curve.forecasts)], values
    )
    panel.draw_axes("accuracy", "photos learned from")
    ahead = np.array([forecast.num_photos for forecast in curve.band], np.float64)
    panel.band(ahead, low, high, *_BAND)
    seed = Marker("circle", 2.6, FAINT, opacity=0.45)
    for num_photos, row in zip(curve.sizes, curve.accuracy.tolist(), strict=True):
        for accuracy in row:
            panel.mark(num_photos, accuracy, seed)
    extrapolated, measured = Stroke(_BLUE, 1.6, (3.5, 1.8)), Stroke(_BLUE, 1.8)
    panel.curve(ahead, middle, extrapolated)
    panel.curve(np.array(curve.sizes, np.float64), curve.overall, measured)
    dot = Marker("circle", 5, _BLUE)
    for num_photos, accuracy in zip(curve.sizes, curve.overall.tolist(), strict=True):
        panel.mark(num_photos, accuracy, dot)
    written = np.inf
    for forecast in sorted(curve.forecasts, key=lambda f: -f.multiple):
        panel.mark(forecast.num_photos, forecast.accuracy, Marker("circle", 5, "#ffffff", _BLUE, 1))
        if forecast.multiple * _APART > written:
            continue  # its number would run into the one beside it
        written = forecast.multiple
        x, y = panel.place(forecast.num_photos, forecast.accuracy)
        sheet.write(x, y - 0.11, f"{forecast.multiple:g}×", SMALL, _BLUE, anchor="ms")
    entries = [
        Entry("measured", measured, dot),
        Entry("seeds", marker=seed),
        Entry("extrapolated", extrapolated),
        Entry(f"{LEVEL:.0%} interval", band=_BAND),
    ]
    left = panel.right - legend_width(entries) - 0.1
    write_legend(sheet, left, panel.bottom - legend_height(len(entries)) - 0.1, entries)


def _smooth(edge: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return an edge of the band without its jumps, its ends as they are.

    So few photos are scored in a small set that accuracies jump from one right answer to the next.
    """
    padded = np.pad(edge, 3, mode="reflect", reflect_type="odd")
    weights = np.array([1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0])
    smooth: npt.NDArray[np.float64] = np.convolve(padded, weights / weights.sum(), mode="valid")
    return np.clip(smooth, 0, 1)


def _draw_classes(sheet: Sheet, curve: LearningCurve) -> None:
    """Draw recalls: those with most to gain in colour, where there are too many all others grey."""
    order = [
        curve.class_names.index(gain.name) for gain in curve.classes if gain.recall is not None
    ]
    sizes = np.array(curve.sizes, np.float64)
    values = curve.recall[:, order]
    panel = _panel(sheet, _CLASSES, list(curve.sizes), values[np.isfinite(values)])
    panel.draw_axes("recall by class, most to gain first", "photos learned from")
    others, entries = order[len(COLOURS) :], []
    for c in others:
        panel.curve(sizes, curve.recall[:, c], _OTHERS)
    for colour, shape, c in zip(COLOURS, _MARKERS, order, strict=False):
        stroke, marker = Stroke(colour, 1.5), Marker(shape, 4.5, colour)
        panel.curve(sizes, curve.recall[:, c], stroke)
        for num_photos, recall in zip(curve.sizes, curve.recall[:, c].tolist(), strict=True):
            if np.isfinite(recall):
                panel.mark(num_photos, recall, marker)
        name = short_text(curve.class_names[c], 22)
        entries.append(Entry(fitted(name, _NAMES, SMALL), stroke, marker))
    if others:
        entries.append(Entry(count(len(others), "other"), _OTHERS))
    middle = (panel.top + panel.bottom) / 2
    write_legend(sheet, panel.right + 0.15, middle - legend_height(len(entries)) / 2, entries)


def _panel(
    sheet: Sheet,
    sides: tuple[float, float],
    sizes: Sequence[float],
    values: npt.NDArray[np.float64],
) -> Panel:
    """Return a panel of accuracies by number of photos."""
    first, last = min(sizes), max(sizes)
    apart = max(_APART, (last / first) ** (1 / _MOST_TICKS))
    ticks = [first, last]  # these two are always written
    for size in sorted(sizes, reverse=True)[1:]:
        if size * apart <= ticks[-1] and first * apart <= size:
            ticks.append(size)
    return Panel(
        sheet,
        sides[0],
        _TOP,
        sides[1] - sides[0],
        _PANEL,
        x=Scale(first / 1.25, last * 1.25, ticks, lambda n: f"{round(n):,}", is_log=True),
        y=accuracy_scale(values),
    )
