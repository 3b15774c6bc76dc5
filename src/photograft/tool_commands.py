"""Smaller tools around training: summaries, curves, augmentation grids, subsets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from photograft.options import LAYOUTS, Source


def summary(
    name: Annotated[
        str, typer.Argument(metavar="BACKBONE|RECIPE", help="Such as resnet50, or A3.")
    ],
    input_size: Annotated[int | None, typer.Option(help="Side of the input in pixels.")] = None,
    classes: Annotated[int, typer.Option(min=2, help="Classes of a recipe's head.")] = 2,
    unfreeze: Annotated[
        str | None, typer.Option(help="What is trained: a number of blocks, a layer, all.")
    ] = None,
    blocks: Annotated[bool, typer.Option("--blocks", help="One row a block.")] = False,
) -> None:
    """Print a summary; the help text is below."""
    from photograft.workflows.pictures import summarise_name

    found = summarise_name(name, input_size=input_size, num_classes=classes, unfreeze=unfreeze)
    for line in found.lines(depth="blocks" if blocks else "layers"):
        print(line)


def plot(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .png or .svg file.")] = Path(
        "curves.png"
    ),
    smoothing: Annotated[
        float, typer.Option(min=0, max=0.999, help="Factor of a moving average; 0 for none.")
    ] = 0.0,
) -> None:
    """Plot; the help text is below."""
    from photograft.workflows.pictures import plot_runs

    plot_runs(runs, output, smoothing=smoothing)
    print(f"Picture: {output}")


def augment(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="A .png file.")] = Path(
        "augmented.png"
    ),
    photo: Annotated[
        str | None, typer.Option(help="Name of the photo, as in SOURCE. [default: the first]")
    ] = None,
    settings: Annotated[
        str, typer.Option("--augment", help="Such as rotation=20,zoom=0.1,horizontal_flip.")
    ] = "default",
    recipe: Annotated[str | None, typer.Option(help="Augment as this recipe does.")] = None,
    views: Annotated[int, typer.Option(min=2, max=100, help="Pictures in the grid.")] = 9,
    size: Annotated[int, typer.Option(min=16, max=2048, help="Side in pixels.")] = 224,
    seed: Annotated[int, typer.Option(help="Of the random changes.")] = 0,
) -> None:
    """Draw a grid; the help text is below."""
    from photograft import terminal
    from photograft.workflows.pictures import augmentation_picture

    name = augmentation_picture(
        source,
        output,
        photo=photo,
        settings=settings,
        recipe=recipe,
        views=views,
        size=size,
        seed=seed,
        progress=terminal.make_progress(),
    )
    print(f"Picture of {name}: {output}")


def subset(
    source: Source,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")],
    train: Annotated[int, typer.Option(min=0, help="Photos of each class to train on.")] = 1000,
    validation: Annotated[int, typer.Option(min=0, help="And for validation.")] = 500,
    test: Annotated[int, typer.Option(min=0, help="And for the test.")] = 1000,
    start: Annotated[int, typer.Option(min=0, help="Begin at this photo of each class.")] = 0,
    label_from: Annotated[
        str, typer.Option(metavar="[folder|name]", help="name: cat.0.jpg is a cat.")
    ] = "folder",
) -> None:
    """Copy; the help text is below."""
    from rich.console import Console

    from photograft import terminal
    from photograft.data.subsets import run_subset

    counts = run_subset(
        source,
        out,
        train=train,
        validation=validation,
        test=test,
        start=start,
        label_from=label_from,
        progress=terminal.make_progress(),
    )
    terminal.show_subset(Console(), out, counts)


#: Help texts and the functions that they are of.
COMMANDS: list[tuple[str, Callable[..., Any]]] = [
    (
        "Print a network's layers, output shapes and parameter counts.\n\nExamples:\n\n"
        "  photograft summary efficientnet_lite0\n\n"
        "  photograft summary A3\n\n"
        "  photograft summary resnet50 --input-size 180 --blocks",
        summary,
    ),
    (
        "Draw accuracy and loss by epoch, of one run or of several in one chart.\n\nExamples:\n\n"
        "  photograft plot runs/first\n\n"
        "  photograft plot runs/first runs/second --smoothing 0.8 -o curves.svg",
        plot,
    ),
    (
        "Draw augmented versions of one photo.\n\n" + LAYOUTS + "\n\nExamples:\n\n"
        "  photograft augment photos/\n\n"
        "  photograft augment photos/ --recipe D5 --photo cat/1.jpg -o cat.png",
        augment,
    ),
    (
        "Copy the first photos of each class, by the order of their names, into OUT/train, "
        "OUT/validation and OUT/test with a folder per class.\n\n" + LAYOUTS + "\n\nExamples:\n\n"
        "  photograft subset photos/ small/\n\n"
        "  photograft subset train/ small/ --label-from name --train 500",
        subset,
    ),
]
