"""`photograft plot`: runs by epoch, in one chart."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HELP = (
    "Draw accuracy and loss by epoch, of one run or of several in one chart.\n\nExamples:\n\n"
    "  photograft plot runs/first\n\n"
    "  photograft plot runs/* -o all.png\n\n"
    "  photograft plot runs/first runs/second --smoothing 0.8 -o curves.svg"
)


def plot(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .png or .svg file.")] = Path(
        "curves.png"
    ),
    smoothing: Annotated[
        float, typer.Option(min=0, max=0.999, help="Factor of a moving average; 0 for none.")
    ] = 0.0,
) -> None:
    """Plot; the help text is above."""
    from photograft.workflows.pictures import plot_runs

    for note in plot_runs(runs, output, smoothing=smoothing):
        print(f"Note:    left out: {note}")
    print(f"Picture: {output}")
