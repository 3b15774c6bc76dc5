"""A comparison as the command line shows it. Drawn with Rich, as in `terminal`."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from photograft.comparison import Comparison
from photograft.terminal import quoted, size_text

_STYLES = {"best": "bold", "worse": "dim", "tie": "", "": "dim"}

#: A terminal this wide has room for the columns that matter less.
_WIDE = 124


def show_comparison(console: Console, comparison: Comparison) -> None:
    """Print the leaderboard, what was not tried and why, the choice, and what to do next."""
    info = comparison.info
    title = f"{escape(info['name'])}: {info['folds']['num_photos']:,} photos held out in turn"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("candidate", overflow="fold")
    names = ["accuracy", "interval", "log loss", "a photo"]
    if console.width >= _WIDE:
        names += ["overfit", "training", "parameters", "size"]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in info["candidates"]:
        if row["status"] != "not run":
            chosen = row["id"] == info["winner"]
            cells = _cells(row, is_wide=console.width >= _WIDE)
            said = (row["verdict"] or f"{row['folds_done']} folds") + (", chosen" if chosen else "")
            table.add_row(escape(row["id"]), *cells, said, style=_STYLES[row["verdict"]])
    console.print(table)
    for row in info["candidates"]:
        if row["why"]:
            state = "not tried" if row["status"] == "not run" else "not finished"
            line = f"{row['id']}: {state}; {row['why']}"
            console.print(line, style="dim", markup=False, highlight=False)
    console.print(info["verdict"], style="bold", markup=False, highlight=False)
    for warning in info["warnings"]:
        console.print(f"Warning: {warning}", style="bold yellow", markup=False, highlight=False)
    path = comparison.path
    for line in (
        f"Comparison: {path}",
        f"Report:     {path / 'report.html'}",
        f"Run:        {comparison.run.path}",
        f"Next:       photograft predict {quoted(comparison.run.path)} PHOTOS...",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _cells(row: dict[str, Any], *, is_wide: bool) -> list[str]:
    low, high = row["accuracy_interval"]
    cells = [
        f"{row['accuracy']:.1%}",
        f"{100 * low:.1f}–{100 * high:.1f}",
        f"{row['log_loss']:.3f}",
        f"{row['ms_per_photo']:.1f} ms",
    ]
    if is_wide:
        cells += [
            f"{100 * row['overfitting']:.1f}",
            f"{row['train_seconds']:.0f} s",
            f"{row['num_params']:,}",
            size_text(row["num_bytes"]),
        ]
    return cells
