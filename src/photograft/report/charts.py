"""Charts as inline SVG, in the colours of the page: curves by epoch, calibration, intervals, costs.

Each is an image with a title and a description for those who can't see it. Widths are of the
``viewBox``; the page scales them. Only numbers and `shown` text go in, the latter escaped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from photograft.core.drawing.ticks import epoch_ticks, log_ticks, round_ticks
from photograft.core.text import count, percent, short
from photograft.report.reliability import Bin

WIDTH, HEIGHT = 460, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 14, 42


@dataclass(frozen=True)
class Series:
    """A line of a chart.

    Attributes:
        name: What it is.
        kind: Its CSS class.
        values: One for each step, from 1; None where there is none.
    """

    name: str
    kind: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class ScatterPoint:
    """A candidate in a chart of accuracy against cost.

    Attributes:
        rank: Its place in the table, from 1, which stands in the point.
        name: What it is.
        kind: Its CSS class.
        cost: Above zero.
        accuracy: In [0, 1].
        low: The lower end of its interval.
        high: The upper end.
    """

    rank: int
    name: str
    kind: str
    cost: float
    accuracy: float
    low: float
    high: float


def epoch_chart(
    title: str, series: Sequence[Series], kept: int, write: Callable[[float], str]
) -> str:
    """Draw some quantity by epoch.

    Args:
        title: What is drawn.
        series: Its lines, at least one of them with a value.
        kept: The epoch whose weights were kept, from 1.
        write: Makes text of a value.
    """
    values = [v for line in series for v in line.values if v is not None and math.isfinite(v)]
    steps = max(len(line.values) for line in series)
    ticks = round_ticks(min(values), max(values))
    x = _scale(1, max(steps, 2), _LEFT, WIDTH - _RIGHT)
    y = _scale(ticks[0], ticks[-1], HEIGHT - _BOTTOM, _TOP)
    parts = _grid_y(ticks, y, write)
    parts += [_text(x(e), HEIGHT - _BOTTOM + 18, str(e), "middle") for e in epoch_ticks(steps)]
    parts.append(_text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 4, "epoch", "middle"))
    if 1 <= kept <= steps:
        parts.append(_line(x(kept), _TOP, x(kept), HEIGHT - _BOTTOM, "kept"))
    for line in series:
        known = [
            (x(i), y(v))
            for i, v in enumerate(line.values, start=1)
            if v is not None and math.isfinite(v)
        ]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in known)
        parts.append(f'<polyline class="{line.kind}" points="{path}"/>')
        if len(known) <= 30:
            parts += [f'<circle class="{line.kind}" {_at(a, b)} r="2.6"/>' for a, b in known]
    last = "; ".join(
        f"{line.name} ends at {write(line.values[-1])}"
        for line in series
        if line.values and line.values[-1] is not None
    )
    return _svg(title, f"{count(steps, 'epoch')}, epoch {kept} was kept. {last}.", parts)


def reliability_diagram(bins: Sequence[Bin]) -> str:
    """Draw accuracy against confidence, with the number of photos in each bin below."""
    bar, base = 44, HEIGHT - _BOTTOM
    x = _scale(0, 1, _LEFT, WIDTH - _RIGHT)
    y = _scale(0, 1, base - bar - 12, _TOP)
    parts = _grid_y([0, 0.25, 0.5, 0.75, 1], y, lambda v: percent(v, 0))
    parts.append(_line(x(0), y(0), x(1), y(1), "ideal"))
    most = max((b.num_photos for b in bins), default=0) or 1
    for b in bins:
        if not b.num_photos:
            continue
        left, wide = x(b.low) + 1, x(b.high) - x(b.low) - 2
        tall = max(bar * b.num_photos / most, 1.5)
        parts.append(_rect(left, base - tall, wide, tall, "count"))
        parts.append(_line(x(b.confidence), y(b.confidence), x(b.confidence), y(b.accuracy), "gap"))
    for b in bins:
        if b.num_photos:
            radius = 3 + 4 * math.sqrt(b.num_photos / most)
            words = (
                f"{count(b.num_photos, 'photo')}: {percent(b.confidence)} sure, "
                f"{percent(b.accuracy)}"
            )
            place = _at(x(b.confidence), y(b.accuracy))
            parts.append(
                f'<circle class="train solid" {place} r="{radius:.1f}"><title>{words} right'
                "</title></circle>"
            )
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(_text(x(tick), base + 18, percent(tick, 0), "middle"))
    parts.append(_text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 4, "how sure it is", "middle"))
    parts.append(_text(_LEFT - 8, base - bar / 2 + 4, "photos", "end"))
    filled = [b for b in bins if b.num_photos]
    words = "; ".join(
        f"{percent(b.confidence, 0)} sure, {percent(b.accuracy, 0)} right ({b.num_photos:,})"
        for b in filled
    )
    return _svg("How often it is right, by how sure it is", f"Of each bin: {words}.", parts)


def interval_bar(
    value: float, interval: Sequence[float], low: float, *, mark: float | None = None
) -> str:
    """Draw a share with its interval on a line from `low` to 1.

    Args:
        value: In [0, 1].
        interval: Its ends.
        low: Where the line begins, below all of them.
        mark: Something to compare with, such as the baseline.
    """
    width, middle = 160.0, 9.0
    x = _scale(low, 1, 4, width - 4)
    first, last = x(max(interval[0], low)), x(interval[1])
    parts = [_line(4, middle, width - 4, middle, "axis")]
    words = f"{percent(value)}, 95% interval {percent(interval[0])} to {percent(interval[1])}"
    if mark is not None and mark >= low:
        parts.append(_line(x(mark), 2, x(mark), 16, "mark"))
        words += f"; the mark stands at {percent(mark)}"
    parts.append(_rect(first, middle - 5, max(last - first, 1), 10, "interval"))
    parts.append(f'<circle class="train solid" {_at(x(value), middle)} r="3.4"/>')
    return (
        f'<svg class="bar" viewBox="0 0 {width:.0f} 18" role="img" aria-label="{words}">'
        f"{''.join(parts)}</svg>"
    )


def cost_scatter(points: Sequence[ScatterPoint], cost: str, write: Callable[[float], str]) -> str:
    """Draw accuracy against cost on a logarithmic axis, with intervals.

    Args:
        points: At least one, the best first.
        cost: What the cost is.
        write: Makes text of a cost.
    """
    costs = [p.cost for p in points]
    ticks = round_ticks(min(p.low for p in points), max(p.high for p in points))
    powers = log_ticks(min(costs), max(costs))
    across = _scale(math.log10(powers[0]), math.log10(powers[-1]), _LEFT + 16, WIDTH - _RIGHT - 16)
    y = _scale(ticks[0], min(ticks[-1], 1.0), HEIGHT - _BOTTOM, _TOP)
    parts = _grid_y([t for t in ticks if t <= 1], y, lambda v: percent(v, 1))
    for power in powers:
        parts.append(
            _text(across(math.log10(power)), HEIGHT - _BOTTOM + 18, write(power), "middle")
        )
    parts.append(_text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 4, cost, "middle"))
    dots = [(across(math.log10(p.cost)), y(p.accuracy)) for p in points]
    # The best last: on top of those that it lies on.
    for p, (a, b) in reversed(list(zip(points, dots, strict=True))):
        words = f"{escape(short(p.name, 60))}: {percent(p.accuracy)}, {escape(write(p.cost))}"
        parts.append(_line(a, y(p.low), a, y(min(p.high, 1)), f"whisker {p.kind}"))
        parts.append(f'<circle class="point {p.kind}" {_at(a, b)} r="8"><title>{words}</title>')
        parts.append(f"</circle>{_text(a, b + 3.6, str(p.rank), 'middle', 'rank')}")
    best = max(points, key=lambda p: p.accuracy)
    words = f"{count(len(points), 'candidate')}; {short(best.name, 60)} is the most accurate"
    return _svg(f"Accuracy against {cost}", words + f" with {percent(best.accuracy)}.", parts)


def _scale(low: float, high: float, first: float, last: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: first + (value - low) / span * (last - first)


def _grid_y(
    ticks: Sequence[float], y: Callable[[float], float], write: Callable[[float], str]
) -> list[str]:
    parts = []
    for tick in ticks:
        parts.append(_line(_LEFT, y(tick), WIDTH - _RIGHT, y(tick), "grid"))
        parts.append(_text(_LEFT - 8, y(tick) + 4, write(tick), "end"))
    return parts


def _at(x: float, y: float) -> str:
    return f'cx="{x:.1f}" cy="{y:.1f}"'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="1.5"/>'
    )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(title: str, description: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{''.join(parts)}</svg>"
    )
