"""Calibration: making a confidence of 0.9 mean that nine in ten are right.

The head's logits are multiplied by one number (temperature scaling: Guo et al., 2017, "On
calibration of modern neural networks", arXiv:1706.04599), and for two classes one number is added
to the log-odds as well (Platt, 1999, "Probabilistic outputs for support vector machines"). Both are
fitted by maximum likelihood to what was said of photos that were held out.

A penalised head is calibrated by its own training, nearly; so a calibration has to earn its place.
It is kept only where, fitted on some held-out photos and scored on the others, it lowers the log
loss clearly and the calibration error too. What would make the head surer of itself has to show
more: held-out photos are often more like the training photos than later ones will be (bursts, one
camera), the penalty was chosen with caution for that reason, and a slope above 1 undoes the
caution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.classifier.head import Head
from photograft.classifier.uncertainty.calibration_score import (
    CalibrationScore,
    losses_of,
    score_of,
)
from photograft.classifier.uncertainty.temperature import fit, transformed
from photograft.core.arrays import Doubles, Labels
from photograft.core.errors import InputError
from photograft.core.schema import Schema
from photograft.core.statistics import NEGLIGIBLE, standard_error
from photograft.core.text import count

#: Standard errors that the log loss has to fall by: a change that is not needed costs more than one
#: that is missed, since most heads need none.
_CLEAR = 2.0
_NUM_FOLDS = 5
#: A calibration error that is small enough: a head is made surer only where its own is clearly
#: above it.
ACCEPTABLE_ERROR = 0.02
#: Held-out photos below which two numbers are not worth fitting.
MIN_PHOTOS = 50

#: A probability of zero stands for one that was rounded.
_LEAST_LOG = -80.0


@dataclass(frozen=True)
class Calibration(Schema):
    """Two numbers that make a head's probabilities mean what they say, or why there are none.

    Attributes:
        kind: ``"temperature"``, ``"platt"``, or ``"none"`` where it was not kept.
        slope: What logits are multiplied by: 1 over the temperature; 1 where it was not kept.
        offset: What is then added to the log-odds of the second of two classes; else 0.
        kept: Whether it is any use.
        reason: Why it was kept or not, a sentence for users.
        before: Of the head as it is.
        after: Of the calibration that was tried, kept or not, each photo scored by what was fitted
            without it.
        num_photos: Held-out photos.
        fitted_on: What they are, in a few words.
    """

    kind: str
    slope: float
    offset: float
    kept: bool
    reason: str
    before: CalibrationScore
    after: CalibrationScore
    num_photos: int
    fitted_on: str


def calibrate(
    log_probabilities: npt.NDArray[np.floating[Any]],
    labels: Labels,
    groups: npt.NDArray[np.int64],
    *,
    rng: np.random.Generator,
    fitted_on: str,
) -> Calibration:
    """Fit a calibration on held-out photos, and keep it where it helps.

    Platt's for two classes, a temperature for more. Kept where, over cross-fitted photos, the log
    loss falls by more than two standard errors of the paired difference and more than
    `NEGLIGIBLE`, and the expected calibration error does not rise; with a slope above 1
    only where the error was above `ACCEPTABLE_ERROR` and above noise by all of its interval.

    Of a head that was fitted with classes weighed alike this undoes the weighing: such a head does
    not mean its probabilities to be those of photos as they come.

    Args:
        log_probabilities: Of photos that the head did not learn from, shape ``(n, num_classes)``,
            or ``(n, r, num_classes)`` as `out_of_fold.out_of_fold` gives them.
        labels: Class indices, shape ``(n,)``.
        groups: Photos of one group are never on both sides, and are one witness, shape ``(n,)``.
        rng: Decides the folds and the bootstrap.
        fitted_on: What the photos are, such as ``"1,000 validation photos"``.

    Raises:
        InputError: The shapes do not fit together, a label has no column, or there is no photo.
    """
    log_probs = _checked(log_probabilities, labels, groups)
    kind = "platt" if log_probs.shape[2] == 2 else "temperature"
    _, witness = np.unique(groups, return_inverse=True)
    calibrated = _cross_fitted(log_probs, labels, witness, rng)
    seed = rng.integers(2**63)  # the same resamples for both
    before = score_of(log_probs, labels, witness, np.random.default_rng(seed))
    after = score_of(calibrated, labels, witness, np.random.default_rng(seed))
    slope, offset = fit(log_probs, labels)
    gain, noise = _gain(log_probs, calibrated, labels, witness)
    losses = f"from {before.log_loss:.4f} to {after.log_loss:.4f}"
    errors = f"from {before.calibration_error:.4f} to {after.calibration_error:.4f}"
    num_groups = int(witness.max()) + 1
    kept = False
    if len(labels) < MIN_PHOTOS or num_groups < _NUM_FOLDS:
        reason = (
            f"there are too few held-out photos to tell ({len(labels):,} in "
            f"{count(num_groups, 'group')})."
        )
    elif gain <= max(_CLEAR * noise, NEGLIGIBLE):
        reason = f"it would take the log loss of held-out photos {losses}, which is no clear gain."
    elif after.calibration_error > before.calibration_error:
        reason = f"it would take the calibration error of held-out photos {errors}."
    elif slope > 1 and before.interval[0] <= max(ACCEPTABLE_ERROR, before.noise):
        reason = (
            "it would make the head surer of itself, and a calibration error of "
            f"{before.calibration_error:.4f} on held-out photos is too small to risk that."
        )
    else:
        kept = True
        was = "too sure" if slope < 1 else "not sure enough"
        reason = (
            f"the head was {was} of itself; on held-out photos the log loss falls "
            f"{losses}, the calibration error {errors}."
        )
    return Calibration(
        kind=kind if kept else "none",
        slope=slope if kept else 1.0,
        offset=offset if kept else 0.0,
        kept=kept,
        reason=f"{'Calibrated' if kept else 'Not calibrated'}: {reason}",
        before=before,
        after=after,
        num_photos=len(labels),
        fitted_on=fitted_on,
    )


def apply(
    log_probabilities: npt.NDArray[np.floating[Any]], calibration: Calibration
) -> npt.NDArray[np.float32]:
    """Return calibrated probabilities, float32.

    Args:
        log_probabilities: Shape ``(..., num_classes)``.
        calibration: Platt's needs two classes.

    Raises:
        InputError: The number of classes is another.
    """
    log_probs = np.maximum(log_probabilities.astype(np.float64), _LEAST_LOG)
    if calibration.kind == "platt":
        _check_two(log_probs.shape[-1])
    return np.exp(transformed(log_probs, calibration.slope, calibration.offset)).astype(np.float32)


def apply_to_head(head: Head, calibration: Calibration) -> Head:
    """Return the head with a calibration folded into its last layer.

    What predicts, saves or exports a head then needs to know nothing of it. Temperatures leave
    every answer as it is; Platt's offset may change those near the border.

    Args:
        head: With either activation, linear or of several layers.
        calibration: Platt's needs two classes.

    Raises:
        InputError: The number of classes is another.
    """
    if not calibration.kept:
        return head
    weight = head.weights[-1].astype(np.float64) * calibration.slope
    bias = head.biases[-1].astype(np.float64) * calibration.slope
    if calibration.kind == "platt":
        _check_two(2 if head.activation == "sigmoid" else len(bias))
        bias[-1] += calibration.offset  # the log-odds' own, or the second class's logit
    return replace(
        head,
        weights=(*head.weights[:-1], weight.astype(np.float32)),
        biases=(*head.biases[:-1], bias.astype(np.float32)),
    )


def _checked(
    log_probabilities: npt.NDArray[np.floating[Any]],
    labels: Labels,
    groups: npt.NDArray[np.int64],
) -> Doubles:
    """Return the log-probabilities as float64 of shape ``(n, r, num_classes)``."""
    shape = log_probabilities.shape
    fits = len(shape) in (2, 3) and shape[-1] >= 2 and 0 not in shape
    if not fits or labels.shape != shape[:1] or groups.shape != shape[:1]:
        raise InputError(
            "these can't be calibrated",
            expected="log-probabilities (n, classes) or (n, repeats, classes), n labels, n groups",
            got=f"{shape}, {labels.shape}, {groups.shape}",
        )
    if labels.min() < 0 or labels.max() >= shape[-1]:
        raise InputError(
            "a label has no probability",
            expected=f"labels from 0 to {shape[-1] - 1}",
            got=f"{labels.min()} to {labels.max()}",
        )
    if np.isnan(log_probabilities).any() or log_probabilities.max() > 1e-3:
        raise InputError("these are no log-probabilities", expected="numbers up to 0")
    log_probs = log_probabilities.reshape(shape[0], -1, shape[-1])
    return np.maximum(log_probs.astype(np.float64), _LEAST_LOG)


def _check_two(num_classes: int) -> None:
    if num_classes != 2:
        raise InputError("Platt's calibration is of two classes", got=f"{num_classes}")


def _cross_fitted(
    log_probs: Doubles, labels: Labels, witness: npt.NDArray[np.intp], rng: np.random.Generator
) -> Doubles:
    """Return each photo's log-probabilities as calibrated on photos of other groups."""
    num_groups = int(witness.max()) + 1
    found = log_probs.copy()
    if num_groups < _NUM_FOLDS:
        return found
    fold = (rng.permutation(num_groups) % _NUM_FOLDS)[witness]
    for k in range(_NUM_FOLDS):
        out = fold == k
        found[out] = transformed(log_probs[out], *fit(log_probs[~out], labels[~out]))
    return found


def _gain(
    log_probs: Doubles, calibrated: Doubles, labels: Labels, witness: npt.NDArray[np.intp]
) -> tuple[float, float]:
    """Return by how much the log loss falls, and the standard error over groups of photos."""
    gains = (losses_of(log_probs, labels) - losses_of(calibrated, labels)).mean(axis=1)
    counts = np.bincount(witness)
    means = np.bincount(witness, weights=gains) / counts
    return float(gains.mean()), standard_error(means, counts / len(labels))
