"""The commands: thin, over the library, which is loaded when a command runs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from photograft import (
    compare_command,
    doctor_command,
    explain_command,
    learning_commands,
    recipe_commands,
    report_commands,
    suggest_command,
    tool_commands,
    train_command,
)
from photograft._version import __version__
from photograft.cache_commands import cache_app
from photograft.options import LAYOUTS, ClassifierPath, MaxPixels, Source, fail

app = typer.Typer(
    name="photograft",
    help="From a folder of labelled photos to an image classifier you can trust.\n\n"
    "Examples:\n\n"
    "  photograft demo\n\n"
    "  photograft train photos/\n\n"
    "  photograft predict runs/fruit new/*.jpg",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(cache_app, name="cache")
app.add_typer(recipe_commands.recipe_app, name="recipe")


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


app.command(help=train_command.HELP)(train_command.train)
app.command(help=compare_command.HELP)(compare_command.compare)
app.command(help=doctor_command.HELP)(doctor_command.doctor)
app.command(help=explain_command.HELP)(explain_command.explain)
app.command(help=suggest_command.HELP)(suggest_command.suggest)


@app.command(
    help="Classify photos.\n\n"
    "PATHS are files, folders, glob patterns in quotes, or - for a list on standard input. "
    "A file that can't be read gets a row with its error, and the exit code is then 2. The novelty "
    "says how unlike every class a photo is.\n\n"
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
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Answer unknown for what is like no class.")
    ] = False,
    keep: Annotated[
        float | None,
        typer.Option(help="Likewise, keeping this share of photos like yours. [default: 0.95]"),
    ] = None,
    min_accuracy: Annotated[
        float | None,
        typer.Option(help="Answer unsure below the confidence at which so many are right."),
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option(help="Also give the classes that hold the right one so often."),
    ] = None,
) -> None:
    """Classify; the help text is above."""
    from photograft import terminal
    from photograft.classifier.classifier import Classifier
    from photograft.classifier.uncertainty.assurance import Assurance
    from photograft.workflows import predict

    chosen = predict.output_format(format_, output, to_terminal=sys.stdout.isatty())
    loaded = Classifier.load(classifier).located()
    assurance = loaded.assurance or Assurance()
    rules = assurance.rules(
        kept=0.95 if unknown and keep is None else keep,
        min_accuracy=min_accuracy,
        coverage=coverage,
    )
    for sentence in rules.sentences:
        print(sentence, file=sys.stderr)
    top = min(top, len(loaded.class_names))
    stream = loaded.stream(predict.expand_inputs(paths, sys.stdin))
    progress = terminal.make_progress(quiet=output is None)
    total = 0
    if progress.is_drawn and "-" not in paths:  # a list on standard input can be read once only
        total = sum(1 for _ in predict.expand_inputs(paths, sys.stdin))
    with (
        predict.open_writer(chosen, output, sys.stdout, top, rules) as write,
        progress.step("Classifying", total, "photos") as step,
    ):
        counts = predict.write_rows(stream, write, loaded.class_names, top, step.advance, rules)
    if output is not None:
        print(f"Predictions: {output}")
    if counts.failed:
        fail(f"{counts.failed:,} of {counts.rows:,} files could not be read; their rows say why")


@app.command(
    help="Score a classifier on labelled photos that it was not trained on.\n\n"
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
    from rich.console import Console

    from photograft import terminal
    from photograft.classifier.classifier import Classifier
    from photograft.core.files import new_file, write_json
    from photograft.workflows.evaluate import evaluate as score

    found = score(
        Classifier.load(classifier),
        source,
        min_accuracy=min_accuracy,
        coverage=coverage,
        progress=terminal.make_progress(),
    )
    console, scores = Console(), found.scores.to_json()
    terminal.show_skipped(console, found.dataset.skipped_counts())
    terminal.show_scores(console, found.dataset.name, {"all": scores})
    terminal.show_classes(console, "by class", scores)
    terminal.show_asked(console, found.asked)
    if json_file is not None:
        with new_file(json_file, fix="Choose another file with --json.") as partial:
            write_json(partial, {**scores, **found.asked})
        print(f"Scores: {json_file}")


@app.command(
    help="Account for every file of a source, without training: what can be used, what can't, "
    "and why.\n\n" + LAYOUTS + "\n\nExamples:\n\n"
    "  photograft inspect photos/\n\n"
    "  photograft inspect photos.zip --files account.parquet"
)
def inspect(
    source: Source,
    files: Annotated[
        Path | None, typer.Option(help="Also write a row per file to this Parquet file.")
    ] = None,
    max_pixels: MaxPixels = 100_000_000,
) -> None:
    """Account; the help text is above."""
    from rich.console import Console

    from photograft import terminal
    from photograft.core.files import new_file, write_table
    from photograft.workflows.inspect import inspect as account

    progress = terminal.make_progress()
    dataset = account(source, max_pixels=max_pixels, progress=progress)
    terminal.show_account(Console(), dataset)
    if files is not None:
        rows = dataset.account()
        names = list(dict.fromkeys(key for row in rows for key in row))
        with new_file(files, fix="Choose another file with --files.") as partial:
            write_table(partial, {name: [row.get(name) for row in rows] for name in names})
        print(f"Files: {files}")


@app.command(
    help="List the backbones.\n\nExamples:\n\n"
    "  photograft backbones\n\n"
    "  photograft backbones --search mobilenet"
)
def backbones(
    search: Annotated[
        str | None, typer.Option(help="List timm's pretrained models with this in their name.")
    ] = None,
) -> None:
    """List; the help text is above."""
    from rich.console import Console

    from photograft import terminal
    from photograft.backbones.registry import EMBEDDED

    if search is None:
        terminal.show_backbones(Console(), list(EMBEDDED.values()))
        print("Any timm model works, too: photograft backbones --search NAME")
        return
    from photograft.backbones.pytorch import zoo

    names = zoo.search(search)
    for name in names:
        print(name)
    if not names:
        fail(f"timm has no pretrained model with {search!r} in its name")


@app.command(
    help="Train on real photos of supermarket fruit and classify some that were set aside.\n\n"
    "Needs the photos: pip install 'photograft[demo]'\n\nExamples:\n\n"
    "  photograft demo\n\n"
    "  photograft demo --out /tmp/fruit"
)
def demo(
    out: Annotated[Path, typer.Option(help="Photos and run go here.")] = Path("photograft-demo"),
) -> None:
    """Show; the help text is above."""
    from rich.console import Console

    from photograft import terminal
    from photograft.data.demo import write_photos
    from photograft.runs.run import default_path, now
    from photograft.workflows import predict, train

    photos, unseen = write_photos(out)
    run_path = out / default_path(photos.name, now).name
    console = Console()
    console.print(f"$ photograft train {shlex.quote(str(photos))}", style="bold")
    run = train.train(photos, out=run_path, progress=terminal.make_progress())
    terminal.show_run(console, run)
    console.print(f"\n$ photograft predict {run_path} {unseen} --top 2", style="bold")
    classifier = run.classifier
    names = list(predict.expand_inputs([str(unseen)], sys.stdin))
    with predict.open_writer("table", None, sys.stdout, 2) as write:
        predict.write_rows(classifier.stream(names), write, classifier.class_names, 2)


for _help, _command in [
    *learning_commands.COMMANDS,
    *tool_commands.COMMANDS,
    *report_commands.COMMANDS,
]:
    app.command(help=_help)(_command)
