"""The learning curve as the command line prints it: what was measured, and what is ahead."""

from __future__ import annotations

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from photograft.core.text import count, signed
from photograft.interfaces.cli.views.account import show_notes
from photograft.workflows.types import LEVEL, LearningCurve

_MAX_CLASSES = 12


def show_learning_curve(console: Console, curve: LearningCurve) -> None:
    """Print the curve, its extrapolation, what each class may gain, and what it all means."""
    show_notes(console, curve.notes)
    measured = _table(f"{curve.name}: {count(curve.num_photos, 'photo')}")
    for name in ("learned from", "accuracy", "spread", "log loss"):
        measured.add_column(name, justify="right", overflow="fold")
    for s, size in enumerate(curve.sizes):
        scores = curve.accuracy[s]
        spread = f"± {scores.std(ddof=1):.1%}" if len(scores) > 1 else "–"
        loss = f"{np.mean(curve.log_loss[s]):.3f}"
        measured.add_row(f"{round(size):,}", f"{curve.overall[s]:.1%}", spread, loss)
    console.print(measured)
    ahead = _table("With more photos like these")
    for name in ("photos", "learned from", "accuracy", f"{LEVEL:.0%} interval"):
        ahead.add_column(name, justify="right", overflow="fold")
    for forecast in curve.forecasts:
        ahead.add_row(
            f"{forecast.multiple:g}×",
            f"{forecast.num_photos:,}",
            f"{forecast.accuracy:.1%}",
            f"{forecast.low:.1%} to {forecast.high:.1%}",
            style="bold" if forecast.multiple == 2 else "",
        )
    console.print(ahead)
    _show_classes(console, curve)
    for line in curve.sentences():
        console.print(line, markup=False, highlight=False)


def _show_classes(console: Console, curve: LearningCurve) -> None:
    table = _table("By class, with twice as many photos of all")
    for name in ("class", "photos", "recall now", "gain in points", f"{LEVEL:.0%} interval"):
        table.add_column(name, justify="left" if name == "class" else "right", overflow="fold")
    for gain in curve.classes[:_MAX_CLASSES]:
        cells = ["–"] * 3
        if gain.recall is not None:
            cells = [f"{gain.recall:.1%}", signed(100 * gain.gain)]
            cells.append(f"{signed(100 * gain.low)} to {signed(100 * gain.high)}")
        style = "bold" if gain.stands_out else ""
        table.add_row(escape(gain.name), f"{gain.num_photos:,}", *cells, style=style)
    console.print(table)
    if len(curve.classes) > _MAX_CLASSES:
        rest = count(len(curve.classes) - _MAX_CLASSES, "more class", "more classes")
        console.print(f"… and {rest}")


def _table(title: str) -> Table:
    return Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD)
