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
    "PATHS are files, folders, glob patterns in quotes, CSV or Parquet manifests with a column "
    "path, tars and Parquet files of photos, addresses such as s3://BUCKET/new, or - for a list on "
    "standard input. "
    "A file that can't be read gets a row with its error, and the exit code is then 2. The "
    "out-of-distribution (OOD) score says how unlike every class a photo is.\n\n"
    "Examples:\n\n"
    "  photograft predict runs/fruit new/\n\n"
    "  photograft predict runs/fruit new/ --unknown --min-accuracy 0.99\n\n"
    "  photograft predict runs/fruit 'new/**/*.jpg' --top 3 -o answers.csv\n\n"
    "  photograft predict runs/fruit million.parquet -o answers/\n\n"
    "  find /data -name '*.png' | photograft predict runs/fruit - --format jsonl"
)


def predict(
    classifier: ClassifierPath,
    paths: Annotated[list[str], typer.Argument(metavar="PATHS", help="What to classify.")],
    top: Annotated[int, typer.Option(min=1, help="Classes per photo.")] = 1,
    out: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Write to this .csv, .jsonl or .parquet file; or to a folder/ of Parquet files, "
            "gone on with after an interruption.",
        ),
    ] = None,
    shard_rows: Annotated[
        int, typer.Option(min=1, help="Photos of each file in such a folder.")
    ] = 50_000,
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
    from photograft.core.errors import InputError
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows.predict import (
        check_apart,
        expand_photos,
        load_classifier,
        read_rules,
        write_predictions,
    )
    from photograft.workflows.prediction_counts import unread
    from photograft.workflows.prediction_rows import is_folder, output_format
    from photograft.workflows.prediction_shards import write_shards

    output = None if out is None else Path(out)
    in_shards = out is not None and is_folder(out)
    chosen = output_format(
        "parquet" if in_shards and format_ is None else format_,
        output,
        to_terminal=sys.stdout.isatty(),
    )
    if in_shards and chosen != "parquet":
        raise InputError(
            f"a folder of files can't be in the format {chosen}",
            expected="parquet",
            fix="Leave --format out, or name a file with --output.",
        )
    if output is not None:
        check_apart(output, paths)
    loaded = load_classifier(classifier, max_pixels, paths)
    rules = read_rules(
        loaded, unknown=unknown, keep=keep, min_accuracy=min_accuracy, coverage=coverage
    )
    for sentence in rules.sentences:
        print(sentence, file=sys.stderr)
    progress = make_progress(quiet=output is None and sys.stdout.isatty())
    total = 0
    # A list on standard input can be read once only, and what is elsewhere not as quickly.
    if "-" not in paths and not any("://" in path for path in paths):
        total = sum(1 for _ in expand_photos(paths, sys.stdin))
    with progress.step("Classifying", total, "photos") as step:
        files = expand_photos(paths, sys.stdin)
        if output is not None and in_shards:
            counts = write_shards(
                loaded,
                files,
                output,
                top=top,
                rules=rules,
                shard_rows=shard_rows,
                advance=step.advance,
                ray=ray,
            )
        else:
            counts = write_predictions(
                loaded,
                files,
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
        num_files = counts.rows - counts.folders
        fail(f"{unread(counts.failed, counts.folders, num_files)}; {say} why")
