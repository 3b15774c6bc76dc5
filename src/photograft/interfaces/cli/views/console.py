"""Where commands print: lines are broken at a terminal's edge, and nowhere else."""

from __future__ import annotations

from rich.console import Console

#: Wider than any line, in columns.
_ENDLESS = 1_000_000


def make_console() -> Console:
    """Return standard output's console, without an edge where that is no terminal.

    A file, or the next program, gets each line whole: names are not broken, tables not squeezed.
    """
    console = Console()
    return console if console.is_terminal else Console(width=_ENDLESS)
