"""Cross-validation of a logistic head over its penalties: all folds of all repeats at once.

What is said here of a penalty holds of whatever else makes a head simpler the stronger it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Booleans, Floats
from photograft.core.statistics import standard_error
from photograft.learning.head.basis import Basis
from photograft.learning.head.solver import log_probabilities, solve
from photograft.learning.scheduling.judging import Gain

#: Penalties that are tried, the strongest first; see `cross_validate` for where the search ends.
PENALTIES = tuple(float(f"{m}e{e}") for e in range(1, -6, -1) for m in (3, 1))[1:]


_TOLERANCE = 1e-4
#: Results whose log-probabilities are kept at least, the weakest ones; fewer, where photos and
#: classes are so many that these have more elements together, but the last two of a path.
_NEAR = 4
_MAX_KEPT = 50_000_000
_MAX_ELEMENTS = 20_000_000

#: Which photos count, a boolean for each; None for all of them.
Counted = Booleans | None


@dataclass(frozen=True)
class HeadResult:
    """What cross-validation says of heads of one strength of regularisation.

    Attributes:
        strength: The penalty; of a discriminant, the share by which its covariance is shrunk.
        losses: Held-out log loss of each photo in each repeat, in nats, shape ``(n, r)``.
        predicted: Class that was predicted for it there, shape ``(n, r)``.
        hits: Whether that is its own, shape ``(n, r)``.
        train_accuracy: Mean accuracy of the folds' heads on the photos that they learned from.
        shares: Weights of the photos, summing to 1, shape ``(n,)``.
        log_probs: Held-out log-probabilities, float32, shape ``(n, r, num_classes)``; None where
            nobody will ask for them.
        scale: What the heads' logits were multiplied by before.
    """

    strength: float
    losses: npt.NDArray[np.float64]
    predicted: npt.NDArray[np.int64]
    hits: npt.NDArray[np.bool_]
    train_accuracy: float
    shares: npt.NDArray[np.float64]
    log_probs: Floats | None = field(default=None, repr=False)
    scale: float = 1.0

    @property
    def log_loss(self) -> float:
        """Mean over photos and repeats, in nats."""
        return float(self.losses.mean(axis=1) @ self.shares)

    @property
    def log_loss_se(self) -> float:
        """Its standard error, from its spread over photos."""
        return standard_error(self.losses.mean(axis=1), self.shares)

    @property
    def accuracy(self) -> float:
        """Mean over photos and repeats."""
        return float(self.hits.mean(axis=1) @ self.shares)


def cross_validate(
    basis: Basis,
    labels: npt.NDArray[np.int64],
    folds: npt.NDArray[np.int64],
    photo_weights: Floats,
    *,
    keep_log_probs: bool = False,
) -> list[HeadResult]:
    """Return the held-out results from the strongest penalty down.

    Every fold of every repeat is one problem; each begins where the stronger penalty left it. The
    path ends where a weaker penalty is no longer better beyond noise.

    Args:
        basis: Of the features; row ``v * n + i`` is view `v` of photo `i`, view 0 the plain one,
            which alone is scored.
        labels: Class indices, shape ``(n,)``.
        folds: Of each photo in each repeat, shape ``(n, r)``; -1 where it is never held out, and
            so not scored.
        photo_weights: What each photo counts, float32, shape ``(n,)``.
        keep_log_probs: Whether the results are to have them, where they aren't far from the best.
    """
    n, num_repeats = folds.shape
    num_classes, num_folds = int(labels.max()) + 1, int(folds.max()) + 1
    held_out = (folds[:, :, None] == np.arange(num_folds)).reshape(n, -1)
    num_views = len(basis.rotated) // n
    weights = np.where(held_out, 0, photo_weights[:, None]).astype(np.float32)
    weights = np.tile(weights, (num_views, 1))
    all_labels = np.tile(labels, num_views)
    # A fold that holds out everything (all photos are one group) has nothing to learn from.
    weights /= np.maximum(weights.sum(axis=0), np.float32(1e-30))
    num_problems = held_out.shape[1]
    size = max(1, _MAX_ELEMENTS // (n * num_views * num_classes))
    blocks = [slice(i, i + size) for i in range(0, num_problems, size)]
    w = np.zeros((len(basis.variances), num_problems, num_classes), np.float32)
    scored = np.where((folds >= 0).all(axis=1), photo_weights, 0).astype(np.float64)
    shares, counted = scored / scored.sum(), counted_of(labels, folds)
    path: list[HeadResult] = []
    near = min(max(1, _MAX_KEPT // (n * num_repeats * num_classes)), _NEAR)
    for l2 in PENALTIES:
        losses, predicted = np.zeros((n, num_repeats)), np.zeros((n, num_repeats), np.int64)
        log_probs = np.zeros((n, num_repeats, num_classes), np.float32) if keep_log_probs else None
        learned = np.zeros(2)
        for block in blocks:
            w[:, block] = solve(
                basis, all_labels, weights[:, block], l2, w[:, block], tolerance=_TOLERANCE
            )
            said = log_probabilities(basis, w[:, block], n)
            loss, guess = -said[np.arange(n), :, labels], said.argmax(axis=2)
            out = held_out[:, block]
            repeats = np.arange(num_problems)[block] // num_folds
            for column, repeat in enumerate(repeats.tolist()):
                rows = out[:, column]
                losses[rows, repeat] = loss[rows, column]
                predicted[rows, repeat] = guess[rows, column]
                if log_probs is not None:
                    log_probs[rows, repeat] = said[rows, column]
            learned += np.count_nonzero((guess == labels[:, None]) & ~out), np.count_nonzero(~out)
        hits = predicted == labels[:, None]
        path.append(
            HeadResult(
                l2, losses, predicted, hits, learned[0] / max(learned[1], 1), shares, log_probs
            )
        )
        # The strong ones that are far behind take memory and will not be chosen.
        if len(path) > near and is_worse(path[-1 - near], path[-1], counted):
            path[-1 - near] = replace(path[-1 - near], log_probs=None)
        if len(path) > 1 and not is_worse(path[-2], path[-1], counted):
            break
    return path


def counted_of(labels: npt.NDArray[np.int64], folds: npt.NDArray[np.int64]) -> Counted:
    """Return which photos count in a choice: those whose class is known wherever they are held out.

    Of a class that lies in one fold as a whole nothing is learned there. That its photos are missed
    is the truth; it is no reason to be less sure of the others, or to shrink heads the more.

    Args:
        labels: Class indices, shape ``(n,)``.
        folds: Of each photo in each repeat, shape ``(n, r)``; -1 where it is never held out.
    """
    found, sizes = np.ones(len(labels), np.bool_), np.bincount(labels)
    for own in folds.T:
        for fold in np.unique(own[own >= 0]).tolist():
            out = own == fold
            known = sizes > np.bincount(labels[out], minlength=len(sizes))
            found[out] &= known[labels[out]]
    scored = found[(folds >= 0).all(axis=1)]
    return found if scored.any() and not scored.all() else None


def strongest_of_the_best(path: Sequence[HeadResult], counted: Counted = None) -> HeadResult:
    """Return the strongest penalty that is not worse than the best one beyond noise.

    The one-standard-error rule (Breiman et al., 1984) on paired differences: where the data can't
    tell two penalties apart, the stronger one is less sure of itself on photos unlike these.
    """
    best = min(path, key=lambda point: _mean(point.losses, point, counted))
    return next(point for point in path if point is best or not is_worse(point, best, counted))


def is_worse(point: HeadResult, other: HeadResult, counted: Counted = None) -> bool:
    """Return whether a point's log loss is higher than another's, beyond noise."""
    before, after = point.losses.mean(axis=1), other.losses.mean(axis=1)
    return Gain.of(before, after, _shares(point, counted)).is_real


def is_lower(point: HeadResult, other: HeadResult, counted: Counted = None) -> bool:
    """Return whether a point's log loss is lower than another's, be it by noise."""
    return _mean(point.losses, point, counted) < _mean(other.losses, other, counted)


def _shares(point: HeadResult, counted: Counted) -> npt.NDArray[np.float64]:
    if counted is None:
        return point.shares
    shares = np.where(counted, point.shares, 0)
    found: npt.NDArray[np.float64] = shares / max(shares.sum(), 1e-30)
    return found


def _mean(values: npt.NDArray[np.float64], point: HeadResult, counted: Counted) -> float:
    return float(values.mean(axis=1) @ _shares(point, counted))
