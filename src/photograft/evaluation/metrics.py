"""How good the probabilities are: scores with intervals, per class and overall, and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.core.statistics import expected_calibration_error, wilson_interval
from photograft.core.text import count, number, with_interval

#: Probabilities are kept from 0 by this much in the log loss, so that one mistake stays finite.
_EPSILON = 1e-7

#: Top-5 accuracy says something only where there are more classes than this.
_TOP_5_CLASSES = 10


@dataclass(frozen=True)
class Evaluation:
    """The scores of probabilities on labelled photos.

    Attributes:
        num_photos: Photos that were scored.
        accuracy: Share of photos whose most probable class is right, in [0, 1].
        accuracy_interval: Its 95 % Wilson interval.
        baseline_accuracy: What always saying the commonest training class would reach.
        top_5_accuracy: Share of photos whose class is among the five most probable; None for ten
            classes or fewer.
        macro_f1: Mean F1 over the classes that occur or are predicted.
        log_loss: Mean negative log probability of the right class, in nats.
        expected_calibration_error: Mean gap between confidence and accuracy, in [0, 1].
        classes: Per class: name, precision, recall, f1, support. Precision and recall are None
            where they have no meaning: nothing predicted, or no such photo.
        confusion: Photo counts, shape ``(num_classes, num_classes)``: rows are the true classes.
    """

    num_photos: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    baseline_accuracy: float
    top_5_accuracy: float | None
    macro_f1: float
    log_loss: float
    expected_calibration_error: float
    classes: tuple[dict[str, Any], ...]
    confusion: npt.NDArray[np.int64]

    def __repr__(self) -> str:
        return (
            f"Evaluation({count(self.num_photos, 'photo')}, "
            f"accuracy {with_interval(self.accuracy, self.accuracy_interval)}, "
            f"macro-F1 {number(self.macro_f1)}, log loss {number(self.log_loss)})"
        )

    @classmethod
    def from_json(cls, scores: Mapping[str, Any]) -> Evaluation:
        """Return the evaluation of which `to_json` gave these scores.

        Raises:
            KeyError: One is missing.
            ValueError: One is of another form.
        """
        low, high = scores["accuracy_interval"]
        confusion = np.array(scores["confusion"], np.int64)
        if confusion.shape != (len(scores["classes"]),) * 2:
            raise ValueError(f"a confusion matrix of shape {confusion.shape}")
        names = (field.name for field in fields(cls))
        return cls(
            **{
                **{name: scores[name] for name in names},
                "accuracy_interval": (low, high),
                "classes": tuple(scores["classes"]),
                "confusion": confusion,
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return the scores as plain JSON types."""
        return {
            "num_photos": self.num_photos,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "baseline_accuracy": self.baseline_accuracy,
            "top_5_accuracy": self.top_5_accuracy,
            "macro_f1": self.macro_f1,
            "log_loss": self.log_loss,
            "expected_calibration_error": self.expected_calibration_error,
            "classes": list(self.classes),
            "confusion": self.confusion.tolist(),
        }


def evaluate_probabilities(
    probabilities: npt.NDArray[np.floating[Any]],
    labels: npt.NDArray[np.int64],
    class_names: tuple[str, ...],
    majority: int,
) -> Evaluation:
    """Score probabilities against the truth.

    Args:
        probabilities: Shape ``(n, num_classes)``, rows summing to 1, n at least 1.
        labels: True class indices, shape ``(n,)``.
        class_names: Of the columns.
        majority: The class that is commonest in training: the baseline always answers it.
    """
    n, num_classes = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    num_right = int(np.trace(confusion))
    own = probabilities[np.arange(n), labels].astype(np.float64)
    classes = tuple(_class_scores(confusion, c, name) for c, name in enumerate(class_names))
    present = [row["f1"] for row in classes if row["f1"] is not None]
    return Evaluation(
        num_photos=n,
        accuracy=num_right / n,
        accuracy_interval=wilson_interval(num_right, n),
        baseline_accuracy=float(np.mean(labels == majority)),
        top_5_accuracy=_top_accuracy(own, probabilities, 5)
        if num_classes > _TOP_5_CLASSES
        else None,
        macro_f1=float(np.mean(present)),
        log_loss=float(-np.log(np.clip(own, _EPSILON, 1)).mean()),
        expected_calibration_error=expected_calibration_error(
            probabilities.max(axis=1), predicted == labels
        ),
        classes=classes,
        confusion=confusion,
    )


def _top_accuracy(
    own: npt.NDArray[np.float64], probabilities: npt.NDArray[np.floating[Any]], top: int
) -> float:
    return float(np.mean((probabilities > own[:, None]).sum(axis=1) < top))


def _class_scores(confusion: npt.NDArray[np.int64], c: int, name: str) -> dict[str, Any]:
    right = int(confusion[c, c])
    support, predicted = int(confusion[c].sum()), int(confusion[:, c].sum())
    return {
        "name": name,
        "precision": right / predicted if predicted else None,
        "recall": right / support if support else None,
        # As in scikit-learn, a class that neither occurs nor is predicted has no F1.
        "f1": 2 * right / (support + predicted) if support + predicted else None,
        "support": support,
    }


@dataclass(frozen=True)
class Scored:
    """Photos, their true classes, and what a classifier makes of them.

    Attributes:
        indices: Into ``dataset.photos``, shape ``(n,)``.
        labels: Indices into the classifier's class names, shape ``(n,)``.
        probabilities: Float32, shape ``(n, num_classes)``.
        evaluation: Their scores.
    """

    indices: npt.NDArray[np.intp]
    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    evaluation: Evaluation
