"""`photograft recipe`: systems from the literature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.core.choices import TRACKERS
from photograft.interfaces.cli.commands.options import (
    LAYOUTS,
    EmptyClasses,
    MaxPixels,
    Source,
    choice,
)

recipe_app = typer.Typer(
    help="Run systems from the literature, and see their figures beside yours.\n\n"
    "Examples:\n\n"
    "  photograft recipe list\n\n"
    "  photograft recipe show D4\n\n"
    "  photograft recipe run D4 photos/",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="ID", help="Such as D4.")]


@recipe_app.command(
    "list", help="List the recipes with their figures.\n\nExample:\n\n  photograft recipe list"
)
def list_() -> None:
    """List; the help text is above."""
    from photograft.interfaces.cli.views import tables
    from photograft.interfaces.cli.views.console import make_console
    from photograft.workflows.settings import list_recipes

    tables.show_recipes(make_console(), list_recipes())


@recipe_app.command(
    help="Print a recipe: a TOML file that `photograft train --config` takes, too.\n\nExamples:\n\n"
    "  photograft recipe show D4\n\n"
    "  photograft recipe show D4 > mine.toml"
)
def show(name: Name) -> None:
    """Print; the help text is above."""
    from photograft.workflows.settings import get_recipe

    print(get_recipe(name).text, end="")


@recipe_app.command(
    help="Run a recipe on photos.\n\n"
    + LAYOUTS
    + " Without --weights, a pretrained network gets timm's own weights; Keras's files "
    "(*_notop.h5) serve as well.\n\nExamples:\n\n"
    "  photograft recipe run D4 photos/\n\n"
    "  photograft recipe run D6 photos/ --weights vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    "\n\n"
    "  photograft recipe run A4 photos/ --epochs 2\n\n"
    "Interrupted, the same command goes on from the last finished epoch."
)
def run(
    name: Name,
    source: Source,
    out: Annotated[
        Path | None, typer.Option(help="The run folder. [default: runs/NAME-TIMESTAMP]")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="pretrained, random, or a weight file.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Train for at most so many epochs.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides all that is random.")] = 0,
    empty_classes: EmptyClasses = "error",
    max_pixels: MaxPixels = 250_000_000,
    track: Annotated[
        str,
        typer.Option(
            metavar=choice(TRACKERS), help="Follow the training in an experiment tracker."
        ),
    ] = "",
) -> None:
    """Run; the help text is above."""
    from photograft.interfaces.cli.views import tables
    from photograft.interfaces.cli.views.console import make_console
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows.recipe import run_recipe

    found = run_recipe(
        name,
        source,
        out=out,
        weights=weights,
        epochs=epochs,
        seed=seed,
        empty_classes=empty_classes,
        max_pixels=max_pixels,
        track=track,
        progress=make_progress(),
    )
    if isinstance(found, dict):
        tables.show_subset(make_console(), Path(str(out)), found)
    else:
        tables.show_run(make_console(), found)
