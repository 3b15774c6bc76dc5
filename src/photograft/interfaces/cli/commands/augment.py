"""`photograft augment`: augmented versions of one photo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.interfaces.cli.commands.options import (
    LAYOUTS,
    MaxPixels,
    Source,
)

HELP = (
    "Draw augmented versions of one photo.\n\n" + LAYOUTS + "\n\nExamples:\n\n"
    "  photograft augment photos/\n\n"
    "  photograft augment photos/ --recipe D5 --photo cat/1.jpg -o cat.png"
)


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
    max_pixels: MaxPixels = 250_000_000,
) -> None:
    """Draw a grid; the help text is above."""
    from photograft.interfaces.cli.views.progress import make_progress
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
        max_pixels=max_pixels,
        progress=make_progress(),
    )
    print(f"Picture of {name}: {output}")
