"""`photograft summary`: a network layer by layer."""

from __future__ import annotations

from typing import Annotated

import typer

HELP = (
    "Print a network's layers, output shapes and parameter counts.\n\nExamples:\n\n"
    "  photograft summary efficientnet_lite0\n\n"
    "  photograft summary A3\n\n"
    "  photograft summary resnet50 --input-size 180 --blocks"
)


def summary(
    names: Annotated[
        list[str], typer.Argument(metavar="BACKBONE|RECIPE...", help="Such as resnet50, or A3.")
    ],
    input_size: Annotated[int | None, typer.Option(help="Side of the input in pixels.")] = None,
    classes: Annotated[
        int | None,
        typer.Option(min=2, help="Classes of a recipe's head. [default: those it was tried on]"),
    ] = None,
    unfreeze: Annotated[
        str | None, typer.Option(help="What is trained: a number of blocks, a layer, all.")
    ] = None,
    blocks: Annotated[bool, typer.Option("--blocks", help="One row a block.")] = False,
) -> None:
    """Print a summary; the help text is above."""
    from photograft.workflows.summary import summarise_name

    for i, name in enumerate(names):
        found = summarise_name(name, input_size=input_size, num_classes=classes, unfreeze=unfreeze)
        if i:
            print()
        for line in found.lines(depth="blocks" if blocks else "layers"):
            print(line)
