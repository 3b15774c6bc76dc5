"""Statistics that several floors need: intervals, standard errors, calibration error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

#: Differences in log loss, in nats, that are not worth telling apart.
NEGLIGIBLE = 0.002


#: The standard normal quantile of a two-sided 95 % interval.
Z95 = 1.959963984540054


def wilson_interval(num_right: float, num_photos: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, 1927, doi:10.1080/01621459.1927.10502953).

    >>> low, high = wilson_interval(95, 100)
    >>> round(low, 3), round(high, 3)
    (0.888, 0.978)
    """
    share, z2 = num_right / num_photos, Z95**2
    middle = (share + z2 / (2 * num_photos)) / (1 + z2 / num_photos)
    spread = (share * (1 - share) + z2 / (4 * num_photos)) / num_photos
    half = Z95 * math.sqrt(spread) / (1 + z2 / num_photos)
    # The share lies within: of none or all, rounding would put the end beyond it.
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))


def expected_calibration_error(
    confidences: npt.NDArray[np.floating[Any]],
    right: npt.NDArray[np.bool_],
    *,
    num_bins: int = 15,
) -> float:
    """Return the mean gap between confidence and accuracy over bins of equal width.

    Guo et al. (2017), "On calibration of modern neural networks", arXiv:1706.04599.

    Args:
        confidences: Probability of the predicted class, shape ``(n,)``.
        right: Whether the prediction was right, shape ``(n,)``.
        num_bins: Bins over [0, 1].
    """
    bins = np.minimum((confidences * num_bins).astype(np.int64), num_bins - 1)
    sums = np.bincount(bins, weights=confidences.astype(np.float64), minlength=num_bins)
    hits = np.bincount(bins, weights=right.astype(np.float64), minlength=num_bins)
    return float(np.abs(sums - hits).sum() / len(confidences))


def standard_error(values: npt.NDArray[np.float64], shares: npt.NDArray[np.float64]) -> float:
    """Return the standard error of the weighted mean of values, one per photo."""
    deviation = values - values @ shares
    return float(np.sqrt(np.square(deviation) @ np.square(shares)))
