"""`photograft predict`: classify photos."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from photograft.interfaces.cli.commands.options import (
    ClassifierMaxPixels,
    ClassifierPath,
    Coverage,
    Keep,
    MinAccuracy,
    Ray,
    Unknown,
    fail,
)

HELP = (
    "Classify photos.\n\n"
    "PATHS are files, folders, glob patterns in quotes, or - for a list on standard input. "
    "A file that can't be read gets a row with its error, and the exit code is then 2. The "
    "out-of-distribution (OOD) score says how unlike every class a photo is.\n\n"
    "Examples:\n\n"
    "  photograft predict runs/fruit new/\n\n"
    "  photograft predict runs/fruit new/ --unknown --min-accuracy 0.99\n\n"
    "  photograft predict runs/fruit 'new/**/*.jpg' --top 3 -o answers.csv\n\n"
    "  find /data -name '*.png' | photograft predict runs/fruit - --format jsonl"
)


def predict(
    classifier: ClassifierPath,
    paths: Annotated[list[str], typer.Argument(metavar="PATHS", help="What to classify.")],
    top: Annotated[int, typer.Option(min=1, help="Classes per photo.")] = 1,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write to this .csv, .jsonl or .parquet file."),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="[table|csv|jsonl|parquet]",
            help="[default: by the file's name; table on a terminal, else csv]",
        ),
    ] = None,
    unknown: Unknown = False,
    keep: Keep = None,
    min_accuracy: MinAccuracy = None,
    coverage: Coverage = None,
    max_pixels: ClassifierMaxPixels = None,
    ray: Ray = "off",
) -> None:
    """Classify; the help text is above."""
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows.predict import (
        check_apart,
        expand_inputs,
        load_classifier,
        read_rules,
        write_predictions,
    )
    from photograft.workflows.prediction_counts import unread
    from photograft.workflows.prediction_rows import output_format

    chosen = output_format(format_, output, to_terminal=sys.stdout.isatty())
    if output is not None:
        check_apart(output, paths)
    loaded = load_classifier(classifier, max_pixels)
    rules = read_rules(
        loaded, unknown=unknown, keep=keep, min_accuracy=min_accuracy, coverage=coverage
    )
    for sentence in rules.sentences:
        print(sentence, file=sys.stderr)
    progress = make_progress(quiet=output is None and sys.stdout.isatty())
    total = 0
    if "-" not in paths:  # a list on standard input can be read once only
        total = sum(1 for _ in expand_inputs(paths, sys.stdin))
    with progress.step("Classifying", total, "photos") as step:
        counts = write_predictions(
            loaded,
            expand_inputs(paths, sys.stdin),
            chosen,
            output,
            sys.stdout,
            top=top,
            rules=rules,
            advance=step.advance,
            ray=ray,
        )
    if output is not None:
        print(f"Predictions: {output}")
        print(counts.sentence())
    if counts.failed:
        say = "its row says" if counts.failed == 1 else "their rows say"
        files = counts.rows - counts.folders
        fail(f"{unread(counts.failed, counts.folders, files)}; {say} why")
