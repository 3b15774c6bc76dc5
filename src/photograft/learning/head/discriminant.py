"""Linear discriminants whose covariance is shrunk: heads in closed form.

Fisher's linear discriminant with the covariance within classes drawn towards a multiple of the
identity: as far as Ledoit & Wolf ("A well-conditioned estimator for large-dimensional covariance
matrices", 2004) say, or by a given share (Friedman, "Regularized discriminant analysis", 1989).
Which share is best is seen by cross-validation: where features are as many as photos, the first is
often too weak.

The covariance is whole among the directions in which features vary most, and diagonal among the
others. As the directions are principal axes, it nearly is so of itself, and it takes a tenth of the
time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Floats
from photograft.core.blas import one_thread
from photograft.core.parallel import in_order
from photograft.learning.head.basis import Basis

#: Shares that are tried; `LEDOIT_WOLF` stands for theirs.
LEDOIT_WOLF = 0.0
SHRINKAGES = (LEDOIT_WOLF, 0.3, 0.6, 0.9)

#: Directions among which the covariance is whole.
_WHOLE = 512

#: What a class that no photo is of gets for its share.
_LEAST_SHARE = 1e-9
#: The logarithm of its probability, at most.
_UNKNOWN = -10.0


class Fold(NamedTuple):
    """What heads of one fold say.

    Attributes:
        repeat: Of the fold.
        out: Whether each photo is held out, shape ``(n,)``.
        log_probs: Of the photos held out, float32, shape ``(shares, m, num_classes)``.
        train_accuracy: Of each share's head on the photos that it learned from, ``(shares,)``.
    """

    repeat: int
    out: npt.NDArray[np.bool_]
    log_probs: Floats
    train_accuracy: npt.NDArray[np.float64]


@one_thread()
def fit_discriminant(
    basis: Basis, labels: npt.NDArray[np.int64], photo_weights: Floats, shrinkage: float
) -> Floats:
    """Return the solution of all photos, as `Basis.head` takes it, shape ``(1 + r, num_classes)``.

    Args:
        basis: Of the features; row ``v * n + i`` is view `v` of photo `i`.
        labels: Class indices, shape ``(n,)``.
        photo_weights: By them the classes' shares are taken, shape ``(n,)``.
        shrinkage: One of `SHRINKAGES`, or any other share in (0, 1].
    """
    x, num_views = basis.rotated[:, 1:], len(basis.rotated) // len(labels)
    rows = np.tile(labels, num_views)
    moments = _moments(x, strong_axes(basis), rows, int(labels.max()) + 1)
    return solutions(moments, class_shares(labels, photo_weights), (shrinkage,))[0]


@one_thread()
def out_of_fold_discriminants(
    basis: Basis,
    labels: npt.NDArray[np.int64],
    folds: npt.NDArray[np.int64],
    photo_weights: Floats,
    shrinkages: Sequence[float] = SHRINKAGES,
) -> tuple[Floats, npt.NDArray[np.float64]]:
    """Return what heads say of held-out photos, before their confidence is set right.

    A class all of whose photos are held out lies nowhere: its mean of nothing would win where the
    others' are far away, and it would seem to be recognised. It is said of no photo.

    Args:
        basis: As in `fit_discriminant`; a held-out photo's views are held out with it.
        labels: Likewise.
        folds: Of each photo in each repeat, shape ``(n, r)``; -1 where it is never held out.
        photo_weights: As in `fit_discriminant`.
        shrinkages: The shares.

    Returns:
        Log-probabilities, float32, shape ``(shares, n, r, num_classes)``, and the mean accuracy on
        the photos that were learned from, shape ``(shares,)``.
    """
    x, (n, num_repeats) = basis.rotated[:, 1:], folds.shape
    num_classes, num_views = int(labels.max()) + 1, len(basis.rotated) // n
    strong = strong_axes(basis)
    found = np.zeros((len(shrinkages), n, num_repeats, num_classes), np.float32)
    learned: list[npt.NDArray[np.float64]] = []

    def fit(part: tuple[int, int]) -> Fold:
        repeat, fold = part
        out = folds[:, repeat] == fold
        kept = ~np.tile(out, num_views)
        moments = _moments(x[kept], strong, np.tile(labels, num_views)[kept], num_classes)
        shares = class_shares(labels[~out], photo_weights[~out], num_classes)
        found_each = solutions(moments, shares, shrinkages)
        plain = np.flatnonzero(~out)
        known = np.bincount(labels[~out], minlength=num_classes) > 0
        said = [_log_probs(basis.rotated[:n], solution, known) for solution in found_each]
        right = [float((log[plain].argmax(1) == labels[plain]).mean()) for log in said]
        return Fold(repeat, out, np.stack([log[out] for log in said]), np.array(right))

    # A fold that holds out everything (all photos are one group) has nothing to learn from.
    parts = [
        (repeat, fold)
        for repeat in range(num_repeats)
        for fold in np.unique(folds[:, repeat]).tolist()
        if fold >= 0 and not (folds[:, repeat] == fold).all()
    ]
    for done in in_order(fit, parts):
        found[:, done.out, done.repeat] = done.log_probs
        learned.append(done.train_accuracy)
    accuracy = np.mean(learned, axis=0) if learned else np.zeros(len(shrinkages))
    return found, accuracy


class Moments(NamedTuple):
    """Of rows about the means of their classes.

    Attributes:
        means: Of the classes, shape ``(num_classes, r)``.
        strong: Directions among which the covariance is whole, shape ``(q,)``.
        covariance: Among them, shape ``(q, q)``.
        variances: Of every direction, shape ``(r,)``.
        ledoit_wolf: The share that Ledoit and Wolf would shrink by.
    """

    means: Floats
    strong: npt.NDArray[np.intp]
    covariance: Floats
    variances: Floats
    ledoit_wolf: float


def strong_axes(basis: Basis) -> npt.NDArray[np.intp]:
    """Return the directions among which the covariance is whole."""
    return np.sort(np.argsort(-basis.variances[1:], kind="stable")[:_WHOLE])


def _moments(
    x: Floats, strong: npt.NDArray[np.intp], rows: npt.NDArray[np.int64], num_classes: int
) -> Moments:
    n = len(x)
    counts = np.bincount(rows, minlength=num_classes).astype(np.float32)
    one_hot = (rows == np.arange(num_classes)[:, None]).astype(np.float32)
    means = (one_hot @ x) / np.maximum(counts, 1)[:, None]
    weighed = means * counts[:, None]
    variances = np.maximum(np.einsum("ij,ij->j", x, x) - (weighed * means).sum(axis=0), 0) / n
    inside = x[:, strong]
    covariance = (inside.T @ inside - weighed[:, strong].T @ means[:, strong]) / np.float32(n)
    # The squared distances of rows from their classes' means.
    own = np.take_along_axis(x @ means.T, rows[:, None], axis=1)[:, 0]
    squares = np.vecdot(x, x) - 2 * own + np.vecdot(means, means)[rows]
    return moments_of(
        means, strong, covariance, variances, float(np.square(squares, dtype=np.float64).sum()), n
    )


def moments_of(
    means: Floats,
    strong: npt.NDArray[np.intp],
    covariance: Floats,
    variances: Floats,
    fourth: float,
    num_rows: int,
) -> Moments:
    """Return moments, with the share that Ledoit and Wolf would shrink by.

    Args:
        means: As in `Moments`, as are the next three.
        strong: Likewise.
        covariance: Likewise.
        variances: Likewise.
        fourth: The sum over rows of the fourth power of their distance from their class's mean.
        num_rows: How many there are.
    """
    r, n = len(variances), num_rows
    weak = np.delete(variances, strong)
    size = float(np.square(covariance, dtype=np.float64).sum() + weak.astype(np.float64) @ weak)
    mean = float(variances.sum(dtype=np.float64)) / max(r, 1)
    spread = size - r * mean**2
    noise = (fourth / n - size) / n
    share = min(max(noise, 0.0), spread) / spread if spread > 0 else 1.0
    return Moments(means, strong, covariance, variances, share)


def solutions(
    moments: Moments, shares: npt.NDArray[np.float64], shrinkages: Sequence[float]
) -> list[Floats]:
    """Return the solution for each shrinkage; `shares` are those of the classes."""
    means, strong = moments.means, moments.strong
    mean = float(moments.variances.sum(dtype=np.float64)) / max(len(moments.variances), 1)
    found = []
    for shrinkage in shrinkages:
        share = moments.ledoit_wolf if shrinkage == LEDOIT_WOLF else shrinkage
        added = max(share * mean, 1e-6 * mean, 1e-12)
        weight = (means / (moments.variances * np.float32(1 - share) + np.float32(added))).T
        shrunk = moments.covariance * np.float32(1 - share)
        shrunk[np.diag_indices(len(strong))] += np.float32(added)
        weight[strong] = np.linalg.solve(shrunk, means[:, strong].T)
        bias = np.log(shares) - np.vecdot(means, weight.T) / 2
        found.append(np.concatenate([bias[None], weight]).astype(np.float32))
    return found


def class_shares(
    labels: npt.NDArray[np.int64], photo_weights: Floats, num_classes: int = 0
) -> npt.NDArray[np.float64]:
    """Return each class's share of the photos' weights."""
    sums = np.bincount(labels, weights=photo_weights, minlength=num_classes)
    found: npt.NDArray[np.float64] = np.maximum(sums / max(sums.sum(), 1e-30), _LEAST_SHARE)
    return found


def _log_probs(rotated: Floats, solution: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    z = (rotated @ solution).astype(np.float64)
    z -= z[:, known].max(axis=1, keepdims=True)
    z[:, ~known] = _UNKNOWN
    z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
    return z.astype(np.float32)
