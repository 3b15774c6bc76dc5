"""`photograft learning-curve`: what more photos would bring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.interfaces.cli.commands.options import (
    LAYOUTS,
    Corrections,
    EmptyClasses,
    GroupBy,
    MaxPixels,
    NearDuplicates,
    NewClass,
    Ray,
    Source,
)

HELP = (
    "Say how many more photos it takes: accuracy by number of photos, measured on growing "
    "parts of SOURCE and extrapolated, in a picture.\n\n" + LAYOUTS + " The test part is left "
    "out.\n\nExamples:\n\n"
    "  photograft learning-curve photos/\n\n"
    "  photograft learning-curve photos/ --seeds 20 -o curve.png --table curve.csv"
)


def learning_curve(
    source: Source,
    backbone: Annotated[str, typer.Option(help="As for train.")] = "auto",
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="Repeats; each holds out another fifth. [default: 10; 5 for many photos]",
        ),
    ] = None,
    group_by: GroupBy = "",
    near_duplicates: NearDuplicates = "group",
    corrections: Corrections = "",
    empty_classes: EmptyClasses = "error",
    max_pixels: MaxPixels = 250_000_000,
    new_class: NewClass = None,
    seed: Annotated[int, typer.Option(help="Of split, repeats and intervals.")] = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help="A .png file.")] = Path(
        "learning_curve.png"
    ),
    table: Annotated[
        Path | None, typer.Option(help="Also write a row per size and seed to this .csv file.")
    ] = None,
    ray: Ray = "off",
) -> None:
    """Measure; the help text is above."""
    from photograft.interfaces.cli.views.console import make_console
    from photograft.interfaces.cli.views.learning_curve import show_learning_curve
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows.learning_curve import learning_curve as measure

    curve = measure(
        source,
        seeds=seeds,
        output=output,
        table=table,
        backbone=backbone,
        group_by=group_by,
        near_duplicates=near_duplicates,
        corrections=corrections,
        empty_classes=empty_classes,
        max_pixels=max_pixels,
        new_class=new_class or (),
        seed=seed,
        progress=make_progress(),
        ray=ray,
    )
    show_learning_curve(make_console(), curve)
    print(f"Picture: {output}")
    if table is not None:
        print(f"Table: {table}")
