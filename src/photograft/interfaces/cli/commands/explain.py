"""`photograft explain`: why a classifier says what it says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photograft.interfaces.cli.commands.options import ClassifierMaxPixels, ClassifierPath, fail

if TYPE_CHECKING:
    from photograft.report.plots.explanation import Explanation

HELP = (
    "Show why photos are classified as they are: where in each the evidence is, which training "
    "photos are most like it, and whether it is like no class at all, as predict --unknown "
    "says.\n\n"
    "PHOTOS are files, folders, glob patterns in quotes, or - for a list on standard input. Of "
    "each a PNG is written: the photo, a heat map over it (Grad-CAM), and its nearest training "
    "photos, as far as they are still where they were.\n\n"
    "Examples:\n\n"
    "  photograft explain runs/fruit new/a.jpg\n\n"
    "  photograft explain runs/fruit new/a.jpg --class satsumas    # what speaks for satsumas?\n\n"
    "  photograft explain runs/fruit 'new/*.jpg' --out why"
)


def explain(
    classifier: ClassifierPath,
    photos: Annotated[list[str], typer.Argument(metavar="PHOTOS", help="What to explain.")],
    class_: Annotated[
        str,
        typer.Option(
            "--class", metavar="NAME", help="Evidence for this class. [default: the predicted one]"
        ),
    ] = "",
    keep: Annotated[
        float | None,
        typer.Option(help="Of photos like yours, the share that is not unknown. [default: 0.95]"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Pictures go into this folder.")] = Path("explanations"),
    max_pixels: ClassifierMaxPixels = None,
) -> None:
    """Explain; the help text is above."""
    from photograft.workflows.explain import iter_explanations
    from photograft.workflows.predict import load_classifier
    from photograft.workflows.prediction_counts import unread

    number = failed = folders = 0
    explanations = iter_explanations(
        load_classifier(classifier, max_pixels, photos),
        photos,
        sys.stdin,
        class_name=class_,
        keep=keep,
        out=out,
        run=Path(classifier),
        note=lambda text: print(f"Note: {text}"),
    )
    for explanation in explanations:
        number += 1
        if explanation.error:
            failed += 1
            folders += explanation.name.endswith("/")
            print(f"\n{explanation.name}: can't be read: {explanation.error}")
        else:
            _show(explanation)
    if failed:
        fail(unread(failed, folders, number - folders))
    if not number:
        fail("there are no photos in what was given")


def _show(explanation: Explanation) -> None:
    """Print an explanation."""
    from photograft.core.text import percent

    said = f"{explanation.label} {percent(explanation.probability)}"
    if explanation.is_unknown:
        print(f"\n{explanation.name}: unknown (nearest {said})")
        print(f"  {explanation.why_unknown}")
    else:
        print(f"\n{explanation.name}: {explanation.label} ({percent(explanation.probability)})")
    if explanation.asked != explanation.label:
        print(f"  asked for: {explanation.asked} ({percent(explanation.asked_probability)})")
    if explanation.heat is not None and not explanation.heat.any():
        print(f"  nothing in it speaks for {explanation.asked}")
    print(f"  picture: {explanation.picture}")
    if explanation.neighbours:
        print("  training photos most like it (0: the same, 1: nothing in common):")
        width = max(len(n.label) for n in explanation.neighbours)
        for n in explanation.neighbours:
            print(f"    {n.distance:.2f}  {n.label:{width}}  {n.name}")
