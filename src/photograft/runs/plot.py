"""Curves by epoch: accuracy and loss, of one training or of several in one chart."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from photograft.core.drawing import COLOURS, GRID, LEAST_SPAN, plain_text, save_figure
from photograft.core.errors import InputError
from photograft.core.look import FAINT, INK
from photograft.core.schema import check_range
from photograft.core.text import short_text
from photograft.learning.history import History, smoothed

#: Of a run's kept epoch; further runs have the same colours and the next of these.
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_DASHES = (0, (3.5, 1.8))
#: Beyond so many epochs dashes can't be told from noise: a thin line stands for training.
_MOST_DASHED = 120
#: The names of more runs than this are cut shorter.
_FEW_RUNS = 6

#: Larger values are as good as infinite, and would overflow while the axes are laid out.
_LARGEST = 1e100
#: A loss of more than this many times the usual one has exploded.
_EXPLOSION = 20.0
#: The loss axis is cut off where the largest loss is this many times nearly all others.
_OUTLIER = 5.0
_CUT_PERCENTILE, _CUT_MARGIN = 98, 1.05

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Series:
    """One run's values of one kind, by epoch from 1; NaN where there are none to draw.

    `num_odd` counts those that there are and that can't be drawn.
    """

    train: Values
    validation: Values
    kept: int
    num_odd: int

    @property
    def shown(self) -> Values:
        """Those that tell how good it is."""
        return self.validation if np.isfinite(self.validation).any() else self.train

    @property
    def both(self) -> Values:
        """All values that are numbers."""
        values: Values = np.concatenate([self.train, self.validation])
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
    figure = Figure()
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.08)
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2)
    for axes, what in zip(panels, ("accuracy", "loss"), strict=True):
        series = [_series(history, what) for history in histories.values()]
        limit = _limit(series) if what == "loss" else math.inf
        for i, run in enumerate(series):
            _draw(axes, run, i, len(series), smoothing, limit)
        _lay_out(axes, what, series, limit)
    rows = _add_legends(figure, names, list(histories.values()))
    figure.set_size_inches(11, 4.4 + 0.22 * rows)
    if title:
        figure.suptitle(plain_text(short_text(title, 100)), color=INK, fontsize=12)
    if path.suffix.lower() == ".png":
        save_figure(figure, path)
        return
    # Text stays text, so that a viewer's fonts can show scripts that Matplotlib's lack.
    options: Any = {"svg.hashsalt": "photograft", "svg.fonttype": "none"}
    with warnings.catch_warnings(), mpl.rc_context(options):
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing", UserWarning)
        figure.savefig(path, metadata={"Date": None})


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


def _draw(
    axes: Axes, run: _Series, index: int, num_runs: int, smoothing: float, limit: float
) -> None:
    """Draw one run's curves into a panel."""
    colour, marker = _style_of(index)
    many = len(run.train) > _MOST_DASHED
    for values, is_validation in ((run.train, False), (run.validation, True)):
        finite = np.isfinite(values)
        if not finite.any():
            continue
        # Far above the axis is far enough.
        y = np.minimum(values, 100 * limit)
        x = np.arange(1, len(y) + 1)
        if smoothing:
            axes.plot(x, y, color=colour, lw=0.8, alpha=0.28, zorder=2)
            y = y.copy()
            y[finite] = smoothed(y[finite].tolist(), smoothing)
        dashed = not is_validation and not many
        axes.plot(
            x,
            y,
            color=colour,
            lw=1.8 if is_validation else 0.8 if many else 1.2,
            ls=_DASHES if dashed else "-",
            alpha=1 if is_validation else 0.55 if many else 0.8,
            zorder=4 if is_validation else 3,
            marker=marker if values is run.shown and num_runs > len(COLOURS) else None,
            markevery=max(1, len(y) // 6),
            ms=4.5,
        )
        # A line has two ends: a value without a neighbour would not be seen.
        alone = finite & ~np.append(finite[1:], False) & ~np.append(False, finite[:-1])
        face = colour if is_validation else "white"
        axes.scatter(x[alone], y[alone], s=22, color=face, edgecolors=colour, zorder=4)
    if 1 <= run.kept <= len(run.shown) and run.shown[run.kept - 1] <= limit:
        axes.plot(
            [run.kept],
            [run.shown[run.kept - 1]],
            marker,
            ms=8.5,
            color=colour,
            mec="white",
            mew=1.4,
            zorder=6,
        )


def _lay_out(axes: Axes, what: str, series: Sequence[_Series], limit: float) -> None:
    """Set a panel's title, axes and notes."""
    axes.set_title(what, loc="left", color=INK, fontsize=11)
    axes.set_xlabel("epoch", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    last = max(len(run.train) for run in series)
    margin = 0.03 * max(last - 1, 1)
    axes.set_xlim(1 - margin, last + margin)
    axes.grid(axis="y", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#9aa5b1")
    axes.tick_params(colors=INK, labelsize=9, length=3, color="#9aa5b1")
    values = np.concatenate([run.both for run in series])
    if not len(values):
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no finite values", ha="center", color=FAINT, transform=axes.transAxes)
        return
    low, high = axes.get_ylim()
    if what == "accuracy":
        spare = max(0, LEAST_SPAN - (high - low)) / 2
        axes.set_ylim(max(low - spare, 0), min(high + spare, 1.01))
        axes.yaxis.set_major_formatter(lambda share, _: f"{round(100 * share, 3):g}%")
        return
    if math.isfinite(limit):
        least = float(values.min())
        axes.set_ylim(max(0, least - 0.05 * (limit - least)), limit)
    else:
        axes.set_ylim(max(low, 0) if values.min() >= 0 else low, high)
    notes = []
    if math.isfinite(limit):
        notes.append(f"cut off; highest: {values.max():.3g}")
    if odd := sum(run.num_odd for run in series):
        notes.append(f"{odd:,} value{'s are' if odd > 1 else ' is'} not finite")
    axes.set_title("\n".join(notes), loc="right", color=FAINT, fontsize=8.5)


def _add_legends(figure: Figure, names: Sequence[str], histories: Sequence[History]) -> int:
    """Add what lines and markers mean, and whose they are; return the rows that it takes."""
    only = len(names) == 1
    colour = COLOURS[0] if only else FAINT
    many = max(len(history.epochs) for history in histories) > _MOST_DASHED
    validated = any(e.val_loss is not None for history in histories for e in history.epochs)
    what = [("training", {"lw": 0.8, "alpha": 0.55} if many else {"lw": 1.2, "ls": _DASHES})]
    if validated:
        what.append(("validation", {"lw": 1.8}))
    kept = f"kept: epoch {histories[0].kept:,}" if only else "kept epoch"
    what.append((kept, {"lw": 0, "marker": "o", "ms": 8, "mec": "white"}))
    handles = [Line2D([], [], color=colour, **style) for _, style in what]
    style = {"frameon": False, "labelcolor": INK, "fontsize": 9}
    if only:
        figure.legend(
            handles, [w for w, _ in what], loc="outside lower center", ncols=len(what), **style
        )
        return 1
    figure.legend(handles, [w for w, _ in what], loc="outside lower right", ncols=1, **style)
    longest = max(len(name) for name in names)
    columns = max(1, min(4, 110 // (longest + 8), math.ceil(len(names) / 3)))
    marked = len(names) > len(COLOURS)
    handles = []
    for i in range(len(names)):
        colour, marker = _style_of(i)
        handles.append(Line2D([], [], color=colour, lw=2, marker=marker if marked else None, ms=5))
    legend = figure.legend(
        handles, ["run"] * len(names), loc="outside lower left", ncols=columns, **style
    )
    # Put in only now: a legend leaves out what begins with an underscore.
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(plain_text(name))
    return max(len(what), math.ceil(len(names) / columns))


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
