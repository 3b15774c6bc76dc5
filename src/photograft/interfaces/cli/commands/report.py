"""`photograft report`: the page of a run or a comparison, written anew."""

from __future__ import annotations

from collections.abc import Callable
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
    from photograft.report.comparison_page import write_comparison_report
    from photograft.report.run_page import write_run_report
    from photograft.runs.comparison import read_comparison, winners_folder
    from photograft.runs.folder import load_facts
    from photograft.runs.photos import find_photos

    is_comparison = (run / "comparison.json").is_file()
    place = winners_folder(run, read_comparison(run)) if is_comparison else run
    reads: dict[str, Callable[[], bytes]] = {}
    if place is not None:
        facts = load_facts(place)
        source = facts.info["data"]["source"]
        reads = find_photos(source, facts.files)
        if not reads:
            print(f"Note:   no photos of it are found in {source} any more: no pictures")
    out = run / "report.html" if output is None else output
    write = write_comparison_report if is_comparison else write_run_report
    write(run, reads, out, progress=make_progress())
    print(f"Report: {out}")
