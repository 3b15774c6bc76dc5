"""`photograft train`, and how its options become settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from photograft.core import choices
from photograft.interfaces.cli.commands.options import LAYOUTS, NewClass, Ray, Source, choice

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
    effort: Annotated[
        str | None,
        _option(
            "How many looks at each photo are tried where no backbone is named. "
            "[default: standard]",
            choices.EFFORTS,
        ),
    ] = None,
    budget: Annotated[
        str | None,
        _option(
            "Time to spend on these looks, or on what auto tries, such as 90s or 5m. [default: no "
            "limit]"
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        _option(
            "An embedded backbone, any timm model, an ONNX file, or an architecture spec; several "
            "looks joined by +, such as efficientnet_lite0+efficientnet_lite2@320,mirror."
        ),
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
    head: Annotated[
        str | None, _option("auto blends the linear ones. [default: auto]", choices.HEADS)
    ] = None,
    final: Annotated[
        str | None,
        _option(
            "What the head learns from in the end: all photos but the test's, or train. "
            "[default: all]",
            choices.FINALS,
        ),
    ] = None,
    hidden: Annotated[str | None, _option("Widths of hidden layers, such as 128,64.")] = None,
    dropout: Annotated[float | None, _option("Before the head's last layer.")] = None,
    augment: Annotated[
        str | None, _option("Such as rotation=20,zoom=0.1,horizontal_flip; none; default.")
    ] = None,
    views: Annotated[
        int | None,
        _option("Augmented views of each photo; 0: by their number; -1: anew every epoch."),
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
    target_encoding: Annotated[
        str | None, _option("Of the targets.", choices.TARGET_ENCODINGS)
    ] = None,
    class_weight: Annotated[
        str | None, _option("Make up for class sizes. [default: none]", choices.CLASS_WEIGHTS)
    ] = None,
    validation: Annotated[
        float | None,
        _option(
            "Share for validation, where the source has no split. [default: 0.15 where a network "
            "is trained, none where cross-validation chooses]"
        ),
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
    empty_classes: Annotated[
        str | None,
        _option(
            "Where no photo of a class can be used: stop, or go on without the class. "
            "[default: error]",
            choices.EMPTY_CLASSES,
        ),
    ] = None,
    new_class: NewClass = None,
    seed: Annotated[int | None, _option("Decides all that is random. [default: 0]")] = None,
    engine: Annotated[
        str | None, _option("auto: the fastest that is installed.", choices.ENGINES)
    ] = None,
    precision: Annotated[
        str | None,
        _option(
            "auto: bf16 or fp32, what this machine does faster; int8: calibrated on training "
            "photos, for a frozen network.",
            choices.PRECISIONS,
        ),
    ] = None,
    device: Annotated[
        str | None, _option("auto: an accelerator where there is one.", choices.DEVICES)
    ] = None,
    compile: Annotated[  # noqa: A002 (the option's name)
        str | None,
        _option(
            "torch.compile for networks in training. auto: where it pays on a GPU.",
            choices.COMPILES,
        ),
    ] = None,
    max_pixels: Annotated[
        int | None, _option("Skip photos with more pixels than this. [default: 250000000]")
    ] = None,
    stream_above: Annotated[
        str | None,
        _option(
            "Where the features of all training photos take more than this, heads are fitted in "
            "passes over the store. [default: 2GB]"
        ),
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
    ray: Ray = "off",
    workers: Annotated[
        int, typer.Option(min=1, help="Processes on Ray that train a network together.")
    ] = 1,
) -> None:
    """Train; the help text is above."""
    given = {name: value for name, value in locals().items() if value is not None}
    options = {
        n: v for n, v in given.items() if n not in ("source", "out", "config", "ray", "workers")
    }

    from photograft.core.executors.launched import is_first
    from photograft.core.text import command_line
    from photograft.interfaces.cli.views.console import make_console
    from photograft.interfaces.cli.views.findings import show_brief
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.interfaces.cli.views.tables import show_run
    from photograft.workflows.settings import doctor_options, read_settings
    from photograft.workflows.train import train as run

    settings = read_settings(config, **options)
    finished = run(source, settings, out=out, progress=make_progress(), ray=ray, workers=workers)
    if not is_first():  # of those that torchrun has started
        return
    console = make_console()
    hint = command_line("doctor", [source], doctor_options(settings))
    show_brief(console, finished.findings(), hint)
    show_run(console, finished)
