"""`photograft compare`: backbones and strategies within a budget of time."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from photograft.core import choices
from photograft.core.errors import InputError
from photograft.interfaces.cli.commands.options import (
    LAYOUTS,
    Corrections,
    GroupBy,
    NearDuplicates,
    Source,
)
from photograft.learning.settings import TrainConfig

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

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def compare(
    source: Source,
    out: Annotated[
        Path | None, typer.Option(help="The comparison folder. [default: comparisons/NAME]")
    ] = None,
    backbones: Annotated[
        str, typer.Option(help="Names with commas between. [default: the embedded ones]")
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
        float, typer.Option(help="Share for validation, where the source has no split.")
    ] = 0.15,
    test: Annotated[float, typer.Option(help="Share for the test, likewise.")] = 0.15,
    group_by: GroupBy = "",
    near_duplicates: NearDuplicates = "group",
    corrections: Corrections = "",
    seed: Annotated[int, typer.Option(help="Decides all that is random.")] = 0,
    engine: Annotated[
        str,
        typer.Option(
            help="auto: the fastest that is installed.", metavar="|".join(choices.ENGINES)
        ),
    ] = "auto",
) -> None:
    """Compare; the help text is above."""
    from rich.console import Console

    from photograft.evaluation.comparison.candidates import make_candidates
    from photograft.interfaces.cli.views import leaderboard
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows import compare

    seconds = seconds_of(budget)
    config = TrainConfig(
        class_weight=class_weight,
        validation=validation,
        test=test,
        near_duplicates=near_duplicates,
        group_by=group_by,
        corrections=corrections,
        seed=seed,
        engine=engine,
    )
    given = {
        "--out": out,
        "--backbones": backbones,
        "--strategies": strategies,
        "--recipes": recipes,
        "--budget": budget,
        "--prefer": prefer if prefer != "speed" else "",
        "--class-weight": class_weight if class_weight != "none" else "",
        "--validation": validation if validation != 0.15 else "",
        "--test": test if test != 0.15 else "",
        "--group-by": group_by,
        "--near-duplicates": near_duplicates if near_duplicates != "group" else "",
        "--corrections": corrections,
        "--seed": seed or "",
        "--engine": engine if engine != "auto" else "",
    }
    parts = [part for name, v in given.items() if v not in ("", None) for part in (name, str(v))]
    found = compare.compare(
        source,
        make_candidates(_names(backbones), _names(strategies), _names(recipes), config),
        config,
        out=out,
        budget=seconds,
        prefer=prefer,
        command=shlex.join(["photograft", "compare", str(source), *parts]),
        progress=make_progress(),
    )
    leaderboard.show_comparison(Console(), found)


def seconds_of(text: str) -> float:
    """Return a span of time in seconds.

    >>> seconds_of("90s"), seconds_of("10m"), seconds_of("1.5h")
    (90.0, 600.0, 5400.0)

    Raises:
        InputError: It can't be understood.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh])\s*", text)
    if match is None:
        raise InputError(
            "the budget can't be understood", expected="such as 90s, 10m or 2h", got=repr(text)
        )
    return float(match[1]) * _UNITS[match[2]]


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
