"""From labelled photos that were looked at to a classifier, in a moment, and what it thinks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.classifier.classifier import Classifier
from photograft.classifier.learned import Learned
from photograft.classifier.reference import Reference
from photograft.classifier.suggestion import choose_suggestions
from photograft.classifier.uncertainty.held_out import HeldOutAnswers
from photograft.classifier.uncertainty.ood_fitting import fit_ood_detector
from photograft.classifier.uncertainty.uncertainty import Uncertainty
from photograft.core.statistics import wilson_interval
from photograft.core.text import count, listed
from photograft.data.dataset import Dataset, Photo
from photograft.data.groups import content_groups
from photograft.features.similarity import choose_rows
from photograft.learning.head.refitting import Refitted, class_probabilities, refit
from photograft.workflows.studio.looking import Looks
from photograft.workflows.studio.view import Snapshot

#: Photos that a class needs before it is learned: one to learn from, one to see by.
LEAST_PHOTOS = 2
#: Photos that are proposed as the most useful ones; those behind them stand by their doubt.
_PROPOSED = 60
#: Photos without a label that are compared with each other for that.
_MOST_COMPARED = 6000
#: Photos by which it is told what is unknown, and that are compared with: found in a moment.
_MOST_KNOWN = 1500


@dataclass(frozen=True, eq=False)
class Fit:
    """A classifier that was fitted, and what it thinks.

    Attributes:
        classifier: In memory; see `Live.whole` for one that knows what is unknown to it.
        photos: What it learned from, in the order of `labels`.
        labels: Class indices, shape ``(n,)``.
        groups: Shape ``(n,)``.
        refitted: Its head, and what held-out heads say of the photos.
        guesses: The most likely class of every photo that was looked at, and its probability; of
            those that have a label as if it were not known.
        revision: Of the project.
    """

    classifier: Classifier
    photos: tuple[Photo, ...]
    labels: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    refitted: Refitted
    guesses: dict[str, tuple[str, float]]
    revision: int

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether held-out heads are right about each of the photos, shape ``(n,)``."""
        found: npt.NDArray[np.bool_] = self.refitted.log_probs.argmax(axis=1) == self.labels
        return found

    def scores(self) -> dict[str, Any]:
        """Return accuracy, its interval, and how each class does, as plain JSON types."""
        right, numbers = self.right, np.bincount(self.labels)
        recalls = np.bincount(self.labels, weights=right) / numbers
        rows = zip(self.classifier.class_names, numbers.tolist(), recalls.tolist(), strict=True)
        return {
            "accuracy": float(right.mean()),
            "interval": list(wilson_interval(int(right.sum()), len(right))),
            "per_class": [
                {"name": name, "num_photos": number, "recall": recall}
                for name, number, recall in rows
            ],
        }


def fit_photos(looks: Looks, snapshot: Snapshot, photos: Sequence[Photo]) -> Fit:
    """Fit a classifier.

    Args:
        looks: Updated.
        snapshot: All photos.
        photos: The labelled ones that were looked at, of two classes at least.
    """
    dataset = Dataset("studio", "memory", tuple(photos), (), (), empty_classes="drop")
    names, labels, groups = dataset.class_names, dataset.labels, content_groups(dataset)
    keys, directions = [photo.digest for photo in photos], looks.directions
    found = refit(directions, looks.rows(photos), labels, groups, keys)
    extractor = looks.extractor
    layers = extractor.backbone.layers
    classifier = Classifier(
        class_names=names,
        backbone=extractor.backbone,
        engine=extractor.engine,
        layers=tuple(layer.name for layer in layers if layer.name in directions.layers),
        head=found.head,
        trained={"num_train": len(photos)},
        weights_path=extractor.path,
        learned=Learned.of(keys),
    )
    known = {photo.name for photo in photos}
    others, rows = looks.rows_of([i for i in snapshot.ids if i not in known])
    thoughts = _thoughts(others, class_probabilities(found.solution, rows), names)
    thoughts |= _thoughts([photo.name for photo in photos], np.exp(found.log_probs), names)
    return Fit(classifier, tuple(photos), labels, groups, found, thoughts, snapshot.revision)


def most_useful(looks: Looks, fit: Fit, snapshot: Snapshot) -> list[str]:
    """Return the photos without a label: those to propose first, then the others by their doubt.

    Args:
        looks: Those that the classifier was fitted on.
        fit: The classifier.
        snapshot: All photos.
    """
    pairs = zip(snapshot.ids, snapshot.labels, strict=True)
    ids, rows = looks.rows_of([photo_id for photo_id, label in pairs if label is None])
    if not ids:
        return []
    said = class_probabilities(fit.refitted.solution, rows)
    top = np.partition(said, -2, axis=1)[:, -2:]
    by_doubt = np.argsort(top[:, 1] - top[:, 0], kind="stable")
    rng = np.random.default_rng(0)
    some = by_doubt
    if len(ids) > _MOST_COMPARED:  # the most doubtful, and as many of the others by chance
        half = _MOST_COMPARED // 2
        some = np.concatenate([by_doubt[:half], rng.permutation(by_doubt[half:])[:half]])
    found = choose_suggestions(
        rows[some, 1:],
        said[some],
        num=_PROPOSED,
        class_names=fit.classifier.class_names,
        labelled_features=looks.rows(fit.photos)[:, 1:],
        num_labelled_per_class=np.bincount(fit.labels).tolist(),
        rng=rng,
    )
    first = [int(some[suggestion.index]) for suggestion in found]
    return [ids[i] for i in dict.fromkeys([*first, *by_doubt.tolist()])]


def completed(looks: Looks, fit: Fit) -> Classifier:
    """Return a classifier with what is unknown to it, and with photos to compare with.

    Args:
        looks: Those that it was fitted on.
        fit: The classifier.
    """
    rng = np.random.default_rng(0)
    chosen = choose_rows(fit.labels, rng, _MOST_KNOWN)
    photos = [fit.photos[i] for i in chosen.tolist()]
    features, log_probs = looks.features(photos), fit.refitted.log_probs
    detector = fit_ood_detector(
        features,
        fit.labels[chosen],
        fit.groups[chosen],
        log_probs[chosen],
        widths=[layer.num_features for layer in fit.classifier.backbone.layers],
        rng=rng,
    )
    source = f"{count(len(fit.photos), 'labelled photo')}, held out in turn"
    held_out = HeldOutAnswers.of(np.exp(log_probs), fit.labels, source)
    own = features[:, fit.classifier.last_columns()]
    names = [photo.name for photo in photos]
    return replace(
        fit.classifier,
        uncertainty=Uncertainty(held_out, detector),
        reference=Reference.fit(own, fit.labels[chosen], names, rng=rng),
    )


def lacking(snapshot: Snapshot) -> str:
    """Return what is missing of labels before anything can be learned; empty for nothing."""
    numbers: dict[str, int] = dict.fromkeys(snapshot.class_names, 0)
    for label in snapshot.labels:
        if label is not None:
            numbers[label] = numbers.get(label, 0) + 1
    if sum(number >= LEAST_PHOTOS for number in numbers.values()) >= 2:
        return ""
    if len(numbers) < 2:
        return "Make two classes, and give each two photos at least."
    few = [name for name, number in numbers.items() if number < LEAST_PHOTOS]
    return f"Two classes with two photos each are needed; there are fewer of {listed(few)}."


def _thoughts(
    ids: Sequence[str], probabilities: npt.NDArray[np.float32], class_names: Sequence[str]
) -> dict[str, tuple[str, float]]:
    """Return the most likely class of photos, and its probability."""
    if not ids:
        return {}
    best, top = probabilities.argmax(axis=1).tolist(), probabilities.max(axis=1).tolist()
    return {i: (class_names[c], p) for i, c, p in zip(ids, best, top, strict=True)}
