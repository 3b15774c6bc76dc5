"""Progress bars, drawn with Rich on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from photograft.core.progress import Step


class _Speed(ProgressColumn):
    """Units a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "", style="dim")


class Drawn:
    """A `Progress` drawn on standard error: what, how far, how fast, how long still.

    Args:
        console: Where it is drawn; silent where that is no terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def is_drawn(self) -> bool:
        """Whether anybody sees it."""
        return self._console.is_terminal

    @contextmanager
    def step(self, what: str, total: int, unit: str) -> Iterator[Step]:
        """Draw a bar until the step is done."""
        amount = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
        bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            amount,
            _Speed() if unit != "bytes" else TextColumn(""),
            TextColumn("[dim]left"),
            TimeRemainingColumn(),
            TextColumn("[dim]so far"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=not self.is_drawn,
        )
        with bars:
            yield _DrawnStep(bars, bars.add_task(what, total=total or None, unit=unit, note=""))

    def say(self, message: str) -> None:
        """Print one line above the bars; nothing where they are not drawn."""
        if self.is_drawn:
            self._console.print(message, style="dim", markup=False, highlight=False)


class _DrawnStep:
    def __init__(self, bars: Bars, task: Any) -> None:
        self._bars, self._task = bars, task

    def advance(self, amount: int = 1) -> None:
        self._bars.advance(self._task, amount)

    def note(self, text: str) -> None:
        self._bars.update(self._task, note=text)


def make_progress(*, quiet: bool = False) -> Drawn:
    """Return the command line's progress: drawn, unless standard output is no terminal.

    Args:
        quiet: Draw nothing, as where rows are printed that the bars would get in the way of.
    """
    quiet = quiet or not sys.stdout.isatty()
    return Drawn(Console(stderr=True, force_terminal=False if quiet else None))
