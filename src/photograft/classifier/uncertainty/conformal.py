"""Sets of classes that hold the right one as often as is asked: split conformal prediction.

Vovk, Gammerman & Shafer (2005), "Algorithmic learning in a random world". The score of a class is
1 minus its probability, which gives the smallest sets on average (least ambiguous set-valued
classifiers: Sadinle, Lei & Wasserman, 2019, arXiv:1609.00451); that of the most probable class is
0, so that it is always in and no set is empty. Adaptive sets (Romano et al., 2020,
arXiv:2006.02544) even out the coverage between easy and hard photos, at the price of larger sets,
and need a random number per photo to keep to the coverage: the same photo would get another set on
another day.

With n held-out photos the coverage of new ones, drawn alike, is at least what was asked, on average
over such draws. It is more than that where the most probable class alone is right more often than
was asked: no set can then be smaller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Floats
from photograft.core.errors import InputError
from photograft.core.schema import Schema
from photograft.core.statistics import wilson_interval
from photograft.core.text import exact_percent

#: The one method that there is, as it is called where it is recorded.
METHOD = "least ambiguous, the most probable class always in"


@dataclass(frozen=True)
class ConformalSets(Schema):
    """How sets are made.

    Attributes:
        threshold: Classes whose score is at most this are in: 0 for the most probable one alone, 1
            for all.
        coverage: The share of photos whose set is to hold the right class, in (0, 1).
        num_photos: Held-out photos that the threshold comes from.
        method: `METHOD`.
    """

    threshold: float
    coverage: float
    num_photos: int
    method: str = METHOD

    @property
    def is_enough(self) -> bool:
        """Whether there are enough held-out photos; where not, every set holds all classes."""
        return self.num_photos >= fewest_photos(self.coverage)

    @property
    def sentence(self) -> str:
        """What the sets are worth, for users."""
        if not self.is_enough:
            missing = fewest_photos(self.coverage) - self.num_photos
            return (
                "Too few photos were held out to leave classes out and keep the right one for "
                f"{exact_percent(self.coverage)} of photos: all come into question until there are "
                f"{missing:,} more."
            )
        return (
            "Asked for all classes that come into question, it has the right one among them for "
            f"at least {exact_percent(self.coverage)} of photos like those held out."
        )

    def sets(self, probabilities: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.bool_]:
        """Return which classes are in each photo's set, shape ``(n, num_classes)``.

        Args:
            probabilities: Shape ``(n, num_classes)``.
        """
        found: npt.NDArray[np.bool_] = _scores(probabilities) <= np.float32(self.threshold)
        return found


@dataclass(frozen=True)
class Check(Schema):
    """What sets are like on photos that they were not made by.

    Attributes:
        coverage: Share of sets that hold the right class.
        interval: Its 95 % Wilson interval.
        mean_size: Mean number of classes in a set.
        num_photos: Photos that were looked at.
    """

    coverage: float
    interval: tuple[float, float]
    mean_size: float
    num_photos: int


def fit_scores(scores: Floats, coverage: float) -> ConformalSets:
    """Return how to make sets that hold the right class as often as is asked.

    Args:
        scores: What `true_scores` gives of photos that the head did not learn from, shape ``(n,)``;
            n may be 0. Each photo once: of several repeats of out-of-fold ones, one.
        coverage: In (0, 1).

    Raises:
        InputError: The coverage is out of its range.
    """
    if not isinstance(coverage, (int, float)) or not 0 < coverage < 1:
        raise InputError(
            "that can't be a coverage", expected="above 0 and below 1", got=str(coverage)
        )
    n, rank = len(scores), _rank(len(scores), coverage)
    threshold = 1.0 if rank > n else float(np.partition(scores, rank - 1)[rank - 1])
    return ConformalSets(threshold, float(coverage), n)


def true_scores(
    probabilities: npt.NDArray[np.floating[Any]], labels: npt.NDArray[np.int64]
) -> Floats:
    """Return the score of each photo's own class: 0 where it is the most probable one, to 1.

    Args:
        probabilities: Shape ``(n, num_classes)``.
        labels: Class indices, shape ``(n,)``.

    Raises:
        InputError: The shapes do not fit together, or a label has no probability.
    """
    _check(probabilities, labels)
    return _scores(probabilities)[np.arange(len(labels)), labels]


def check(sets: npt.NDArray[np.bool_], labels: npt.NDArray[np.int64]) -> Check:
    """Return how often sets hold the right class, and how large they are.

    Args:
        sets: Of photos that they were not made by, shape ``(n, num_classes)``, n at least 1.
        labels: Class indices, shape ``(n,)``.

    Raises:
        InputError: The shapes do not fit together, or there is no photo.
    """
    _check(sets, labels)
    n = len(labels)
    if not n:
        raise InputError("there are no photos to check sets on", expected="at least one")
    num_covered = int(sets[np.arange(n), labels].sum())
    return Check(
        coverage=num_covered / n,
        interval=wilson_interval(num_covered, n),
        mean_size=float(sets.sum(axis=1).mean()),
        num_photos=n,
    )


def fewest_photos(coverage: float) -> int:
    """Return the number of held-out photos below which all classes are in every set.

    >>> fewest_photos(0.95), fewest_photos(0.99)
    (19, 99)
    """
    # The rank is at most n where (n + 1) (1 - coverage) is at least 1.
    return max(math.ceil(1 / (1 - coverage) - 1e-6) - 1, 1)


def _rank(n: int, coverage: float) -> int:
    """Return which of n sorted scores is the threshold, from 1; above n for none of them."""
    rank = math.ceil((n + 1) * coverage - 1e-6)
    return max(rank, 1) if n >= fewest_photos(coverage) else n + 1


def _scores(probabilities: npt.NDArray[np.floating[Any]]) -> Floats:
    """Return every class's score, shape ``(n, num_classes)``, in [0, 1].

    Single precision throughout, so that scores that were saved compare as those that were not.
    """
    p = probabilities.astype(np.float32)
    scores = np.clip(1 - p, 0, 1)
    scores[np.arange(len(p)), p.argmax(axis=1)] = 0
    return scores


def _check(table: npt.NDArray[Any], labels: npt.NDArray[np.int64]) -> None:
    if table.ndim != 2 or table.shape[1] < 1 or labels.shape != table.shape[:1]:
        raise InputError(
            "every photo has a row and a label",
            expected="shapes (n, classes) and (n,)",
            got=f"{table.shape} and {labels.shape}",
        )
    if len(labels) and (labels.min() < 0 or labels.max() >= table.shape[1]):
        raise InputError(
            "a label has no column",
            expected=f"labels from 0 to {table.shape[1] - 1}",
            got=f"{labels.min()} to {labels.max()}",
        )
