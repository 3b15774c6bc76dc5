"""A comparison as the command line shows it. Drawn with Rich, as in `tables`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from photograft.core.text import count, size
from photograft.interfaces.cli.views.account import show_notes
from photograft.interfaces.cli.views.tables import quoted
from photograft.runs.comparison import Comparison
from photograft.runs.folder import PAGE

_STYLES = {"best": "bold", "worse": "dim", "tie": "", "": "dim"}

#: Columns as they stand from left to right.
_COLUMNS = (
    "candidate",
    "accuracy",
    "95% CI",
    "macro-F1",
    "log loss",
    "overfit",
    "ms/photo",
    "training",
    "parameters",
    "size",
    "verdict",
)
#: Those that a narrow terminal has no room for, the first to go first; the report has them all.
_SPARE = ("macro-F1", "parameters", "overfit", "training", "size", "log loss")
_GAP = 2


def show_comparison(console: Console, comparison: Comparison) -> None:
    """Print the leaderboard, what was not tried and why, the choice, and what to do next."""
    info = comparison.info
    num_photos = info["folds"]["num_photos"]
    line = f"{info['name']}: {count(num_photos, 'photo')}, each held out in turn"
    console.print(line, style="bold", markup=False, highlight=False)
    tried = [row for row in info["candidates"] if row["status"] != "not run"]
    console.print(_table(tried, info["winner"], console.width))
    show_notes(console, [*info["data"]["notes"], *info["notes"]])
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
        f"Report:     {path / PAGE}",
        f"Run:        {comparison.run.path}",
        f"Next:       photograft predict {quoted(comparison.run.path)} PHOTOS...",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _table(rows: Sequence[dict[str, Any]], winner: str, width: int) -> Table:
    """Return the leaderboard, with as many columns as there is room for."""
    cells = [_cells(row, winner) for row in rows]
    widths = {name: max(len(name), *(len(own[name]) for own in cells)) for name in _COLUMNS}
    shown = list(_COLUMNS)
    for name in _SPARE:
        if sum(widths[own] + _GAP for own in shown) - _GAP > width:
            shown.remove(name)
    gap = _GAP if sum(widths[own] + _GAP for own in shown) - _GAP <= width else 1
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="")
    for name in shown:
        is_text = name in ("candidate", "verdict")
        table.add_column(
            Text(name, style="underline"),
            justify="left" if is_text else "right",
            overflow="fold",
            no_wrap=name != "candidate",
        )
    for row, own in zip(rows, cells, strict=True):
        table.add_row(*(escape(own[name]) for name in shown), style=_STYLES[row["verdict"]])
    return table


def _cells(row: dict[str, Any], winner: str) -> dict[str, str]:
    low, high = row["accuracy_interval"]
    said = row["verdict"] or count(row["folds_done"], "fold")
    return {
        "candidate": row["id"],
        "accuracy": f"{row['accuracy']:.1%}",
        "95% CI": f"{100 * low:.1f}–{100 * high:.1f}",
        "macro-F1": f"{row['macro_f1']:.3f}",
        "log loss": f"{row['log_loss']:.3f}",
        "overfit": f"{100 * row['overfitting']:.1f}",
        "ms/photo": f"{row['ms_per_photo']:.1f}",
        "training": f"{row['train_seconds']:.0f} s",
        "parameters": f"{row['num_params']:,}",
        "size": size(row["num_bytes"]),
        "verdict": said + (", chosen" if row["id"] == winner else ""),
    }
