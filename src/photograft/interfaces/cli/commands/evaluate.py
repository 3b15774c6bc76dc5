"""`photograft evaluate`: score a classifier on labelled photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.interfaces.cli.commands.options import (
    LAYOUTS,
    ClassifierPath,
    Source,
)

HELP = (
    "Score a classifier on labelled photos that it was not trained on.\n\n"
    + LAYOUTS
    + " Every photo is scored, whatever split it is in.\n\nExamples:\n\n"
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
) -> None:
    """Score; the help text is above."""
    from photograft.core.files import new_file, write_json
    from photograft.interfaces.cli.views import tables
    from photograft.interfaces.cli.views.console import make_console
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows.evaluate import evaluate as score

    found = score(
        classifier,
        source,
        min_accuracy=min_accuracy,
        coverage=coverage,
        progress=make_progress(),
    )
    console, scores = make_console(), found.scores.to_json()
    tables.show_skipped(console, found.dataset.skipped_counts())
    tables.show_scores(console, found.dataset.name, {"all": scores})
    tables.show_classes(console, "by class", scores)
    tables.show_asked(console, found.asked)
    if json_file is not None:
        with new_file(json_file, fix="Choose another file with --json.") as partial:
            write_json(partial, {**scores, **found.asked})
        print(f"Scores: {json_file}")
