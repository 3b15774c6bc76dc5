"""`photograft export`: a classifier for other programs, with a certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.core import choices
from photograft.interfaces.cli.commands.options import ClassifierPath

HELP = (
    "Write a classifier for other programs, with the proof that it answers there as it does here.\n"
    "\nThe file that is written takes photos of any size; resizing, the network, calibration and "
    "the OOD score are all in it. Before it is handed out, it is run beside the classifier on the "
    "photos that were set aside in training and on drawn ones that are hard to decode. A "
    "certificate says how far they agree; where they don't, nothing is written."
    "\n\nExamples:\n\n"
    "  photograft export runs/fruit --out fruit-onnx\n\n"
    "  photograft export runs/fruit --to openvino --precision int8 --out fruit-int8\n\n"
    "  photograft export runs/fruit --to web --out fruit-page"
)


def export(
    classifier: ClassifierPath,
    out: Annotated[Path, typer.Option(help="A new folder.")],
    to: Annotated[
        str, typer.Option(metavar="|".join(choices.EXPORT_FORMATS), help="The format.")
    ] = "onnx",
    precision: Annotated[
        str,
        typer.Option(
            metavar="|".join(choices.EXPORT_PRECISIONS),
            help="fp16 halves the file; int8 is also faster, and coarser.",
        ),
    ] = "fp32",
    photos: Annotated[
        Path | None,
        typer.Option(
            help="A folder of photos to try it on. [default: those set aside in training]"
        ),
    ] = None,
    num_photos: Annotated[int, typer.Option(min=0, help="Try it on so many at most.")] = 1000,
    seed: Annotated[int, typer.Option(help="Decides which.")] = 0,
    title: Annotated[
        str, typer.Option(help="Heads a web page. [default: the classes' names]")
    ] = "",
    neighbours: Annotated[
        bool,
        typer.Option(
            "--neighbours",
            help="Let a web page show the training photos most like each photo: whoever gets the "
            "page gets up to 240 of them, small.",
        ),
    ] = False,
) -> None:
    """Export; the help text is above."""
    from photograft.interfaces.cli.views.console import make_console
    from photograft.interfaces.cli.views.export import show_exported
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows.export import export as run

    found = run(
        classifier,
        out,
        to=to,
        precision=precision,
        photos=photos,
        num_photos=num_photos,
        seed=seed,
        title=title,
        neighbours=neighbours,
        progress=make_progress(),
    )
    show_exported(make_console(), found)
