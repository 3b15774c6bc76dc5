"""Round numbers for axes."""

from __future__ import annotations

import math


def round_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers, evenly spaced, that begin below and end above two values.

    >>> round_ticks(0.62, 0.97), round_ticks(0.5, 0.5)
    ([0.6, 0.7, 0.8, 0.9, 1.0], [0.4, 0.45, 0.5, 0.55, 0.6])
    """
    if high - low < 1e-9 * max(abs(high), 1e-9):
        spread = abs(high) / 5 or 0.1
        low, high = low - spread, high + spread
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step *= next(f for f in (1, 2, 5, 10, 20) if (high - low) / (step * f) <= most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{i * step:.10g}") for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers, evenly spaced by their logarithm, around two values above zero.

    >>> log_ticks(3, 70), log_ticks(1.2, 900)
    ([2.0, 5.0, 10.0, 20.0, 50.0, 100.0], [1.0, 10.0, 100.0, 1000.0])
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if last - first <= 2 else (1,)
    every = [float(f"{s * 10.0**p:.6g}") for p in range(first - 1, last + 1) for s in steps]
    start = max((i for i, t in enumerate(every) if t <= low), default=0)
    end = next((i for i, t in enumerate(every) if t >= high), len(every) - 1)
    return every[start : max(end, start + 1) + 1]


def epoch_ticks(steps: int) -> list[int]:
    """Return the epochs that an axis names.

    >>> epoch_ticks(4), epoch_ticks(30)
    ([1, 2, 3, 4], [1, 5, 10, 15, 20, 25, 30])
    """
    if steps <= 8:
        return list(range(1, steps + 1))
    scale = 10 ** max(math.floor(math.log10(steps / 8)), 0)
    every = next(f * scale for f in (1, 2, 5, 10, 20) if steps / (f * scale) <= 8)
    return [1, *range(every, steps + 1, every)]
