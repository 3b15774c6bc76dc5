"""`photograft explain`: why a classifier says what it says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photograft.interfaces.cli.commands.options import ClassifierPath, fail

if TYPE_CHECKING:
    from photograft.report.plots.explanation import Explanation

HELP = (
    "Show why photos are classified as they are: where in each the evidence is, and which training "
    "photos are most like it.\n\n"
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
    out: Annotated[Path, typer.Option(help="Pictures go into this folder.")] = Path("explanations"),
) -> None:
    """Explain; the help text is above."""
    from photograft.classifier.classifier import Classifier
    from photograft.classifier.heat_maps import HeatMaps
    from photograft.core.errors import ImageError, InputError, StorageError, UnknownNameError
    from photograft.core.files import new_file, printable, read_file
    from photograft.data.images import decode
    from photograft.report.plots.explanation import Explanation, draw
    from photograft.runs.photos import training_photos
    from photograft.workflows import predict

    loaded = Classifier.load(classifier).located()
    names = loaded.class_names
    if class_ and class_ not in names:
        known = f"There are {', '.join(names[:20])}{', …' if len(names) > 20 else ''}."
        raise UnknownNameError("class", class_, names, fix=known)
    reference = loaded.reference
    if reference is None:
        print("Note: the classifier carries no training photos: nothing to compare with")
    reads = training_photos(Path(classifier)) if reference is not None else {}
    if reference is not None and not reads:
        print("Note: the training photos are not found any more: only their names are shown")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{out} can't be made ({error.strerror})", fix="Choose another folder with --out."
        ) from error
    maps = HeatMaps(loaded)
    number = failed = 0
    without_map = False
    taken: set[str] = set()
    for prediction in loaded.stream(predict.expand_inputs(photos, sys.stdin)):
        number += 1
        shown = printable(prediction.name)
        if prediction.label is None or prediction.probabilities is None:
            failed += 1
            print(f"\n{shown}: can't be read: {prediction.error}")
            continue
        c = names.index(class_ or prediction.label)
        try:
            data = read_file(Path(prediction.name))
            image = decode(data, max_pixels=loaded.max_pixels)
        except (ImageError, OSError) as error:  # it was there a moment ago
            failed += 1
            print(f"\n{shown}: can't be read: {error}")
            continue
        heat = None
        try:
            look = maps.look(data, c)
            heat, features = look.heat, look.features
        except InputError as error:
            if not without_map:
                print(f"Note: {error}")
            without_map = True
            features = maps.features(data)
        explanation = Explanation(
            name=shown,
            label=prediction.label,
            probability=float(prediction.probability or 0),
            asked=names[c],
            asked_probability=float(prediction.probabilities[c]),
            heat=heat,
            neighbours=reference.neighbours(features, names) if reference else (),
        )
        path = out / _free_name(Path(shown).stem[:80], taken)
        with new_file(path, fix="Choose another folder with --out.") as partial:
            draw(explanation, image, loaded.backbone, reads, partial)
        _show(explanation, path)
    if failed:
        fail(f"{failed:,} of {number:,} photos could not be read")
    if not number:
        fail("there are no photos in what was given")


def _show(explanation: Explanation, path: Path) -> None:
    """Print an explanation."""
    from photograft.core.text import percent

    print(f"\n{explanation.name}: {explanation.label} ({percent(explanation.probability)})")
    if explanation.asked != explanation.label:
        print(f"  asked for: {explanation.asked} ({percent(explanation.asked_probability)})")
    if explanation.heat is not None and not explanation.heat.any():
        print(f"  nothing in it speaks for {explanation.asked}")
    print(f"  picture: {path}")
    if explanation.neighbours:
        print("  training photos most like it (0: the same, 1: nothing in common):")
        width = max(len(n.label) for n in explanation.neighbours)
        for n in explanation.neighbours:
            print(f"    {n.distance:.2f}  {n.label:{width}}  {n.name}")


def _free_name(stem: str, taken: set[str]) -> str:
    """Return a file name that no other photo of this call has."""
    name, i = f"{stem}.png", 1
    while name in taken:
        i += 1
        name = f"{stem}-{i}.png"
    taken.add(name)
    return name
