"""Classes that are hard to tell apart, from predictions on photos that were held out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Floats
from photograft.core.errors import InputError
from photograft.core.statistics import wilson_interval

#: The share of two classes' photos that may be mistaken for one another without it being said.
USUAL = 0.02

#: The probability of naming any pair at all if none were confused more than that.
_FALSE_ALARM = 0.05


@dataclass(frozen=True)
class HardPair:
    """Two classes that are mistaken for one another.

    Attributes:
        first: The class whose photos are taken for the other more often.
        second: The other class.
        num_confused: Photos of either that were taken for the other.
        share: Of both classes' photos, in [0, 1].
        interval: Its 95 % Wilson interval.
    """

    first: str
    second: str
    num_confused: int
    share: float
    interval: tuple[float, float]


def hard_pairs(
    log_probabilities: Floats, labels: npt.NDArray[np.int64], class_names: Sequence[str]
) -> list[HardPair]:
    """Return the pairs of classes that are confused beyond noise, the hardest first.

    A pair is named where so many confused photos would hardly be seen if no more than one in fifty
    were confused: an exact binomial test, with Bonferroni's correction for the number of pairs.

    Args:
        log_probabilities: Out-of-fold, natural logarithms, shape ``(n, r, num_classes)``; a photo
            is taken for the class that is most probable on average over the repeats.
        labels: Class indices, shape ``(n,)``.
        class_names: Of the classes.

    Raises:
        InputError: Shapes that do not fit.
    """
    num_classes = len(class_names)
    if log_probabilities.ndim != 3 or log_probabilities.shape[::2] != (len(labels), num_classes):
        raise InputError(
            "hard pairs can't be looked for",
            expected=f"log-probabilities of shape ({len(labels)}, repeats, {num_classes})",
            got=str(log_probabilities.shape),
        )
    predicted = log_probabilities.mean(axis=1, dtype=np.float64).argmax(axis=1)
    confusion = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    counts = confusion.sum(axis=1)
    # Every two classes that have photos are tried, also those that nobody confuses.
    num_pairs = max(1, math.comb(int(np.count_nonzero(counts)), 2))
    found = []
    for a, b in combinations(range(num_classes), 2):
        confused, total = int(confusion[a, b] + confusion[b, a]), int(counts[a] + counts[b])
        # A class that has no photos would take the other's name in vain.
        if not (confused and counts[a] and counts[b]):
            continue
        if at_least(confused, total, USUAL) * num_pairs >= _FALSE_ALARM:
            continue
        if confusion[b, a] * counts[a] > confusion[a, b] * counts[b]:
            a, b = b, a
        interval = wilson_interval(confused, total)
        pair = HardPair(class_names[a], class_names[b], confused, confused / total, interval)
        found.append(pair)
    return sorted(found, key=lambda pair: (-pair.share, pair.first, pair.second))


def at_least(num: int, total: int, probability: float) -> float:
    """Return the probability that `num` or more of `total` photos are hit, each with `probability`.

    >>> round(at_least(2, 2, 0.5), 6), at_least(0, 7, 0.1)
    (0.25, 1.0)
    """
    if num <= 0:
        return 1.0
    hit, miss = math.log(probability), math.log1p(-probability)
    ways = math.lgamma(total + 1)
    terms = (
        math.exp(
            ways - math.lgamma(k + 1) - math.lgamma(total - k + 1) + k * hit + (total - k) * miss
        )
        for k in range(num, total + 1)
    )
    return min(1.0, math.fsum(terms))
