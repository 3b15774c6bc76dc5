"""What a saved classifier carries of its held-out photos: enough for any later target.

Which accuracy abstaining is to reach, or which coverage sets of classes are to have, is said when
photos are classified, not in training. Three numbers per held-out photo answer for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from photograft.classifier.uncertainty.abstaining import Abstention, choose_threshold
from photograft.classifier.uncertainty.conformal import ConformalSets, fit_scores, true_scores
from photograft.core.arrays import Floats
from photograft.core.errors import ClassifierError

_NAMES = ("confidence", "right", "score")


@dataclass(frozen=True)
class HeldOutAnswers:
    """How a classifier did on each of some photos that it did not learn from.

    Attributes:
        confidence: Probability of the predicted class, float32, shape ``(n,)``; n may be 0.
        right: Whether that class is right, shape ``(n,)``.
        score: The conformal score of the right class (`conformal.true_scores`), float32, shape
            ``(n,)``.
        source: What the photos are, such as ``"1,000 validation photos"``.
    """

    confidence: Floats
    right: npt.NDArray[np.bool_]
    score: Floats
    source: str

    @classmethod
    def of(
        cls,
        probabilities: npt.NDArray[np.floating[Any]],
        labels: npt.NDArray[np.int64],
        source: str,
    ) -> Self:
        """Return what is carried of some held-out photos.

        Args:
            probabilities: As the saved head gives them, calibrated where it is, shape
                ``(n, num_classes)``. Each photo once: of several repeats of out-of-fold ones, one.
            labels: Class indices, shape ``(n,)``.
            source: What the photos are.

        Raises:
            InputError: The shapes do not fit together, or a label has no probability.
        """
        score = true_scores(probabilities, labels)
        return cls(
            probabilities.max(axis=1).astype(np.float32),
            probabilities.argmax(axis=1) == labels,
            score,
            source,
        )

    def abstention(self, min_accuracy: float) -> Abstention:
        """Return the confidence from which on answers are right so often.

        Raises:
            InputError: There are no photos, or the target is out of its range.
        """
        return choose_threshold(self.confidence, self.right, min_accuracy)

    def curve(self, num_points: int = 50) -> list[tuple[float, float, float]]:
        """Return how often answers are right where the least sure ones are left out.

        Args:
            num_points: At most so many.

        Returns:
            The share that is answered, the accuracy of those answers, and the confidence from which
            on they are given; all answers last.
        """
        order = np.argsort(-self.confidence, kind="stable")
        ranked, hits = self.confidence[order], np.cumsum(self.right[order])
        # Photos of the same confidence are answered together.
        ends = np.flatnonzero(ranked != np.append(ranked[1:], -1))
        places = np.linspace(0, len(ends) - 1, min(num_points, len(ends))).astype(np.intp)
        return [
            ((i + 1) / len(ranked), float(hits[i]) / (i + 1), float(ranked[i]))
            for i in ends[np.unique(places)].tolist()
        ]

    def sets(self, coverage: float) -> ConformalSets:
        """Return how to make sets that hold the right class so often.

        Raises:
            InputError: The coverage is out of its range.
        """
        return fit_scores(self.score, coverage)

    def tensors(self) -> dict[str, Floats]:
        """Return the numbers by name, for a file: float32, each of shape ``(n,)``."""
        return {
            f"held_out.{name}": np.ascontiguousarray(getattr(self, name), dtype=np.float32)
            for name in _NAMES
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Floats], source: str) -> Self:
        """Return what `tensors` gave; others among them are passed over.

        Raises:
            ClassifierError: One is missing, or they can't be what was written.
        """
        found = [tensors.get(f"held_out.{name}") for name in _NAMES]
        confidence, right, score = found
        if confidence is None or right is None or score is None:
            raise ClassifierError(
                "the held-out answers of this classifier are incomplete",
                fix="Copy its folder again, or train again.",
            )
        shapes = {part.shape for part in (confidence, right, score)}
        values = np.concatenate([confidence.ravel(), right.ravel(), score.ravel()])
        is_share = bool(np.all((values >= 0) & (values <= 1)))  # which no NaN is
        if len(shapes) > 1 or confidence.ndim != 1 or not is_share:
            raise ClassifierError(
                "the held-out answers of this classifier are not as they were written",
                expected="three rows of numbers from 0 to 1",
                got=f"shapes {', '.join(map(str, sorted(shapes)))}",
                fix="Copy its folder again, or train again.",
            )
        return cls(confidence.astype(np.float32), right > 0.5, score.astype(np.float32), source)
