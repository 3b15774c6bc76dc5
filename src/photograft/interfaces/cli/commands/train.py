"""`photograft train`, and how its options become settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from photograft.core import choices
from photograft.core.errors import InputError
from photograft.interfaces.cli.commands.options import LAYOUTS, Source, choice
from photograft.learning.settings import TrainConfig

HELP = (
    "Train a classifier on labelled photos, evaluate it, and save both in a run folder.\n\n"
    + LAYOUTS
    + "\n\nExamples:\n\n"
    "  photograft train photos/\n\n"
    "  photograft train photos/ --strategy auto\n\n"
    "  photograft train photos.zip --backbone efficientnet_lite2 --out runs/second\n\n"
    "  photograft train photos.csv --class-weight balanced --seed 1\n\n"
    "  photograft train photos/ --strategy finetune --unfreeze 4 --augment rotation=10,zoom=0.1\n\n"
    "Interrupted, the same command goes on from there."
)


def _option(help_: str, values: tuple[str, ...] = ()) -> Any:
    return typer.Option(metavar=choice(values) if values else None, help=help_)


def train(
    source: Source,
    out: Annotated[
        Path | None, typer.Option(help="The run folder. [default: runs/NAME-TIMESTAMP]")
    ] = None,
    strategy: Annotated[
        str | None, _option("How to learn. [default: features]", choices.STRATEGIES)
    ] = None,
    backbone: Annotated[
        str | None,
        _option("An embedded backbone, any timm model, or a small network in writing."),
    ] = None,
    weights: Annotated[
        str | None, _option("pretrained, random, or a weight file. [default: pretrained]")
    ] = None,
    config: Annotated[
        Path | None,
        _option("Settings from a TOML file, or a run's run.json; options change them."),
    ] = None,
    layer: Annotated[
        str | None,
        _option("Depth of the backbone: auto, last, joined, or names. [default: auto]"),
    ] = None,
    pooling: Annotated[
        str | None, _option("Average or keep all places. [default: avg]", choices.POOLINGS)
    ] = None,
    head: Annotated[str | None, _option("[default: logistic]", choices.HEADS)] = None,
    hidden: Annotated[str | None, _option("Widths of hidden layers, such as 128,64.")] = None,
    dropout: Annotated[float | None, _option("Before the head's last layer.")] = None,
    augment: Annotated[
        str | None, _option("Such as rotation=20,zoom=0.1,horizontal_flip; none; default.")
    ] = None,
    views: Annotated[
        int | None, _option("Augmented views of each photo; 0: by their number; -1: ever new.")
    ] = None,
    test_views: Annotated[
        str | None, _option("flip: average with the mirror image.", choices.TEST_VIEWS)
    ] = None,
    unfreeze: Annotated[
        str | None, _option("Blocks to fine-tune: a number, a layer, all. [default: a quarter]")
    ] = None,
    keep: Annotated[
        str | None,
        _option(
            "Keep a fine-tuned network where it is better than the frozen one on validation photos,"
            " or always. [default: better]",
            choices.KEEPS,
        ),
    ] = None,
    epochs: Annotated[int | None, _option("Of the training loop.")] = None,
    batch_size: Annotated[int | None, _option("Photos in a step.")] = None,
    learning_rate: Annotated[float | None, _option("Of head and uppermost layers.")] = None,
    optimizer: Annotated[str | None, _option("", choices.OPTIMIZERS)] = None,
    input_size: Annotated[int | None, _option("Side of the network's input in pixels.")] = None,
    coding: Annotated[str | None, _option("Of the targets.", choices.CODINGS)] = None,
    class_weight: Annotated[
        str | None, _option("Make up for class sizes. [default: none]", choices.CLASS_WEIGHTS)
    ] = None,
    validation: Annotated[
        float | None,
        _option("Share for validation, where the source has no split. [default: 0.15]"),
    ] = None,
    test: Annotated[float | None, _option("Share for the test, likewise.")] = None,
    group_by: Annotated[
        str | None, _option("Keep together photos whose names have this in common: 'person(\\d+)'.")
    ] = None,
    near_duplicates: Annotated[
        str | None,
        _option(
            "Look for photos that are nearly the same, and keep them on one side. [default: group]",
            choices.NEAR_DUPLICATES,
        ),
    ] = None,
    corrections: Annotated[
        str | None, _option("Your answers to the doctor's findings: a CSV file.")
    ] = None,
    seed: Annotated[int | None, _option("Decides all that is random. [default: 0]")] = None,
    engine: Annotated[
        str | None, _option("auto: the fastest that is installed.", choices.ENGINES)
    ] = None,
    precision: Annotated[
        str | None, _option("auto: what this machine does faster.", choices.PRECISIONS)
    ] = None,
    device: Annotated[
        str | None, _option("auto: an accelerator where there is one.", choices.DEVICES)
    ] = None,
    max_pixels: Annotated[
        int | None, _option("Skip photos with more pixels than this. [default: 100000000]")
    ] = None,
    include_weights: Annotated[
        str | None,
        _option(
            "Save the backbone's weights, too. auto: unless they come with the installation.",
            choices.WEIGHT_INCLUSIONS,
        ),
    ] = None,
    track: Annotated[
        str | None, _option("Follow the training in an experiment tracker.", choices.TRACKERS)
    ] = None,
) -> None:
    """Train; the help text is above."""
    given = {
        "strategy": strategy,
        "backbone": backbone,
        "weights": weights,
        "layer": layer,
        "pooling": pooling,
        "head": head,
        "dropout": dropout,
        "views": views,
        "test_views": test_views,
        "unfreeze": unfreeze,
        "keep": keep,
        "coding": coding,
        "class_weight": class_weight,
        "validation": validation,
        "test": test,
        "group_by": group_by,
        "near_duplicates": near_duplicates,
        "corrections": corrections,
        "seed": seed,
        "engine": engine,
        "precision": precision,
        "device": device,
        "max_pixels": max_pixels,
        "include_weights": include_weights,
        "track": track,
    }
    loop = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "optimizer": optimizer,
    }
    settings = _settings(config, given, loop, hidden, augment, input_size)

    from rich.console import Console

    from photograft.doctor.tables import PARQUET_NAME, read_findings
    from photograft.interfaces.cli.views import findings as doctor_view
    from photograft.interfaces.cli.views import tables
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows import train

    run = train.train(source, settings, out=out, progress=make_progress())
    console = Console()
    findings = read_findings(run.path / PARQUET_NAME)
    doctor_view.show_brief(console, findings, [source, *_doctor_options(settings)])
    tables.show_run(console, run)


def _doctor_options(settings: TrainConfig) -> list[str]:
    """Return the options with which `photograft doctor` sees the photos as a training does."""
    usual = TrainConfig()
    found = []
    for name in ("corrections", "group_by", "near_duplicates", "max_pixels", "seed"):
        value = getattr(settings, name)
        if value != getattr(usual, name):
            found += ["--" + name.replace("_", "-"), str(value)]
    return found


def _settings(
    file: Path | None,
    given: dict[str, Any],
    loop: dict[str, Any],
    hidden: str | None,
    augment: str | None,
    input_size: int | None,
) -> TrainConfig:
    """Return a file's settings, or the default ones, changed by the options that were given."""
    from photograft.learning.recipes import read_config

    config = read_config(file) if file else TrainConfig()
    config = replace(config, **{name: v for name, v in given.items() if v is not None})
    changes = {name: value for name, value in loop.items() if value is not None}
    if changes:
        config = replace(config, training=replace(config.loop, **changes))
    if hidden is not None:
        config = replace(config, hidden=_widths(hidden))
    if augment is not None:
        from photograft.features.augmentation import parse

        config = replace(config, augmentation=parse(augment))
    if input_size is not None:
        preprocessing = replace(config.preprocessing, input_size=input_size)
        config = replace(config, preprocessing=preprocessing)
    return config


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InputError(
            "hidden can't be understood", expected="widths such as 128,64", got=repr(text)
        ) from error
