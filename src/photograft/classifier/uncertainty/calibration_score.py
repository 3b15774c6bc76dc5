"""How far confidence and accuracy are apart on held-out photos, and how much of that is noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Doubles, Labels
from photograft.core.schema import Schema
from photograft.core.statistics import expected_calibration_error

_NUM_BINS = 15
_NUM_RESAMPLES = 1000
_NUM_DRAWS = 100


@dataclass(frozen=True)
class CalibrationScore(Schema):
    """How far confidence and accuracy are apart on held-out photos.

    Attributes:
        calibration_error: The expected calibration error in 15 bins, in [0, 1].
        interval: Its 95 % bootstrap interval over groups of photos.
        noise: What it would be on average, with as many photos and these confidences, were the
            probabilities exactly right: it is never 0.
        log_loss: Mean negative log-probability of the right class, in nats.
    """

    calibration_error: float
    interval: tuple[float, float]
    noise: float
    log_loss: float


def losses_of(log_probs: Doubles, labels: Labels) -> Doubles:
    """Return each photo's log loss in each repeat, shape ``(n, r)``."""
    found: Doubles = -np.take_along_axis(log_probs, labels[:, None, None], axis=2)[..., 0]
    return found


def score_of(
    log_probs: Doubles, labels: Labels, witness: npt.NDArray[np.intp], rng: np.random.Generator
) -> CalibrationScore:
    """Return how far confidence and accuracy are apart.

    Args:
        log_probs: Shape ``(n, r, num_classes)``.
        labels: Class indices, shape ``(n,)``.
        witness: The group of each photo, counted from 0, shape ``(n,)``.
        rng: Decides the resamples.
    """
    n, num_repeats, _ = log_probs.shape
    confidences, predicted = np.exp(log_probs.max(axis=2)), log_probs.argmax(axis=2)

    def error(truth: Labels) -> float:
        right = (predicted == truth[:, None]).ravel()
        return expected_calibration_error(confidences.ravel(), right, num_bins=_NUM_BINS)

    found = error(labels)
    # What each group adds to each bin: a resample is then but another weight of each group.
    num_groups = int(witness.max()) + 1
    bins = np.minimum((confidences * _NUM_BINS).astype(np.int64), _NUM_BINS - 1)
    gaps = np.bincount(
        (witness[:, None] * _NUM_BINS + bins).ravel(),
        weights=(confidences - (predicted == labels[:, None])).ravel(),
        minlength=num_groups * _NUM_BINS,
    ).reshape(num_groups, _NUM_BINS)
    drawn = rng.multinomial(num_groups, np.full(num_groups, 1 / num_groups), _NUM_RESAMPLES)
    sizes = drawn @ np.bincount(witness) * num_repeats
    resampled = np.abs(drawn @ gaps).sum(axis=1) / sizes
    # Resampling adds noise to an error that noise can only raise: its own share is taken off.
    shift = found - resampled.mean()
    low, high = (np.clip(np.percentile(resampled, q) + shift, 0, 1) for q in (2.5, 97.5))
    # Were the probabilities right, labels would be drawn from them.
    own = np.exp(log_probs).mean(axis=1)
    steps = np.cumsum(own / own.sum(axis=1, keepdims=True), axis=1)[:, :-1]
    by_noise = [error((rng.random((n, 1)) > steps).sum(axis=1)) for _ in range(_NUM_DRAWS)]
    return CalibrationScore(
        calibration_error=found,
        interval=(float(low), float(high)),
        noise=float(np.mean(by_noise)),
        log_loss=float(losses_of(log_probs, labels).mean()),
    )
