"""A panel of a chart: axes, curves and signs in it, and a legend beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from photograft.core.arrays import Doubles
from photograft.core.drawing.paper import Marker, Paper, Points, Stroke
from photograft.core.drawing.sheet import text_width
from photograft.core.drawing.ticks import round_ticks
from photograft.core.look import AXIS, FAINT, GRID

#: Sizes of letters: titles, names of axes, numbers and legends, notes.
TITLE, NAME, SMALL, NOTE = 11.0, 10.0, 9.0, 8.5
#: Between an axis and its numbers, and the height of a row of a legend, in inches.
_TICK, _ROW = 0.07, 0.2
#: In a legend: how long a line is, and the space behind it and behind a name, in inches.
_SAMPLE, _GAP, _APART = 0.32, 0.08, 0.25
#: About so many numbers stand at an upright axis.
_MOST_TICKS = 7
#: An accuracy axis shows at least this much: a hair's breadth must not look like a mile.
_LEAST_SPAN = 0.04


@dataclass(frozen=True)
class Scale:
    """The values along one side of a panel.

    Attributes:
        low: At its beginning.
        high: At its end.
        ticks: Those that are written.
        write: Makes text of a value.
        is_log: Whether equal steps are equal factors.
    """

    low: float
    high: float
    ticks: Sequence[float]
    write: Callable[[float], str]
    is_log: bool = False

    def share(self, value: float) -> float:
        """Return where a value is, of the side's length from its beginning."""
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


class Panel:
    """A rectangle of a picture in which values have places.

    Args:
        paper: What it is drawn on.
        left: Of the rectangle, in inches; its axes are written left of it and below.
        top: Likewise.
        width: Likewise.
        height: Likewise.
        x: From left to right.
        y: From the bottom upwards.
    """

    def __init__(
        self,
        paper: Paper,
        left: float,
        top: float,
        width: float,
        height: float,
        *,
        x: Scale,
        y: Scale,
    ) -> None:
        self.paper, self.x, self.y = paper, x, y
        self.left, self.top, self.right, self.bottom = left, top, left + width, top + height

    def draw_axes(self, title: str, name: str, notes: Sequence[str] = ()) -> None:
        """Draw lines and numbers of both axes.

        Args:
            title: Above the panel, on its left.
            name: Of what runs from left to right.
            notes: Above the panel, on its right, small.
        """
        paper, axis = self.paper, Stroke(AXIS, 0.8)
        for value in self.y.ticks:
            y = self.place(self.x.low, value)[1]
            paper.line([(self.left, y), (self.right, y)], Stroke(GRID, 0.8))
            paper.write(self.left - _TICK, y, self.y.write(value), SMALL, anchor="rm")
        for value in self.x.ticks:
            x = self.place(value, self.y.low)[0]
            paper.line([(x, self.bottom), (x, self.bottom + _TICK / 2)], axis)
            paper.write(x, self.bottom + 0.14, self.x.write(value), SMALL)
        paper.line([(self.left, self.top), (self.left, self.bottom)], axis)
        paper.line([(self.left, self.bottom), (self.right, self.bottom)], axis)
        paper.write((self.left + self.right) / 2, self.bottom + 0.37, name, NAME)
        paper.write(self.left, self.top - 0.1, title, TITLE, anchor="ls")
        for i, note in enumerate(reversed(notes)):
            paper.write(self.right, self.top - 0.1 - 0.15 * i, note, NOTE, FAINT, anchor="rs")

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where values are on the paper, in inches."""
        return (
            self.left + self.x.share(x) * (self.right - self.left),
            self.bottom - self.y.share(y) * (self.bottom - self.top),
        )

    def curve(self, x: Doubles, y: Doubles, stroke: Stroke) -> None:
        """Draw a line through values, each two that stand side by side and are finite."""
        clip = (self.left, self.top - 0.02, self.right, self.bottom)
        piece: list[tuple[float, float]] = []
        for a, b in [*zip(x.tolist(), y.tolist(), strict=True), (0.0, math.nan)]:
            if math.isfinite(b):
                piece.append(self.place(a, b))
                continue
            if len(piece) > 1:
                self.paper.line(piece, stroke, clip)
            piece = []

    def band(self, x: Doubles, low: Doubles, high: Doubles, colour: str, opacity: float) -> None:
        """Fill what lies between two curves."""
        clip = (self.left, self.top, self.right, self.bottom)
        edge = [*zip(x, low, strict=True), *reversed(list(zip(x, high, strict=True)))]
        self.paper.area([self.place(*at) for at in edge], colour, opacity=opacity, clip=clip)

    def mark(self, x: float, y: float, marker: Marker) -> None:
        """Put a sign where a value is."""
        marker.draw(self.paper, *self.place(x, y))


def accuracy_scale(values: Doubles) -> Scale:
    """Return a scale for shares in [0, 1], in percent, with some space around the values."""
    low, high = _with_margin(values)
    spare = max(0.0, _LEAST_SPAN - (high - low)) / 2
    low, high = max(low - spare, 0.0), min(high + spare, 1.01)
    return scale_between(low, high, lambda share: f"{round(100 * share, 3):g}%")


def loss_scale(values: Doubles) -> Scale:
    """Return a scale for finite numbers, with some space around them."""
    low, high = _with_margin(values)
    return scale_between(max(low, 0.0) if values.min() >= 0 else low, high)


def scale_between(low: float, high: float, write: Callable[[float], str] = "{:g}".format) -> Scale:
    """Return a scale between two values, with round numbers."""
    ticks = [t for t in round_ticks(low, high, _MOST_TICKS) if low <= t <= high]
    return Scale(low, high, ticks, write)


def _with_margin(values: Doubles) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


@dataclass(frozen=True)
class Entry:
    """What a line, a sign or a colour of a chart means."""

    name: str
    stroke: Stroke | None = None
    marker: Marker | None = None
    band: tuple[str, float] | None = None


def legend_width(entries: Sequence[Entry]) -> float:
    """Return how wide a legend of one column is, in inches."""
    return _SAMPLE + _GAP + max(text_width(entry.name, SMALL) for entry in entries)


def legend_height(num_rows: int) -> float:
    """Return how high a legend of so many rows is, in inches."""
    return _ROW * num_rows


def write_legend(
    paper: Paper, left: float, top: float, entries: Sequence[Entry], *, columns: int = 1
) -> None:
    """Write what is what, from top to bottom and then in the next column."""
    rows = math.ceil(len(entries) / columns)
    for start in range(0, len(entries), rows):
        column = entries[start : start + rows]
        for i, entry in enumerate(column):
            _write_entry(paper, left, top + _ROW * (i + 0.5), entry)
        left += legend_width(column) + _APART


def _write_entry(paper: Paper, left: float, y: float, entry: Entry) -> None:
    right, middle = left + _SAMPLE, left + _SAMPLE / 2
    if entry.band is not None:
        corners: Points = [(left, y - 0.05), (right, y - 0.05), (right, y + 0.05), (left, y + 0.05)]
        paper.area(corners, entry.band[0], opacity=entry.band[1])
    if entry.stroke is not None:
        paper.line([(left, y), (right, y)], entry.stroke)
    if entry.marker is not None:
        entry.marker.draw(paper, middle, y)
    paper.write(right + _GAP, y, entry.name, SMALL, anchor="lm")
