"""`photograft subset`: some photos of each class, copied."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.interfaces.cli.commands.options import (
    LAYOUTS,
    EmptyClasses,
    MaxPixels,
    Source,
)

HELP = (
    "Copy the first photos of each class, by the order of their names, into OUT/train, "
    "OUT/validation and OUT/test with a folder per class.\n\n" + LAYOUTS + "\n\nExamples:\n\n"
    "  photograft subset photos/ small/\n\n"
    "  photograft subset train/ small/ --label-from name --train 500"
)


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
    empty_classes: EmptyClasses = "error",
    max_pixels: MaxPixels = 250_000_000,
) -> None:
    """Copy; the help text is above."""
    from photograft.interfaces.cli.views import tables
    from photograft.interfaces.cli.views.console import make_console
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows.subset import run_subset

    counts = run_subset(
        source,
        out,
        train=train,
        validation=validation,
        test=test,
        start=start,
        label_from=label_from,
        empty_classes=empty_classes,
        max_pixels=max_pixels,
        progress=make_progress(),
    )
    tables.show_subset(make_console(), out, counts)
