"""Curves by epoch: accuracy and loss, of one training or of several in one chart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from photograft.core.arrays import Doubles
from photograft.core.drawing.panel import (
    SMALL,
    Entry,
    Panel,
    Scale,
    accuracy_scale,
    legend_height,
    legend_width,
    loss_scale,
    scale_between,
    write_legend,
)
from photograft.core.drawing.paper import Marker, Paper, Stroke
from photograft.core.drawing.sheet import Sheet, fitted
from photograft.core.drawing.svg import SvgSheet
from photograft.core.drawing.ticks import epoch_ticks
from photograft.core.errors import InputError
from photograft.core.look import COLOURS, FAINT
from photograft.core.schema import check_range
from photograft.core.text import short_text
from photograft.learning.history import History, smoothed

#: Of a run's kept epoch; further runs have the same colours and the next of these.
_MARKERS = ("circle", "square", "diamond", "triangle", "down", "plus", "cross", "star")

_DASHES = (3.5, 1.8)
#: Beyond so many epochs dashes can't be told from noise: a thin line stands for training.
_MOST_DASHED = 120
#: The names of more runs than this are cut shorter.
_FEW_RUNS = 6
#: In inches: the picture, its panels, their left sides, the room above and below them, and what the
#: names of runs have beside the key.
_WIDTH, _PANEL, _LEFTS, _ABOVE, _BELOW = 11.0, (4.55, 3.2), (0.75, 6.2), 0.55, 0.65
_MOST_COLUMNS, _MARGIN = 4, 0.2

#: Larger values are as good as infinite, and would overflow while the axes are laid out.
_LARGEST = 1e100
#: A loss of more than this many times the usual one has exploded.
_EXPLOSION = 20.0
#: The loss axis is cut off where the largest loss is this many times nearly all others.
_OUTLIER = 5.0
_CUT_PERCENTILE, _CUT_MARGIN = 98, 1.05


@dataclass(frozen=True)
class _Series:
    """One run's values of one kind, by epoch from 1; NaN where there are none to draw.

    `num_odd` counts those that there are and that can't be drawn.
    """

    train: Doubles
    validation: Doubles
    kept: int
    num_odd: int

    @property
    def shown(self) -> Doubles:
        """Those that tell how good it is."""
        return self.validation if np.isfinite(self.validation).any() else self.train

    @property
    def both(self) -> Doubles:
        """All values that are numbers."""
        values: Doubles = np.concatenate([self.train, self.validation])
        return values[np.isfinite(values)]


def plot_epochs(
    histories: Mapping[str, History], path: Path, *, smoothing: float = 0.0, title: str = ""
) -> None:
    """Draw the accuracy and the loss of trainings by epoch.

    Args:
        histories: By the names of their runs; at least one, each of at least one epoch.
        path: Where the picture goes: PNG or SVG, as its suffix says. The same histories give the
            same SVG, byte for byte.
        smoothing: How much of an exponential moving average stays at each epoch, in [0, 0.999];
            the values themselves are then drawn faintly behind it. 0 for no average.
        title: Above it.

    Raises:
        InputError: The suffix is another, there is nothing to draw, or `smoothing` is out of range.
    """
    check_range("smoothing", smoothing, 0, 0.999)
    if path.suffix.lower() not in (".png", ".svg"):
        raise InputError("curves are PNG or SVG", expected="NAME.png or NAME.svg", got=str(path))
    if not histories or not all(history.epochs for history in histories.values()):
        raise InputError("there is no epoch to draw curves of")
    names = _distinct(histories)
    what, runs = _legends(names, list(histories.values()))
    columns = _columns(runs, _WIDTH - 3 * _MARGIN - legend_width(what))
    rows = max(1 if len(names) == 1 else len(what), math.ceil(len(runs) / columns))
    top = _ABOVE + (0.3 if title else 0.0)
    legend = top + _PANEL[1] + _BELOW
    size = _WIDTH, legend + legend_height(rows) + 0.1
    paper: Paper = Sheet(*size) if path.suffix.lower() == ".png" else SvgSheet(*size)
    if title:
        paper.write(_WIDTH / 2, 0.3, fitted(title, _WIDTH - 2 * _MARGIN, 12), 12)
    for left, quantity in zip(_LEFTS, ("accuracy", "loss"), strict=True):
        series = [_series(history, quantity) for history in histories.values()]
        limit = _limit(series) if quantity == "loss" else math.inf
        panel = _panel(paper, (left, top), quantity, series, limit)
        _draw(panel, series, smoothing, limit)
    if not runs:
        row = sum(legend_width([entry]) + _MARGIN for entry in what)
        write_legend(paper, (_WIDTH - row) / 2, legend, what, columns=len(what))
    else:
        write_legend(paper, _MARGIN, legend, runs, columns=columns)
        write_legend(paper, _WIDTH - _MARGIN - legend_width(what), legend, what)
    paper.save(path)


def _series(history: History, what: str) -> _Series:
    given = [[getattr(epoch, n) for epoch in history.epochs] for n in (what, f"val_{what}")]
    columns = [np.array(column, np.float64) for column in given]
    train, validation = (np.where(np.abs(c) <= _LARGEST, c, np.nan) for c in columns)
    num_given = sum(value is not None for column in given for value in column)
    run = _Series(train, validation, history.kept, 0)
    return replace(run, num_odd=num_given - len(run.both))


def _limit(series: Sequence[_Series]) -> float:
    """Return where the loss axis is cut off: infinity unless some losses dwarf all others.

    What is usual for a run is the lower of its first loss and its median, of training or
    validation, whichever is higher: a run that explodes later began well, one that begins with a
    peak comes down. Among runs it is the median.
    """
    usual = []
    for run in series:
        curves = [c[np.isfinite(c)] for c in (run.train, run.validation)]
        curves = [c for c in curves if len(c)]
        if curves:
            usual.append(min(max(c[0] for c in curves), max(np.median(c) for c in curves)))
    if not usual:
        return math.inf
    values = np.concatenate([run.both for run in series])
    sound = values[values <= _EXPLOSION * np.percentile(usual, 50, method="lower")]
    if not len(sound):
        return math.inf
    nearly_all = float(np.percentile(sound, _CUT_PERCENTILE, method="lower"))
    high = float(sound.max())
    high = nearly_all if high > _OUTLIER * nearly_all > 0 else high
    return _CUT_MARGIN * high if values.max() > _OUTLIER * high > 0 else math.inf


def _draw(panel: Panel, series: Sequence[_Series], smoothing: float, limit: float) -> None:
    """Draw all runs' curves into a panel: training below validation, the kept epochs on top."""
    for is_validation in (False, True):
        for i, run in enumerate(series):
            values = run.validation if is_validation else run.train
            is_marked = values is run.shown and len(series) > len(COLOURS)
            _draw_curve(
                panel,
                values,
                _style_of(i),
                smoothing=smoothing,
                limit=limit,
                is_validation=is_validation,
                is_marked=is_marked,
            )
    for i, run in enumerate(series):
        if 1 <= run.kept <= len(run.shown) and run.shown[run.kept - 1] <= limit:
            colour, shape = _style_of(i)
            kept = Marker(shape, 8.5, colour, edge_width=1.4)
            panel.mark(run.kept, run.shown[run.kept - 1], kept)


def _draw_curve(
    panel: Panel,
    values: Doubles,
    style: tuple[str, str],
    *,
    smoothing: float,
    limit: float,
    is_validation: bool,
    is_marked: bool,
) -> None:
    """Draw one curve: its values, or behind their average, and what marks the run."""
    colour, shape = style
    finite = np.isfinite(values)
    # Far above the axis is far enough.
    x, y = np.arange(1.0, len(values) + 1), np.minimum(values, 100 * limit)
    if smoothing:
        panel.curve(x, y, Stroke(colour, 0.8, opacity=0.28))
        y = y.copy()
        y[finite] = smoothed(y[finite].tolist(), smoothing)
    many = len(values) > _MOST_DASHED
    panel.curve(x, y, _stroke(colour, is_validation=is_validation, many=many))
    # A line has two ends: a value without a neighbour would not be seen.
    alone = finite & ~np.append(finite[1:], False) & ~np.append(False, finite[:-1])
    marked = np.arange(len(y)) % max(1, len(y) // 6) == 0 if is_marked else alone
    for i in np.flatnonzero(finite & (marked | alone) & (y <= limit)).tolist():
        face = colour if is_validation or not alone[i] else "#ffffff"
        panel.mark(x[i], y[i], Marker(shape, 4.5, face, colour, 1))


def _stroke(colour: str, *, is_validation: bool, many: bool) -> Stroke:
    """Return how a curve looks, of few epochs or of many."""
    if is_validation:
        return Stroke(colour, 1.8)
    return Stroke(colour, 0.8, opacity=0.55) if many else Stroke(colour, 1.2, _DASHES, 0.8)


def _panel(
    paper: Paper,
    corner: tuple[float, float],
    quantity: str,
    series: Sequence[_Series],
    limit: float,
) -> Panel:
    """Return a panel with its axes and notes."""
    last = max(len(run.train) for run in series)
    margin = 0.03 * max(last - 1, 1)
    x = Scale(1 - margin, last + margin, epoch_ticks(last), "{:,.0f}".format)
    values = np.concatenate([run.both for run in series])
    notes = []
    if not len(values):
        y = Scale(0, 1, (), str)
    elif quantity == "accuracy":
        y = accuracy_scale(values)
    elif math.isfinite(limit):
        least = float(values.min())
        y = scale_between(max(0, least - 0.05 * (limit - least)), limit)
        notes.append(f"cut off; highest: {values.max():.3g}")
    else:
        y = loss_scale(values)
    if quantity == "loss" and len(values) and (odd := sum(run.num_odd for run in series)):
        notes.append(f"{odd:,} value{'s are' if odd > 1 else ' is'} not finite")
    panel = Panel(paper, *corner, *_PANEL, x=x, y=y)
    panel.draw_axes(quantity, "epoch", notes)
    if not len(values):
        paper.write(*panel.place((1 + last) / 2, 0.5), "no finite values", SMALL, FAINT)
    return panel


def _legends(names: Sequence[str], histories: Sequence[History]) -> tuple[list[Entry], list[Entry]]:
    """Return what lines and markers mean, and whose they are, of several runs."""
    only = len(names) == 1
    colour = COLOURS[0] if only else FAINT
    many = max(len(history.epochs) for history in histories) > _MOST_DASHED
    what = [Entry("training", _stroke(colour, is_validation=False, many=many))]
    if any(e.val_loss is not None for history in histories for e in history.epochs):
        what.append(Entry("validation", _stroke(colour, is_validation=True, many=many)))
    kept = f"kept: epoch {histories[0].kept:,}" if only else "kept epoch"
    what.append(Entry(kept, marker=Marker("circle", 8, colour, edge_width=1)))
    runs = []
    for i, name in enumerate(() if only else names):
        colour, shape = _style_of(i)
        marker = Marker(shape, 5, colour) if len(names) > len(COLOURS) else None
        runs.append(Entry(name, Stroke(colour, 2), marker))
    return what, runs


def _columns(runs: Sequence[Entry], room: float) -> int:
    """Return in how many columns the names of runs fit side by side."""
    if not runs:
        return 1
    width = legend_width(runs) + _MARGIN
    return max(1, min(_MOST_COLUMNS, int(room / width), math.ceil(len(runs) / 3)))


def _style_of(index: int) -> tuple[str, str]:
    """Return the colour and the marker of a run."""
    return (
        COLOURS[index % len(COLOURS)],
        _MARKERS[index // len(COLOURS) % len(_MARKERS)],
    )


def _distinct(names: Iterable[str]) -> list[str]:
    """Return names short enough for a legend, those that then are the same with a number."""
    names = list(names)
    most = 44 if len(names) <= _FEW_RUNS else 28
    found: list[str] = []
    for name in names:
        short, number = short_text(name, most) or "–", 2
        candidate = short
        while candidate in found:
            candidate, number = f"{short} ({number})", number + 1
        found.append(candidate)
    return found
