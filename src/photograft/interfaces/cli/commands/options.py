"""What several commands have in common: their arguments, and how they fail."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from photograft.core import choices
from photograft.core.errors import one_line

LAYOUTS = """SOURCE is a folder of class folders, flat (cat/, dog/) or already split
(train/cat/, test/cat/, …); a CSV or Parquet manifest with the columns path and label, and
optionally split and group; an .npz with X_train, y_train, X_test, y_test or X, y; a .zip or
.tar of class folders; Parquet files with photos in them, or WebDataset's tars (one, a folder of
them, or train-{0000..0009}.tar); an address of any of these, such as s3://BUCKET/PHOTOS; mnist;
or tfds:NAME or hf:NAME. Nothing in it is ever changed."""

Source = Annotated[str, typer.Argument(metavar="SOURCE", help="Labelled photos.")]
ClassifierPath = Annotated[str, typer.Argument(metavar="CLASSIFIER", help="A run folder.")]
MaxPixels = Annotated[int, typer.Option(help="Skip photos with more pixels than this.")]
ClassifierMaxPixels = Annotated[
    int | None,
    typer.Option(
        min=1, help="Skip photos with more pixels than this. [default: as in its training]"
    ),
]
Unknown = Annotated[
    bool, typer.Option("--unknown", help="Answer unknown for what is like no class.")
]
Keep = Annotated[
    float | None,
    typer.Option(help="Likewise, keeping this share of photos like yours. [default: 0.95]"),
]
MinAccuracy = Annotated[
    float | None,
    typer.Option(help="Answer unsure below the confidence at which so many are right."),
]
Coverage = Annotated[
    float | None,
    typer.Option(help="Also give the classes that hold the right one so often."),
]
Ray = Annotated[
    str,
    typer.Option(
        metavar="off|local|auto|ADDRESS",
        help="Have photos looked at by a Ray cluster: one started here, the one that runs here, or "
        "the one at an address.",
    ),
]
EmptyClasses = Annotated[
    str,
    typer.Option(
        help="Where no photo of a class can be used: stop, or go on without the class.",
        metavar="|".join(choices.EMPTY_CLASSES),
    ),
]
GroupBy = Annotated[
    str,
    typer.Option(help="Keep together photos whose names have this in common: 'nest(\\d+)'."),
]
NearDuplicates = Annotated[
    str,
    typer.Option(
        help="Look for photos that are nearly the same, and keep them on one side.",
        metavar="|".join(choices.NEAR_DUPLICATES),
    ),
]
Corrections = Annotated[
    str, typer.Option(help="Your answers to the doctor's findings: a CSV file.")
]

NewClass = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="A class that the corrections add; once for each. [default: none]"
    ),
]


def choice(values: tuple[str, ...]) -> str:
    """Return how a choice of words is shown in help texts."""
    return f"[{'|'.join(values)}]"


def fail(message: str) -> NoReturn:
    """Print one line and exit with 2."""
    print(one_line(message), file=sys.stderr)
    raise typer.Exit(2)
