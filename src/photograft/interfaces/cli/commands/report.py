"""`photograft report`: the page of a run or a comparison, written anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HELP = (
    "Write the page of a run, or of a comparison, anew: one HTML file that needs nothing "
    "else.\n\nThe photos on it are read from where they were; those that are gone or changed "
    "are left out.\n\nExamples:\n\n"
    "  photograft report runs/fruit\n\n"
    "  photograft report runs/fruit -o /tmp/fruit.html"
)


def report(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN_OR_COMPARISON", help="The folder of a run or a comparison."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="An .html file. [default: report.html in the folder]"),
    ] = None,
) -> None:
    """Write the page; the help text is above."""
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows.report import report as write

    found = write(run, output=output, progress=make_progress())
    if found.source and not found.has_photos:
        print(f"Note:   no photos of it are found in {found.source} any more: no pictures")
    print(f"Report: {found.path}")
