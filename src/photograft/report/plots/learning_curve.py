"""The picture of a learning curve, as PNG: accuracy with its extrapolation, and recall by class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from photograft.core.drawing import COLOURS, GRID, LEAST_SPAN, plain_text, save_figure
from photograft.core.errors import InputError
from photograft.core.look import FAINT, INK
from photograft.core.text import count, short_text
from photograft.evaluation.learning_curve.curve import LearningCurve
from photograft.evaluation.learning_curve.extrapolation import LEVEL

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_BLUE, _BAND = COLOURS[0], "#9ecae1"
#: Sizes are written at an axis at least this far apart, as a factor, and at most about so many.
_APART, _MOST_TICKS = 1.7, 7


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
    figure = Figure(figsize=(12, 5.2))
    figure.set_layout_engine("constrained", w_pad=0.14, h_pad=0.1)
    FigureCanvasAgg(figure)
    overall, classes = figure.subplots(1, 2, width_ratios=(1.2, 1))
    _draw_overall(overall, curve)
    _draw_classes(classes, curve)
    lines = [plain_text(line) for line in curve.sentences()[:2]]
    title = plain_text(short_text(curve.name, 40))
    figure.suptitle(f"{title}. " + "\n".join(lines), color=INK, fontsize=11, ha="left", x=0.01)
    save_figure(figure, path)


def _draw_overall(axes: Axes, curve: LearningCurve) -> None:
    sizes = np.repeat(curve.sizes, curve.accuracy.shape[1])
    axes.plot(
        sizes, curve.accuracy.ravel(), ".", ms=4, color=FAINT, alpha=0.45, mec="none", label="seeds"
    )
    ahead = np.array([forecast.num_photos for forecast in curve.band])
    low, middle, high = (
        _smooth(np.array([getattr(forecast, name) for forecast in curve.band]))
        for name in ("low", "accuracy", "high")
    )
    axes.fill_between(
        ahead, low, high, color=_BAND, alpha=0.45, lw=0, label=f"{LEVEL:.0%} interval"
    )
    axes.plot(ahead, middle, color=_BLUE, lw=1.6, ls=(0, (3.5, 1.8)), label="extrapolated")
    axes.plot(curve.sizes, curve.overall, "o-", color=_BLUE, lw=1.8, ms=5, label="measured")
    written = np.inf
    for forecast in sorted(curve.forecasts, key=lambda f: -f.multiple):
        axes.plot(forecast.num_photos, forecast.accuracy, "o", ms=5, mfc="white", mec=_BLUE)
        if forecast.multiple * _APART > written:
            continue  # its number would run into the one beside it
        written = forecast.multiple
        axes.annotate(
            f"{forecast.multiple:g}×",
            (forecast.num_photos, forecast.accuracy),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            color=_BLUE,
            fontsize=9,
        )
    _lay_out(axes, "accuracy", [*curve.sizes, *(f.num_photos for f in curve.forecasts)])
    handles, names = axes.get_legend_handles_labels()
    order = [names.index(n) for n in ("measured", "seeds", "extrapolated", f"{LEVEL:.0%} interval")]
    axes.legend(
        [handles[i] for i in order],
        [names[i] for i in order],
        loc="lower right",
        frameon=False,
        labelcolor=INK,
        fontsize=9,
    )


def _smooth(edge: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return an edge of the band without its jumps, its ends as they are.

    So few photos are scored in a small set that accuracies jump from one right answer to the next.
    """
    padded = np.pad(edge, 3, mode="reflect", reflect_type="odd")
    weights = np.array([1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0])
    smooth: npt.NDArray[np.float64] = np.convolve(padded, weights / weights.sum(), mode="valid")
    return np.clip(smooth, 0, 1)


def _draw_classes(axes: Axes, curve: LearningCurve) -> None:
    """Draw recalls: those with most to gain in colour, where there are too many all others grey."""
    order = [
        curve.class_names.index(gain.name) for gain in curve.classes if gain.recall is not None
    ]
    for c in order[len(COLOURS) :]:
        axes.plot(curve.sizes, curve.recall[:, c], color=GRID, lw=1.2)
    for place, c in enumerate(order[: len(COLOURS)]):
        axes.plot(
            curve.sizes,
            curve.recall[:, c],
            color=COLOURS[place],
            marker=_MARKERS[place],
            ms=4.5,
            lw=1.5,
            label="class",
        )
    _lay_out(axes, "recall by class, most to gain first", list(curve.sizes))
    legend = axes.legend(
        loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, labelcolor=INK, fontsize=9
    )
    # Put in only now: a legend leaves out what begins with an underscore.
    for text, c in zip(legend.get_texts(), order, strict=False):
        text.set_text(plain_text(short_text(curve.class_names[c], 22)))
    if len(order) > len(COLOURS):
        axes.set_title(
            f"{count(len(order) - len(COLOURS), 'other')} in grey",
            loc="right",
            color=FAINT,
            fontsize=8.5,
        )


def _lay_out(axes: Axes, what: str, sizes: list[float]) -> None:
    """Set a panel's title and axes."""
    axes.set_title(what, loc="left", color=INK, fontsize=11)
    axes.set_xlabel("photos learned from", color=INK)
    axes.set_xscale("log")
    axes.set_xlim(min(sizes) / 1.25, max(sizes) * 1.25)
    apart = max(_APART, (max(sizes) / min(sizes)) ** (1 / _MOST_TICKS))
    first = min(sizes)
    ticks = [first, max(sizes)]  # these two are always written
    for size in sorted(sizes, reverse=True)[1:]:
        if size * apart <= ticks[-1] and first * apart <= size:
            ticks.append(size)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{round(value):,}")
    low, high = axes.get_ylim()
    spare = max(0, LEAST_SPAN - (high - low)) / 2
    axes.set_ylim(max(low - spare, 0), min(high + spare, 1.01))
    axes.yaxis.set_major_formatter(lambda share, _: f"{round(100 * share, 3):g}%")
    axes.grid(axis="y", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#9aa5b1")
    axes.tick_params(colors=INK, labelsize=9, length=3, color="#9aa5b1")
