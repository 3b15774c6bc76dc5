"""Scoring a classifier on labelled photos."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.classifier.classifier import Classifier
from photograft.classifier.scoring import extractor_of, score_and_compare, usable
from photograft.classifier.uncertainty.conformal import check
from photograft.classifier.uncertainty.uncertainty import Rules
from photograft.core.bars import progress_of
from photograft.core.errors import DatasetError, did_you_mean
from photograft.core.executors.choosing import OFF, executing
from photograft.core.progress import Watched
from photograft.core.statistics import wilson_interval
from photograft.core.store import FeatureStore
from photograft.core.text import count
from photograft.data.dataset import Dataset
from photograft.data.empty_classes import nothing_usable
from photograft.data.loading import Source
from photograft.evaluation.metrics import Evaluation, evaluate_probabilities
from photograft.features.extractor import Extractor
from photograft.workflows.predict import AnyClassifier, load_classifier, read_rules

#: Share of photos that are near-identical to training photos, from which on that is worth a word:
#: a few are by chance.
_MANY_ALIKE = 0.05

_NOT_KNOWN = (
    "The classifier does not say which photos it learned from, since an older version wrote it. On "
    "photos that it has learned from, scores are too good."
)


@dataclass(frozen=True)
class Evaluated:
    """How a classifier did on labelled photos.

    Attributes:
        scores: Its scores on those that it has not learned from: the figures that count. None
            where it has learned from all of them. Where `is_known` is false, on all.
        trained_on: Its scores on those that it was fitted on, which are too good; None without any.
        chosen_by: Its scores on those by which settings, calibration and thresholds were chosen
            (the validation photos), which are a little too good; None without any.
        num_alike: Photos of `scores` that are near-identical to one that it was trained on (as far
            as it carries those along): copies that were saved anew, or cropped a little.
        is_known: Whether the classifier knows what it learned from; those of older versions do not.
        dataset: The photos, all of them.
        asked: How it did on the photos of `scores` by the rules that were asked for, as plain JSON
            types: ``"answered"``: accuracy and share of the photos that it answered, each with its
            95 % interval; ``"sets"``: how often the sets of classes held the right one, and their
            mean size.
    """

    scores: Evaluation | None
    trained_on: Evaluation | None
    chosen_by: Evaluation | None
    num_alike: int
    is_known: bool
    dataset: Dataset
    asked: dict[str, Any]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be known before any figure is believed, a sentence or two each."""
        found = [_on_what_it_learned_from(self)] if self.is_known else [_NOT_KNOWN]
        num_photos = self.scores.num_photos if self.scores else 0
        if self.num_alike >= max(2, _MANY_ALIKE * num_photos):
            found.append(
                f"{self.num_alike:,} of the {count(num_photos, 'photo')} that count are "
                "near-identical to training photos: where they are copies, the score is too good."
            )
        return tuple(sentence for sentence in found if sentence)

    def parts(self) -> dict[str, Evaluation]:
        """Return the scores of what there is of new photos, validation and training, by name."""
        found = {
            "new" if self.trained_on or self.chosen_by else "all": self.scores,
            "validation": self.chosen_by,
            "trained on": self.trained_on,
        }
        return {name: part for name, part in found.items() if part is not None}

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON types: scores as of `Evaluation`, null where there are none."""
        nothing = {**dict.fromkeys(field.name for field in fields(Evaluation)), "num_photos": 0}
        return {
            **(self.scores.to_json() if self.scores else nothing),
            **self.asked,
            "trained_on": self.trained_on.to_json() if self.trained_on else None,
            "chosen_by": self.chosen_by.to_json() if self.chosen_by else None,
            "num_alike": self.num_alike,
            "is_known": self.is_known,
            "warnings": list(self.warnings),
        }


def evaluate(
    classifier: AnyClassifier,
    source: Source,
    *,
    min_accuracy: float | None = None,
    coverage: float | None = None,
    empty_classes: str = "error",
    max_pixels: int | None = None,
    store: FeatureStore | None = None,
    progress: Watched = True,
    ray: str = OFF,
) -> Evaluated:
    """Score a classifier on labelled photos: all of the source's, whatever split it gives.

    Those that it has learned from, told by their content, are scored apart.

    Args:
        classifier: Itself, its run, or the folder of either.
        source: As in `train`; its class names must be among the classifier's.
        min_accuracy: Also score what is answered where so many answers are to be right.
        coverage: Also score sets of classes that are to hold the right one so often.
        empty_classes: Where no photo of a class can be used, ``"error"``, or ``"drop"`` it.
        max_pixels: Photos with more pixels are skipped; as in its training where not given.
        store: Where features are kept; the user's cache where not given.
        progress: Told how far it is.
        ray: What looks at the photos: ``"off"``, this process; ``"local"``, a Ray cluster that is
            started here; ``"auto"``, or an address, one that runs. The result is the same.

    Raises:
        InputError: The classifier carries nothing to tell by what is asked.
        DatasetError: The source has no usable photo, or classes that the classifier does not know.
    """
    store, progress = store or FeatureStore(), progress_of(progress)
    loaded = load_classifier(classifier, max_pixels, [source])
    rules = read_rules(loaded, min_accuracy=min_accuracy, coverage=coverage)
    dataset = Dataset.load(
        source, max_pixels=loaded.max_pixels, empty_classes=empty_classes, progress=progress
    )
    with executing(ray):
        return _scored(loaded, dataset, rules, extractor_of(loaded, store, progress))


def _scored(loaded: Classifier, dataset: Dataset, rules: Rules, extractor: Extractor) -> Evaluated:
    dataset, extractor, table = usable(loaded, dataset, extractor)
    if not dataset.photos:
        raise nothing_usable(dataset.source, dataset.skipped_counts())
    unknown = [name for name in dataset.class_names if name not in loaded.class_names]
    if unknown:
        raise DatasetError(
            f"{dataset.source} has classes that the classifier does not know",
            expected=", ".join(loaded.class_names[:20]),
            got=", ".join(unknown[:20]),
            fix=did_you_mean(unknown[0], loaded.class_names) if len(unknown) == 1 else "",
        )
    labels = np.array([loaded.class_names.index(p.label) for p in dataset.photos], np.int64)
    majority = loaded.trained.get("majority_class")
    if majority not in loaded.class_names:
        majority = loaded.class_names[int(np.bincount(labels).argmax())]
    probabilities, alike = score_and_compare(loaded, dataset.photos, extractor, table)
    parts = np.full(len(labels), "")
    if loaded.learned is not None:
        parts = loaded.learned.parts([photo.digest for photo in dataset.photos])

    def scores_of(part: str) -> Evaluation | None:
        rows = parts == part
        if not rows.any():
            return None
        return evaluate_probabilities(
            probabilities[rows],
            labels[rows],
            loaded.class_names,
            loaded.class_names.index(majority),
        )

    is_new = parts == ""
    return Evaluated(
        scores=scores_of(""),
        trained_on=scores_of("train"),
        chosen_by=scores_of("validation"),
        num_alike=int((alike & is_new).sum()),
        is_known=loaded.learned is not None,
        dataset=dataset,
        asked=_asked(rules, probabilities[is_new], labels[is_new]) if is_new.any() else {},
    )


def _on_what_it_learned_from(found: Evaluated) -> str:
    """Return what to say of photos that the classifier has learned from; nothing without any."""
    parts = []
    num_photos = len(found.dataset.photos)
    if found.trained_on and found.trained_on.num_photos == num_photos:
        return (
            f"The classifier was trained on all of these {count(num_photos, 'photo')}: "
            "no honest score can be had from them. Evaluate on photos that it has not seen."
        )
    if found.trained_on:
        parts.append(f"it was trained on {found.trained_on.num_photos:,}")
    if found.chosen_by:
        parts.append(f"its settings were chosen by {found.chosen_by.num_photos:,} (validation)")
    if not parts:
        return ""
    those = f"Of the {count(num_photos, 'photo')}, {' and '.join(parts)}"
    if found.scores is None:
        return (
            f"{those}: none is new to the classifier, and no honest score can be had from them. "
            "Evaluate on photos that it has not seen."
        )
    return (
        f"{those}: scores on those are too good. What counts is the score on the "
        f"{count(found.scores.num_photos, 'photo')} that it has not learned from."
    )


def _asked(
    rules: Rules, probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Return how photos fare by rules, as plain JSON types."""
    found: dict[str, Any] = {}
    n = len(labels)
    if rules.confidence is not None:
        answered = probabilities.max(axis=1) >= rules.confidence
        num_right = int((answered & (probabilities.argmax(axis=1) == labels)).sum())
        num_answered = int(answered.sum())
        found["answered"] = {
            "confidence": rules.confidence,
            "accuracy": num_right / num_answered if num_answered else None,
            "accuracy_interval": list(wilson_interval(num_right, num_answered))
            if num_answered
            else None,
            "share": num_answered / n,
            "share_interval": list(wilson_interval(num_answered, n)),
        }
    if rules.sets is not None:
        found["sets"] = check(rules.sets.sets(probabilities), labels).to_json()
    return found
