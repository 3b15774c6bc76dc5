"""`photograft suggest`: which photos to label next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photograft.interfaces.cli.commands.options import ClassifierMaxPixels, ClassifierPath, fail

if TYPE_CHECKING:
    from rich.console import Console

    from photograft.workflows.suggest import SuggestedPhoto

HELP = (
    "Say which photos to label next: those that the classifier is unsure of, unlike each other, "
    "each with the reason.\n\n"
    "FOLDER holds photos without labels, at any depth. Nothing in it is changed, and photos that "
    "are near-identical are not suggested together. Where one can't be read, the exit code is "
    "2.\n\n"
    "Examples:\n\n"
    "  photograft suggest runs/fruit unlabelled/\n\n"
    "  photograft suggest runs/fruit unlabelled/ -n 100 --out next.csv\n\n"
    "  photograft suggest runs/fruit unlabelled/ --labelled photos/"
)

#: Rows that are shown on the terminal; the file has them all.
_SHOWN = 20


def suggest(
    classifier: ClassifierPath,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Photos without labels.")],
    num: Annotated[int, typer.Option("--num", "-n", min=1, help="Photos to suggest.")] = 50,
    labelled: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="What has labels already, as for train: its like is not suggested again.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write a row per photo to this .csv.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides all that is random.")] = 0,
    max_pixels: ClassifierMaxPixels = None,
) -> None:
    """Suggest; the help text is above."""
    from photograft.core.text import count
    from photograft.interfaces.cli.views.account import show_notes, show_skipped, show_unreadable
    from photograft.interfaces.cli.views.console import make_console
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows.prediction_counts import unread
    from photograft.workflows.suggest import suggest as run

    found = run(
        classifier,
        folder,
        num=num,
        labelled=labelled,
        out=out,
        seed=seed,
        max_pixels=max_pixels,
        progress=make_progress(),
    )
    console = make_console()
    show_notes(console, found.notes)
    show_skipped(console, found.skipped)
    if found.num_known:
        known = count(found.num_known, "photo")
        print(
            f"Left out {known}: the classifier has learned from them, or from near-identical ones"
        )
    if found.photos:
        _show(console, found.photos)
    if found.shortfall:
        print(found.shortfall)
    if out is not None:
        print(f"Suggestions: {out}")
    show_unreadable(console, found.unreadable)
    _show_next(console, len(found.photos))
    if found.unreadable:
        folders = sum(file.name.endswith("/") for file in found.unreadable)
        fail(unread(len(found.unreadable), folders))


def _show(console: Console, photos: Sequence[SuggestedPhoto]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from photograft.core.text import percent

    title = "label these next"
    if len(photos) > _SHOWN:
        title += f": the first {_SHOWN} of {len(photos):,}"
    table = Table(title=title)
    table.add_column("rank", justify="right")
    for name in ("photo", "reason", "predicted"):
        table.add_column(name, overflow="fold")
    for photo in photos[:_SHOWN]:
        predicted = f"{photo.predicted} {percent(photo.probability, 0)}"
        table.add_row(str(photo.rank), *map(escape, (photo.name, photo.reason, predicted)))
    console.print(table)


def _show_next(console: Console, count: int) -> None:
    text = (
        "Next: sort them into the class folders that you train from, and train again:\n"
        "      photograft train SOURCE"
        if count
        else "Next: gather photos that differ from those that have labels; none here does."
    )
    console.print(text, markup=False, highlight=False, soft_wrap=True)
