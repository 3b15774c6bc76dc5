"""The learning curve as the command line prints it: what was measured, and what is ahead."""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from photograft.extrapolation import LEVEL
from photograft.learning_curve import LearningCurve

_MAX_CLASSES = 12


def show_learning_curve(console: Console, curve: LearningCurve) -> None:
    """Print the curve, its extrapolation, what each class may gain, and what it all means."""
    table = Table(title=escape(f"{curve.name}: {curve.num_photos:,} photos"))
    for name in ("learned from", "accuracy", f"spread or {LEVEL:.0%} interval", "log loss"):
        table.add_column(name, justify="right")
    for s, size in enumerate(curve.sizes):
        scores = curve.accuracy[s]
        spread = f"± {scores.std(ddof=1):.1%}" if len(scores) > 1 else "–"
        loss = f"{np.mean(curve.log_loss[s]):.3f}"
        table.add_row(f"{round(size):,}", f"{curve.overall[s]:.1%}", spread, loss)
    table.add_section()
    for forecast in curve.forecasts:
        table.add_row(
            f"{forecast.multiple:g}× {forecast.num_photos:,}",
            f"{forecast.accuracy:.1%}",
            f"{forecast.low:.1%} to {forecast.high:.1%}",
            "",
            style="bold" if forecast.multiple == 2 else "",
        )
    console.print(table)
    _show_classes(console, curve)
    for line in curve.sentences():
        console.print(line, markup=False, highlight=False)


def _show_classes(console: Console, curve: LearningCurve) -> None:
    table = Table(title="by class, with twice as many photos of all")
    for name in ("class", "photos", "recall now", "gain in points", f"{LEVEL:.0%} interval"):
        table.add_column(name, justify="left" if name == "class" else "right")
    for gain in curve.classes[:_MAX_CLASSES]:
        cells = ["–"] * 3
        if gain.recall is not None:
            cells = [f"{gain.recall:.1%}", f"{100 * gain.gain:+.1f}"]
            cells.append(f"{100 * gain.low:+.1f} to {100 * gain.high:+.1f}")
        style = "bold" if gain.stands_out else ""
        table.add_row(escape(gain.name), f"{gain.num_photos:,}", *cells, style=style)
    console.print(table)
    if len(curve.classes) > _MAX_CLASSES:
        console.print(f"… and {len(curve.classes) - _MAX_CLASSES} more classes")
