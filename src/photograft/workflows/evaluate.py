"""Scoring a classifier on labelled photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.classifier.scoring import extractor_of, score, usable
from photograft.classifier.uncertainty.conformal import check
from photograft.classifier.uncertainty.uncertainty import Rules
from photograft.core.bars import progress_of
from photograft.core.errors import DatasetError
from photograft.core.progress import Watched
from photograft.core.statistics import wilson_interval
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.loading import Source
from photograft.evaluation.metrics import Evaluation, evaluate_probabilities
from photograft.workflows.predict import AnyClassifier, load_classifier, read_rules


@dataclass(frozen=True)
class Evaluated:
    """How a classifier did on labelled photos.

    Attributes:
        scores: Its scores on all of them.
        dataset: The photos.
        asked: How it did by the rules that were asked for, as plain JSON types: ``"answered"``:
            accuracy and share of the photos that it answered, each with its 95 % interval;
            ``"sets"``: how often the sets of classes held the right one, and their mean size.
    """

    scores: Evaluation
    dataset: Dataset
    asked: dict[str, Any]


def evaluate(
    classifier: AnyClassifier,
    source: Source,
    *,
    min_accuracy: float | None = None,
    coverage: float | None = None,
    store: FeatureStore | None = None,
    progress: Watched = True,
) -> Evaluated:
    """Score a classifier on labelled photos: all of the source's, whatever split it gives.

    Args:
        classifier: Itself, its run, or the folder of either.
        source: As in `train`; its class names must be among the classifier's.
        min_accuracy: Also score what is answered where so many answers are to be right.
        coverage: Also score sets of classes that are to hold the right one so often.
        store: Where features are kept; the user's cache where not given.
        progress: Told how far it is.

    Raises:
        InputError: The classifier carries nothing to tell by what is asked.
        DatasetError: The source has no usable photo, or classes that the classifier does not know.
    """
    store, progress = store or FeatureStore(), progress_of(progress)
    loaded = load_classifier(classifier)
    rules = read_rules(loaded, min_accuracy=min_accuracy, coverage=coverage)
    dataset = Dataset.load(source, max_pixels=loaded.max_pixels, progress=progress)
    dataset, extractor, table = usable(loaded, dataset, extractor_of(loaded, store, progress))
    if not dataset.photos:
        raise DatasetError(f"{dataset.source} has no usable photo")
    unknown = [name for name in dataset.class_names if name not in loaded.class_names]
    if unknown:
        raise DatasetError(
            f"{dataset.source} has classes that the classifier does not know",
            expected=", ".join(loaded.class_names[:20]),
            got=", ".join(unknown[:20]),
        )
    names = np.array([loaded.class_names.index(p.label) for p in dataset.photos], np.int64)
    majority = loaded.trained.get("majority_class")
    if majority not in loaded.class_names:
        majority = loaded.class_names[int(np.bincount(names).argmax())]
    probabilities = score(loaded, dataset.photos, extractor, table)
    scores = evaluate_probabilities(
        probabilities, names, loaded.class_names, loaded.class_names.index(majority)
    )
    return Evaluated(scores, dataset, _asked(rules, probabilities, names))


def _asked(
    rules: Rules, probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Return how photos fare by rules, as plain JSON types."""
    found: dict[str, Any] = {}
    n = len(labels)
    if rules.confidence is not None:
        answered = probabilities.max(axis=1) >= rules.confidence
        num_right = int((answered & (probabilities.argmax(axis=1) == labels)).sum())
        count = int(answered.sum())
        found["answered"] = {
            "confidence": rules.confidence,
            "accuracy": num_right / count if count else None,
            "accuracy_interval": list(wilson_interval(num_right, count)) if count else None,
            "share": count / n,
            "share_interval": list(wilson_interval(count, n)),
        }
    if rules.sets is not None:
        found["sets"] = check(rules.sets.sets(probabilities), labels).to_json()
    return found
