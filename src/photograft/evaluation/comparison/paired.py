"""Which of several classifiers is better, tested on the same held-out photos.

Each candidate is cross-validated on the same folds, and two of them are compared photo by photo.
Three things make that harder than it looks:

- The folds' training sets overlap, so that their scores go together. The variance over photos is
  raised by 1 / (k - 1), the ratio of test to training photos, as Nadeau & Bengio (2003, "Inference
  for the generalization error", doi:10.1023/A:1024068626366) do. They take it from the few folds'
  means; here it is that over photos, as Bayle et al. (2020, "Cross-validation confidence intervals
  for test error", arXiv:2007.12671) show to be right, which finds more with as few false alarms.
- Photos of one group are no independent witnesses: their differences are added up first.
- The best of many looks better than it is. Its comparisons with the m others are Bonferroni's, each
  at 5 % / m: so the truly best candidate is called worse in at most 2.5 % of comparisons, however
  many there are (Hsu, 1981, "Simultaneous confidence intervals for all distances from the best").
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photograft.core.statistics import Z95

#: Two-sided level of all comparisons with the best together.
LEVEL = 0.05


#: Whether a photo was classified rightly: 1, 0, or NaN where it was not held out.
Hits = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """One candidate compared with another.

    Attributes:
        difference: Its accuracy minus the other's, on the photos that both were tested on.
        standard_error: Of that.
        interval: Its 95 % interval.
        p_value: Two-sided, of there being no difference.
        num_photos: How many photos both were tested on.
    """

    difference: float
    standard_error: float
    interval: tuple[float, float]
    p_value: float
    num_photos: int


def compare(hits: Hits, others: Hits, groups: npt.NDArray[np.int64], num_folds: int) -> Paired:
    """Compare two candidates that were cross-validated on the same folds.

    Args:
        hits: Of the one in each repeat, shape ``(n, r)``.
        others: Of the other, likewise.
        groups: Photos of one group are one witness, shape ``(n,)``.
        num_folds: Folds of each repeat, at least 2.
    """
    both = ~np.isnan(hits) & ~np.isnan(others)
    num_photos = int(both.any(axis=1).sum())
    if not num_photos:
        return Paired(0.0, math.inf, (-1.0, 1.0), 1.0, 0)
    difference = np.where(both, hits - others, 0.0)
    means, variances, freedom = [], [], 1
    for repeat in range(hits.shape[1]):
        rows = both[:, repeat]
        if not rows.any():
            continue
        found = difference[rows, repeat]
        means.append(found.mean())
        _, place = np.unique(groups[rows], return_inverse=True)
        sums = np.bincount(place, weights=found - found.mean())
        freedom = max(freedom, len(sums) - 1)
        variances.append(
            np.square(sums).sum() / len(found) ** 2 * len(sums) / max(len(sums) - 1, 1)
        )
    mean = float(np.mean(means))
    error = math.sqrt(float(np.mean(variances)) * num_folds / (num_folds - 1))
    half = Z95 * error
    interval = (max(mean - half, -1.0), min(mean + half, 1.0))
    return Paired(mean, error, interval, _p_value(mean, error, freedom), num_photos)


def verdicts(
    hits: Mapping[str, Hits], groups: npt.NDArray[np.int64], num_folds: int
) -> dict[str, tuple[str, Paired]]:
    """Return what is said of each candidate, and how it compares with the best.

    Args:
        hits: Of each candidate, shape ``(n, r)``; at least one.
        groups: As in `compare`.
        num_folds: Likewise.

    Returns:
        ``"best"`` for the one of the highest accuracy, ``"worse"`` for those that are so beyond
        noise, ``"tie"`` for the others. The first of equals is the best.
    """
    best = max(hits, key=lambda name: np.nanmean(hits[name]))
    found = {}
    for name, own in hits.items():
        paired = compare(own, hits[best], groups, num_folds)
        worse = paired.difference < 0 and paired.p_value * (len(hits) - 1) < LEVEL
        found[name] = ("best" if name == best else "worse" if worse else "tie", paired)
    return found


def _p_value(mean: float, error: float, freedom: int) -> float:
    """Return the two-sided p-value of Student's t, by Wallace's (1959) normal approximation."""
    if mean == 0:
        return 1.0
    t = abs(mean) / error if error else math.inf
    if math.isinf(t):
        return 0.0
    z = (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t * t / freedom))
    return math.erfc(z / math.sqrt(2))
