"""`photograft compare`: backbones and strategies within a budget of time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from photograft.core import choices
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
    "Compare backbones and strategies on your photos, choose one, and save its classifier.\n\n"
    "By default: the backbones that come with the installation, each with features, augmented "
    "features and fine-tuning, as far as the budget goes. The cheapest of those that can't be told "
    "apart is chosen. The test photos are used once, for that one.\n\n"
    + LAYOUTS
    + "\n\nExamples:\n\n"
    "  photograft compare photos/\n\n"
    "  photograft compare photos/ --strategies features --prefer accuracy\n\n"
    "  photograft compare photos/ --backbones efficientnet_lite0,resnet50 --budget 30m\n\n"
    "  photograft compare photos/ --recipes D4,D5 --budget 2h\n\n"
    "What was found out is kept: the same command with one more backbone, or a larger budget, does "
    "only what is new."
)


def compare(
    source: Source,
    out: Annotated[
        Path | None, typer.Option(help="The comparison folder. [default: comparisons/NAME]")
    ] = None,
    backbones: Annotated[
        str,
        typer.Option(help="Names or ONNX files with commas between. [default: the embedded ones]"),
    ] = "",
    strategies: Annotated[
        str,
        typer.Option(
            help="Of " + ", ".join(choices.STRATEGIES) + ". [default: the first three]",
            metavar="NAME,...",
        ),
    ] = "",
    recipes: Annotated[str, typer.Option(help="Recipes to compare with, such as A2,D4.")] = "",
    budget: Annotated[str, typer.Option(help="Time to spend: 90s, 10m, 2h.")] = "10m",
    prefer: Annotated[
        str,
        typer.Option(
            help="What decides between those that can't be told apart; accuracy: the highest.",
            metavar="speed|size|accuracy",
        ),
    ] = "speed",
    class_weight: Annotated[
        str, typer.Option(help="Make up for class sizes.", metavar="none|balanced")
    ] = "none",
    validation: Annotated[
        float | None,
        typer.Option(
            help="Share for validation, where the source has no split. [default: 0.15 where a "
            "network is trained, none where cross-validation chooses]"
        ),
    ] = None,
    test: Annotated[float, typer.Option(help="Share for the test, likewise.")] = 0.15,
    group_by: GroupBy = "",
    near_duplicates: NearDuplicates = "group",
    corrections: Corrections = "",
    empty_classes: EmptyClasses = "error",
    max_pixels: MaxPixels = 250_000_000,
    new_class: NewClass = None,
    seed: Annotated[int, typer.Option(help="Decides all that is random.")] = 0,
    engine: Annotated[
        str,
        typer.Option(
            help="auto: the fastest that is installed.", metavar="|".join(choices.ENGINES)
        ),
    ] = "auto",
    ray: Ray = "off",
) -> None:
    """Compare; the help text is above."""
    from photograft.interfaces.cli.views.console import make_console
    from photograft.interfaces.cli.views.leaderboard import show_comparison
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows.compare import compare as run

    found = run(
        source,
        out=out,
        backbones=_names(backbones),
        strategies=_names(strategies),
        recipes=_names(recipes),
        budget=budget,
        prefer=prefer,
        class_weight=class_weight,
        validation=validation,
        test=test,
        group_by=group_by,
        near_duplicates=near_duplicates,
        corrections=corrections,
        empty_classes=empty_classes,
        max_pixels=max_pixels,
        new_class=new_class or (),
        seed=seed,
        engine=engine,
        progress=make_progress(),
        ray=ray,
    )
    show_comparison(make_console(), found)


def _names(text: str) -> list[str]:
    # A look such as efficientnet_lite0@320,mirror has a comma of its own.
    parts = re.split(r",(?!\s*(?:mirror|\d+)\s*(?:[,+]|$))", text)
    return [part.strip() for part in parts if part.strip()]
