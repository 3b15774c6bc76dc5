"""`photograft suggest`: which photos to label next."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photograft.core.errors import ImageError, InputError
from photograft.interfaces.cli.commands.options import ClassifierPath

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from rich.console import Console

    from photograft.classifier.classifier import Classifier
    from photograft.classifier.suggestion import Suggestion
    from photograft.core.arrays import Floats
    from photograft.core.progress import Progress
    from photograft.data.dataset import Dataset, Photo

HELP = (
    "Say which photos to label next: those that the classifier is unsure of, unlike each other, "
    "each with the reason.\n\n"
    "FOLDER holds photos without labels, at any depth. Nothing in it is changed, and photos that "
    "are near-identical are not suggested together.\n\n"
    "Examples:\n\n"
    "  photograft suggest runs/fruit unlabelled/\n\n"
    "  photograft suggest runs/fruit unlabelled/ -n 100 --out next.csv\n\n"
    "  photograft suggest runs/fruit unlabelled/ --labelled photos/"
)

COLUMNS = ("name", "rank", "reason", "predicted", "probability")

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
) -> None:
    """Suggest; the help text is above."""
    import numpy as np
    from rich.console import Console

    from photograft.classifier import suggestion
    from photograft.classifier.classifier import Classifier
    from photograft.data.dataset import Dataset
    from photograft.interfaces.cli.views import tables
    from photograft.interfaces.cli.views.progress import make_progress

    if out is not None and out.suffix.lower() != ".csv":
        raise InputError(f"{out} is no table by its name", expected=".csv")
    progress = make_progress()
    loaded = Classifier.load(classifier).located()
    dataset, rows = look(loaded, read_unlabelled(folder, loaded, progress), progress)
    if not dataset.photos:
        counts = ", ".join(f"{n:,} x {r!r}" for r, n in dataset.skipped_counts().items())
        raise InputError(
            f"{folder} holds no usable photo", expected="photos, at any depth", got=counts or "none"
        )
    known = counted = None
    if labelled is not None:
        source = Dataset.load(labelled, max_pixels=loaded.max_pixels, progress=progress)
        source, known_rows = look(loaded, source, progress)
        known = comparable(loaded, known_rows)
        counted = [sum(p.label == name for p in source.photos) for name in loaded.class_names]
    distinct = first_of_each(dataset.photos)
    probabilities = loaded.classify(rows[distinct])
    with progress.step("Choosing", 1, "batches") as step:
        found = suggestion.suggest(
            comparable(loaded, rows[distinct]),
            probabilities,
            num=num,
            class_names=loaded.class_names,
            labelled_features=known,
            num_labelled_per_class=counted,
            unlike=unlike(loaded, rows[distinct], probabilities),
            rng=np.random.default_rng(seed),
        )
        step.advance()
    names = [dataset.photos[distinct[s.index]].name for s in found]
    table = rows_of(found, names, probabilities, loaded.class_names)
    console = Console()
    tables.show_skipped(console, dataset.skipped_counts())
    _show(console, table)
    if len(found) < num:
        print(
            f"{len(found):,} of the {num:,} asked for: of the {len(dataset.photos):,} photos, the "
            "others are near-identical to one of these or to one that has a label"
            if len(found) < len(dataset.photos)
            else f"There are no more than {len(found):,} photos"
        )
    if out is not None:
        write_csv(out, table)
        print(f"Suggestions: {out}")
    _show_next(console, len(found))


def read_unlabelled(folder: Path, classifier: Classifier, progress: Progress) -> Dataset:
    """Return the photos of a folder at every depth; hidden files and linked folders are left out.

    Raises:
        InputError: It is no folder.
    """
    from functools import partial

    from photograft.core.files import printable, read_file
    from photograft.data.dataset import Dataset
    from photograft.data.sources.base import Item, make_listing
    from photograft.workflows.predict import expand_inputs

    if not folder.is_dir():
        raise InputError(
            f"{printable(folder)} is no folder",
            expected="a folder with photos",
            fix="Check its name.",
        )
    items = [
        Item(
            printable(os.path.relpath(path, folder)), "", None, None, partial(read_file, Path(path))
        )
        for path in expand_inputs([os.path.abspath(folder)], sys.stdin)
    ]
    return Dataset.from_listing(
        folder, make_listing("folder", items), max_pixels=classifier.max_pixels, progress=progress
    )


def look(classifier: Classifier, dataset: Dataset, progress: Progress) -> tuple[Dataset, Floats]:
    """Return a dataset less the photos that do not decode, and the stored rows of the others.

    Args:
        classifier: Located. A frozen backbone's rows come from the store; a trained network looks
            at the photos.
        dataset: The photos.
        progress: Told how far it is.

    Returns:
        The dataset, and float32 rows ``(n, num_features)``, all layers joined.
    """
    import numpy as np

    from photograft.core.store import FeatureStore
    from photograft.features.extractor import Extractor

    if classifier.is_trained:
        by_digest, failures = _looked_at(classifier, dataset.photos, progress)
        dataset = dataset.without(failures)
        digests = [photo.digest for photo in dataset.photos]
        width = classifier.backbone.num_features
        found = [by_digest[digest] for digest in digests]
        return dataset, np.stack(found) if found else np.empty((0, width), np.float32)
    extractor = Extractor(
        classifier.backbone,
        classifier.weights_path,
        classifier.engine.available(),
        FeatureStore(),
        classifier.max_pixels,
        progress,
    )
    table, failures, _ = extractor.look(dataset.photos)
    dataset = dataset.without(failures)
    return dataset, table.rows([photo.digest for photo in dataset.photos])


def _looked_at(
    classifier: Classifier, photos: Sequence[Photo], progress: Progress
) -> tuple[dict[bytes, Floats], dict[bytes, ImageError]]:
    import contextlib

    from photograft.features.extraction import feature_batches

    distinct = {photo.digest: photo for photo in photos}
    digests = list(distinct)
    reads = [photo.read for photo in distinct.values()]
    rows: dict[bytes, Floats] = {}
    failures: dict[bytes, ImageError] = {}
    batches = feature_batches(
        reads, classifier.backbone, classifier.network, max_pixels=classifier.max_pixels
    )
    with (
        progress.step("Extracting features", len(digests), "photos") as step,
        contextlib.closing(batches),
    ):
        for indices, features, failed in batches:
            rows |= {digests[i]: row for i, row in zip(indices, features, strict=True)}
            failures |= {digests[i]: error for i, error in failed}
            step.advance(len(indices) + len(failed))
    return rows, failures


def comparable(classifier: Classifier, rows: Floats) -> Floats:
    """Return rows of length 1 by which photos are compared: of the last layers, each as loud."""
    import numpy as np

    from photograft.features.similarity import unit_rows

    widths = [layer.num_features for layer in classifier.backbone.layers]
    ends = np.cumsum(widths)
    bounds = np.stack([ends - widths, ends], axis=1)[-3:]
    return unit_rows(rows, bounds)


def unlike(
    classifier: Classifier, rows: Floats, probabilities: Floats
) -> npt.NDArray[np.bool_] | None:
    """Return whether photos are unlike any class, as `predict` has it; None where it can't tell."""
    scores = classifier.novelty(rows, probabilities)
    if scores is None or classifier.assurance is None or classifier.assurance.novelty is None:
        return None
    return scores > classifier.assurance.novelty.threshold()


def first_of_each(photos: Sequence[Photo]) -> npt.NDArray[np.intp]:
    """Return the index of the first photo of each content."""
    import numpy as np

    first: dict[bytes, int] = {}
    for i, photo in enumerate(photos):
        first.setdefault(photo.digest, i)
    return np.array(list(first.values()), np.intp)


def rows_of(
    found: Sequence[Suggestion], names: Sequence[str], probabilities: Floats, classes: Sequence[str]
) -> list[dict[str, str | int | float]]:
    """Return a row per suggestion, with `COLUMNS` as keys."""
    rows: list[dict[str, str | int | float]] = []
    for rank, (suggested, name) in enumerate(zip(found, names, strict=True), start=1):
        own = probabilities[suggested.index]
        values = (
            name,
            rank,
            suggested.reason,
            classes[int(own.argmax())],
            round(float(own.max()), 6),
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def write_csv(path: Path, rows: Sequence[dict[str, str | int | float]]) -> None:
    """Write rows, whole or not at all.

    Raises:
        StorageError: The file can't be written.
    """
    from photograft.core.files import new_file

    with (
        new_file(path, fix="Choose another file with --out.") as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _show(console: Console, rows: Sequence[dict[str, str | int | float]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from photograft.core.text import percent

    title = "label these next"
    if len(rows) > _SHOWN:
        title += f": the first {_SHOWN} of {len(rows):,}"
    table = Table(title=title)
    table.add_column("rank", justify="right")
    for name in ("photo", "reason", "predicted"):
        table.add_column(name, overflow="fold")
    for row in rows[:_SHOWN]:
        predicted = f"{row['predicted']} {percent(float(row['probability']), 0)}"
        table.add_row(
            str(row["rank"]), *(escape(str(t)) for t in (row["name"], row["reason"], predicted))
        )
    console.print(table)


def _show_next(console: Console, count: int) -> None:
    text = (
        "Next: sort them into the class folders that you train from, and train again:\n"
        "      photograft train SOURCE"
        if count
        else "Next: gather photos that differ from those that have labels; none here does."
    )
    console.print(text, markup=False, highlight=False, soft_wrap=True)
