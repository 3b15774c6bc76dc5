"""`photograft report`: the page of a run or a comparison, written anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.interfaces.cli.commands.options import fail

HELP = (
    "Write the pages of runs, or of comparisons, anew: one HTML file each that needs nothing "
    "else.\n\nThe photos on it are read from where they were; those that are gone or changed "
    "are left out.\n\nExamples:\n\n"
    "  photograft report runs/fruit\n\n"
    "  photograft report runs/fruit -o /tmp/fruit.html\n\n"
    "  photograft report runs/*"
)


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN_OR_COMPARISON...", help="Folders of runs and comparisons."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="An .html file, of one. [default: report.html in the folder]"
        ),
    ] = None,
) -> None:
    """Write the page; the help text is above."""
    from photograft.core.text import count
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows.report import report as write
    from photograft.workflows.several import each_usable

    if output is not None and len(runs) > 1:
        fail(f"--output names one page, and there are {count(len(runs), 'folder')}: leave it out")
    progress = make_progress()
    pages, notes = each_usable(runs, lambda run: write(run, output=output, progress=progress))
    for found in pages.values():
        if found.source and not found.has_photos:
            print(f"Note:   no photos of it are found in {found.source} any more: no pictures")
        print(f"Report: {found.path}")
    for note in notes:
        print(f"Note:   left out: {note}")
