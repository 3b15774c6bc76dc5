"""Choosing among candidates that were cross-validated, and what the choice is honestly worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Floats
from photograft.core.errors import InputError
from photograft.learning.head.blending import blend, blended
from photograft.learning.head.candidates import LOGISTIC, HeadCandidate
from photograft.learning.head.cross_validation import (
    Counted,
    HeadResult,
    is_lower,
    strongest_of_the_best,
)


@dataclass(frozen=True)
class OutOfFoldScores:
    """What heads said of photos that neither they nor their settings were learned from.

    For every fold, all that is chosen is chosen anew on the other folds' photos: choosing the best
    of many on the photos that it is scored on would flatter it.

    Attributes:
        rows: The photos, indices into those given, shape ``(n,)``.
        folds: Of each photo in each repeat, shape ``(n, r)``.
        log_probs: Natural logarithms, float32, shape ``(n, r, num_classes)``.
        predicted: Class indices, shape ``(n, r)``.
        losses: Log loss in nats, shape ``(n, r)``.
        train_accuracy: Mean accuracy on the photos that were learned from.
    """

    rows: npt.NDArray[np.intp]
    folds: npt.NDArray[np.int64]
    log_probs: Floats
    predicted: npt.NDArray[np.int64]
    losses: npt.NDArray[np.float64]
    train_accuracy: float


class Chosen(NamedTuple):
    """A candidate at one strength, and what its logits are multiplied by; its share of a blend."""

    candidate: HeadCandidate
    point: HeadResult
    weight: float
    share: float


def choose(
    candidates: Sequence[HeadCandidate],
    labels: npt.NDArray[np.int64],
    counted: Counted = None,
    *,
    blends: bool,
) -> list[Chosen]:
    """Return the heads that do best on the photos that count, each at its best strength.

    Args:
        candidates: At least one.
        labels: Class indices of the photos, shape ``(n,)``.
        counted: Which photos count, shape ``(n,)``; all of them where None.
        blends: Whether several may be chosen, to be blended.
    """
    if not candidates:
        raise InputError("there is no head to choose from", expected="at least one")
    # Each path's best lies near its weak end, where log-probabilities are kept.
    points = [
        strongest_of_the_best([p for p in one.path if p.log_probs is not None], counted)
        for one in candidates
    ]
    shares = points[0].shares
    # Of photos that never are held out none counts: then others judge what these taught.
    is_own_kind = bool((shares > 0).all())
    if counted is not None:
        shares = np.where(counted, shares, 0)
        shares = shares / max(shares.sum(), 1e-30)
    if not blends:
        best = 0
        for i, point in enumerate(points):
            if is_lower(point, points[best], counted):
                best = i
        if candidates[best].head == LOGISTIC:
            return [Chosen(candidates[best], points[best], 1.0, 1.0)]
        # How sure a discriminant is comes from held-out photos: from those alone that count.
        candidates, points = [candidates[best]], [points[best]]
    said = [point.log_probs for point in points if point.log_probs is not None]
    found = blend(said, labels, shares, is_own_kind=is_own_kind)
    weights, brought = found.weights.tolist(), found.shares.tolist()
    return [
        Chosen(candidate, point, weight, share)
        for candidate, point, weight, share in zip(
            candidates, points, weights, brought, strict=True
        )
        if weight
    ]


def held_out(
    candidates: Sequence[HeadCandidate],
    labels: npt.NDArray[np.int64],
    rows: npt.NDArray[np.intp],
    folds: npt.NDArray[np.int64],
    *,
    blends: bool,
    counted: Counted = None,
) -> OutOfFoldScores:
    """Return the scores of every fold's photos by what the other folds' photos chose.

    Args:
        candidates: As in `choose`.
        labels: Likewise.
        rows: What the photos are, indices into all those that were given, shape ``(n,)``.
        folds: Of each photo in each repeat, shape ``(n, r)``; -1 for those that are not scored.
        blends: As in `choose`.
        counted: Likewise; all are scored.
    """
    num_classes = int(labels.max()) + 1
    log_probs = np.zeros((*folds.shape, num_classes), np.float32)
    learned = []
    for repeat in range(folds.shape[1]):
        for fold in np.unique(folds[:, repeat]).tolist():
            if fold < 0:
                continue
            out = folds[:, repeat] == fold
            others = _both(None if out.all() else ~out, counted)
            chosen = choose(candidates, labels, others, blends=blends)
            said = [one.point.log_probs[out] for one in chosen if one.point.log_probs is not None]
            weights = np.array([one.weight for one in chosen])
            log_probs[out, repeat] = blended(said, weights)[:, repeat]
            learned.append(sum(one.share * one.point.train_accuracy for one in chosen))
    predicted = log_probs.argmax(axis=2)
    losses = -np.take_along_axis(log_probs, labels[:, None, None], axis=2)[..., 0]
    return OutOfFoldScores(
        rows, folds, log_probs, predicted, losses.astype(np.float64), float(np.mean(learned))
    )


def _both(one: Counted, other: Counted) -> Counted:
    """Return which photos count by the one and by the other; by the one where none do."""
    if one is None or other is None:
        return other if one is None else one
    both = one & other
    return both if both.any() else one
