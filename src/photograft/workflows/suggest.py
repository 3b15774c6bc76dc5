"""Which photos to label next, from a folder of photos without labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photograft.classifier.classifier import Classifier
from photograft.classifier.scoring import extractor_of, score_with_features, usable
from photograft.classifier.suggestion import choose_suggestions
from photograft.core.arrays import Floats
from photograft.core.bars import progress_of
from photograft.core.errors import InputError, did_you_mean
from photograft.core.files import check_file, path_of
from photograft.core.progress import Progress, Watched
from photograft.core.schema import check_range
from photograft.core.spreadsheets import new_csv, no_table
from photograft.core.store import FeatureStore
from photograft.core.text import count, short, times
from photograft.data.dataset import Dataset, Photo
from photograft.data.sources.base import SkippedFile
from photograft.features.similarity import unit_rows
from photograft.workflows.predict import AnyClassifier, check_apart, load_classifier
from photograft.workflows.unlabelled import read_unlabelled

_FIX = "Choose another file with --out."


@dataclass(frozen=True)
class SuggestedPhoto:
    """A photo that is worth a label.

    Attributes:
        name: Of the photo, relative to the folder.
        rank: Its place, from 1: the most useful first.
        reason: Why, in words.
        predicted: The most probable class.
        probability: Of that, in [0, 1].
    """

    name: str
    rank: int
    reason: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class Suggestions:
    """Photos to label next.

    Attributes:
        photos: The most useful first.
        num_wanted: How many were asked for.
        num_photos: How many there are in the folder.
        num_known: How many of them the classifier has learned from already, or from one that is
            near-identical: they are not suggested.
        skipped: How many files were skipped for each reason.
        unreadable: The files and folders that could not be read, with the reason; a folder's name
            ends with ``/``.
        notes: What the user should know of the photos that have labels.
    """

    photos: tuple[SuggestedPhoto, ...]
    num_wanted: int
    num_photos: int
    num_known: int
    skipped: dict[str, int]
    unreadable: tuple[SkippedFile, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        first = f", the first {short(self.photos[0].name, 80)!r}" if self.photos else ""
        return f"Suggestions({len(self.photos):,} of {count(self.num_photos, 'photo')}{first})"

    @property
    def shortfall(self) -> str:
        """Why there are fewer than were asked for; empty where there are not."""
        if len(self.photos) >= self.num_wanted:
            return ""
        if len(self.photos) == self.num_photos:
            return f"There are no more than {count(len(self.photos), 'photo')}"
        if not self.photos:
            return (
                f"None of the {count(self.num_photos, 'photo')} is worth a label: each is known, "
                "or near-identical to one that has a label"
            )
        return (
            f"{len(self.photos):,} of the {self.num_wanted:,} asked for: of the "
            f"{count(self.num_photos, 'photo')}, the others are near-identical to one of these or "
            "to one that has a label"
        )


def suggest(
    classifier: AnyClassifier,
    folder: str | os.PathLike[str],
    *,
    num: int = 50,
    labelled: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    max_pixels: int | None = None,
    store: FeatureStore | None = None,
    progress: Watched = True,
) -> Suggestions:
    """Say which photos to label next: those that it is unsure of, unlike each other.

    Args:
        classifier: Itself, its run, or the folder of either.
        folder: Photos without labels, at any depth; nothing in it is changed.
        num: Photos to suggest, at least 1.
        labelled: What has labels already, as for `train`: its like is not suggested again.
        out: Also write a row per photo to this ``.csv`` file, and one per file or folder that could
            not be read.
        seed: Decides all that is random.
        max_pixels: Photos with more pixels are skipped; as in its training where not given.
        store: Where features are kept; the user's cache where not given.
        progress: Told how far it is.

    Raises:
        InputError: The folder holds no usable photo, or `out` is no table by its name.
        StorageError: The file would lie among the photos, or can't be written.
    """
    out = None if out is None else path_of(out, "the table")
    check_range("num", num, 1, 1_000_000_000, whole=True)
    check_range("seed", seed, 0, 2**32 - 1, whole=True)
    if out is not None:
        if out.suffix.lower() != ".csv":
            raise no_table(out, [".csv"])
        check_apart(out, [folder], option="--out")
        check_file(out, fix=_FIX)
    store, progress = store or FeatureStore(), progress_of(progress)
    loaded = load_classifier(classifier, max_pixels, [folder])
    dataset = read_unlabelled(path_of(folder, "the folder"), loaded.max_pixels, progress)
    dataset, rows, said = score_dataset(loaded, dataset, store, progress)
    if not dataset.photos:
        got = times(dataset.skipped_counts()) or "none"
        raise InputError(
            f"{folder} holds no usable photo", expected="photos, at any depth", got=got
        )
    known = counted = None
    notes: list[str] = []
    if labelled is not None:
        source = Dataset.load(
            labelled, max_pixels=loaded.max_pixels, empty_classes="drop", progress=progress
        )
        source, known_rows, _ = score_dataset(loaded, source, store, progress)
        known = comparable(loaded, known_rows)
        counted = [sum(p.label == name for p in source.photos) for name in loaded.class_names]
        notes = _not_known(source, loaded.class_names)
    distinct = _first_of_each(dataset.photos)
    is_known = _is_known(loaded, dataset.photos, rows)
    distinct = distinct[~is_known[distinct]]
    rows, said = rows[distinct], said[distinct]
    with progress.step("Choosing", 1, "batches") as step:
        found = choose_suggestions(
            comparable(loaded, rows),
            said,
            num=num,
            class_names=loaded.class_names,
            labelled_features=known,
            num_labelled_per_class=counted,
            unlike=_unlike(loaded, rows, said),
            rng=np.random.default_rng(seed),
        )
        step.advance()
    photos = tuple(
        SuggestedPhoto(
            name=dataset.photos[distinct[suggestion.index]].name,
            rank=rank,
            reason=suggestion.reason,
            predicted=loaded.class_names[int(said[suggestion.index].argmax())],
            probability=round(float(said[suggestion.index].max()), 6),
        )
        for rank, suggestion in enumerate(found, start=1)
    )
    unreadable = tuple(file for file in dataset.skipped if file.reason == "unreadable")
    if out is not None:
        _write_csv(out, photos, unreadable)
    return Suggestions(
        photos,
        num,
        len(dataset.photos),
        int(is_known.sum()),
        dataset.skipped_counts(),
        unreadable,
        tuple(notes),
    )


def score_dataset(
    classifier: Classifier, dataset: Dataset, store: FeatureStore, progress: Progress
) -> tuple[Dataset, Floats, Floats]:
    """Return a dataset less the photos that do not decode, their features and probabilities.

    Args:
        classifier: Located. A frozen backbone's rows come from the store; a trained network looks
            at the photos.
        dataset: The photos.
        store: Where features are kept.
        progress: Told how far it is.

    Returns:
        The dataset; float32 rows ``(n, num_features)``, all layers joined; probabilities, float32,
        shape ``(n, num_classes)``.
    """
    dataset, extractor, table = usable(
        classifier, dataset, extractor_of(classifier, store, progress)
    )
    return dataset, *score_with_features(classifier, dataset.photos, extractor, table)


def comparable(classifier: Classifier, rows: Floats) -> Floats:
    """Return rows of length 1 by which photos are compared: of the last layers, each as loud."""
    widths = [layer.num_features for layer in classifier.backbone.layers]
    ends = np.cumsum(widths)
    bounds = np.stack([ends - widths, ends], axis=1)[-3:]
    return unit_rows(rows, bounds)


def _unlike(
    classifier: Classifier, rows: Floats, probabilities: Floats
) -> npt.NDArray[np.bool_] | None:
    """Return whether photos are unlike any class, as `predict` has it; None where it can't tell."""
    scores = classifier.ood_scores(rows, probabilities)
    if (
        scores is None
        or classifier.uncertainty is None
        or classifier.uncertainty.ood_detector is None
    ):
        return None
    return scores > classifier.uncertainty.ood_detector.threshold()


def _is_known(
    classifier: Classifier, photos: Sequence[Photo], rows: Floats
) -> npt.NDArray[np.bool_]:
    """Return whether a classifier has learned from photos, or from near-identical ones."""
    known = np.zeros(len(photos), np.bool_)
    if classifier.learned is not None:
        known |= classifier.learned.parts([photo.digest for photo in photos]) != ""
    if classifier.reference is not None:
        known |= classifier.reference.has_like(rows[:, classifier.last_columns()])
    return known


def _first_of_each(photos: Sequence[Photo]) -> npt.NDArray[np.intp]:
    """Return the index of the first photo of each content."""
    first: dict[bytes, int] = {}
    for i, photo in enumerate(photos):
        first.setdefault(photo.digest, i)
    return np.array(list(first.values()), np.intp)


def _not_known(source: Dataset, class_names: Sequence[str]) -> list[str]:
    """Return a note for each label that is no class of the classifier's."""
    return [
        f"{count(number, 'labelled photo')} of {label!r}, which the classifier does not know. "
        f"{did_you_mean(label, class_names)}".strip()
        for label, number in source.class_counts().items()
        if label not in class_names
    ]


def _write_csv(
    path: Path, photos: Sequence[SuggestedPhoto], unreadable: Sequence[SkippedFile]
) -> None:
    columns = [*(field.name for field in fields(SuggestedPhoto)), "error"]
    with new_csv(path, columns, fix=_FIX, keys=("name",)) as write:
        for photo in photos:
            write(asdict(photo))
        for file in unreadable:
            write({"name": file.name, "error": f"{file.reason}: {file.detail}"})
