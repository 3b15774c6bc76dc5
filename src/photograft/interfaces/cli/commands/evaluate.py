"""`photograft evaluate`: score a classifier on labelled photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.interfaces.cli.commands.options import (
    LAYOUTS,
    ClassifierMaxPixels,
    ClassifierPath,
    EmptyClasses,
    Ray,
    Source,
)

HELP = (
    "Score a classifier on labelled photos that it was not trained on.\n\n"
    + LAYOUTS
    + " Every photo is scored, whatever split it is in. Those that the classifier has learned "
    "from, told by their content, are scored apart: the score on the others counts."
    "\n\nExamples:\n\n"
    "  photograft evaluate runs/fruit later_photos/\n\n"
    "  photograft evaluate runs/fruit later.csv --json scores.json"
)


def evaluate(
    classifier: ClassifierPath,
    source: Source,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the scores to this file.")
    ] = None,
    min_accuracy: Annotated[
        float | None,
        typer.Option(help="Also score only what is answered where so many are to be right."),
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option(help="Also score sets of classes that are to hold the right one so often."),
    ] = None,
    empty_classes: EmptyClasses = "error",
    max_pixels: ClassifierMaxPixels = None,
    ray: Ray = "off",
) -> None:
    """Score; the help text is above."""
    from photograft.core.files import check_file, new_file, write_json
    from photograft.interfaces.cli.views import account, tables
    from photograft.interfaces.cli.views.console import make_console
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows.evaluate import evaluate as score

    fix = "Choose another file with --json."
    if json_file is not None:
        check_file(json_file, fix=fix)
    found = score(
        classifier,
        source,
        min_accuracy=min_accuracy,
        coverage=coverage,
        empty_classes=empty_classes,
        max_pixels=max_pixels,
        progress=make_progress(),
        ray=ray,
    )
    console = make_console()
    account.show_skipped(console, found.dataset.skipped_counts())
    account.show_unreadable(console, found.dataset.skipped)
    tables.show_evaluated(console, found)
    if json_file is not None:
        with new_file(json_file, fix=fix) as partial:
            write_json(partial, found.to_json())
        print(f"Scores: {json_file}")
