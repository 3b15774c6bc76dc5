"""Blending heads: their logits weighed and added up, the weights found on held-out photos.

Stacking with weights that aren't negative (Wolpert, "Stacked generalization", 1992; Breiman,
"Stacked regressions", 1996). A blend of linear heads is one linear head. The weights' sum is its
temperature, so that a blend is calibrated by itself; targets a little off 0 and 1 keep it from
being surer than its photos allow (Platt, "Probabilistic outputs for support vector machines and
comparisons to regularized likelihood methods", 1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Doubles, Floats

_ITERATIONS, _HALVINGS = 50, 20
_TOLERANCE = 1e-7
#: Numbers of each head that the weights are fitted on at most; a few weights need no more.
_MOST_ELEMENTS = 2_000_000
#: What c is, added to the n photos that a class has on average. To Platt it is 1, which leaves
#: heads of many photos too unsure.
_PSEUDO_PHOTOS = 0.25
#: Added to it where photos are few, divided by n: of five a class heads are too sure otherwise.
_FOR_FEW = 10.0
#: What c is of photos of another kind, whose mistakes show how unsure heads ought to be: for where
#: they make none.
_OF_ANOTHER_KIND = 0.005
#: A slight pull towards equal weights, for heads that say nearly the same.
_PULL = 3e-3
#: Heads with a smaller share are left out.
_LEAST_SHARE = 0.05
#: What the logits are multiplied by where no head tells anything: next to nothing.
_UNSURE = 1e-3


class Blend(NamedTuple):
    """How heads are blended.

    Attributes:
        weights: What each head's logits are multiplied by, shape ``(m,)``; none is negative, and
            at least one is above 0.
        shares: What each head brings to the blend's logits, by their spread, summing to 1.
    """

    weights: Doubles
    shares: Doubles


def blend(
    log_probs: Sequence[Floats],
    labels: npt.NDArray[np.int64],
    shares: Doubles,
    *,
    is_own_kind: bool = True,
) -> Blend:
    """Return the weights with which several heads, or one, say best what held-out photos are of.

    Args:
        log_probs: What each head says of photos that it did not learn from, natural logarithms,
            shape ``(n, r, num_classes)``; rows may lack a constant.
        labels: Class indices, shape ``(n,)``.
        shares: What each photo counts, summing to 1, shape ``(n,)``; 0 leaves it out.
        is_own_kind: Whether the photos are of the kind that the heads learned from.
    """
    kept = np.flatnonzero(shares > 0)
    kept = kept[:: 1 + kept.size * log_probs[0][0].size // _MOST_ELEMENTS]
    num_repeats = log_probs[0].shape[1]
    own = np.repeat(labels[kept], num_repeats)
    weights = np.repeat(shares[kept] / num_repeats, num_repeats)
    logits = []
    for logs in log_probs:
        z = logs[kept].reshape(len(own), -1).astype(np.float64)
        logits.append(z - z.mean(axis=1, keepdims=True))
    targets = _targets(labels[kept], num_repeats, logits[0].shape[1], is_own_kind=is_own_kind)
    scales = np.array([_fit([z], targets, weights, np.ones(1), 0.0)[0] for z in logits])
    scaled = [z * scale for z, scale in zip(logits, scales, strict=True)]
    spreads = np.array([np.sqrt(weights @ np.square(z).sum(axis=1)) for z in scaled])
    # What is best not listened to can be of no help to others.
    members = np.flatnonzero(spreads > 0)
    while members.size:
        start = np.full(len(members), 1 / len(members))
        found = _fit([scaled[i] for i in members], targets, weights, start, _PULL)
        total = found @ spreads[members]
        if not total > 0:
            members = members[:0]
            break
        brought = found * spreads[members] / total
        slight = brought < _LEAST_SHARE
        if not slight.any():
            break
        members = members[~slight]
    if not members.size:
        only = np.eye(1, len(logits))[0]
        return Blend(only * _UNSURE, only)
    result = Blend(np.zeros(len(scaled)), np.zeros(len(scaled)))
    result.weights[members] = found * scales[members]
    result.shares[members] = brought
    return result


def blended(log_probs: Sequence[Floats], weights: Doubles) -> Floats:
    """Return the blend's log-probabilities, float32, shape ``(n, r, num_classes)``."""
    z = np.zeros(log_probs[0].shape)
    for logs, weight in zip(log_probs, weights, strict=True):
        if weight:
            z += weight * logs.astype(np.float64)
    return _normalised(z).astype(np.float32)


def _targets(
    labels: npt.NDArray[np.int64], num_repeats: int, num_classes: int, *, is_own_kind: bool
) -> Doubles:
    """Return targets: of n photos a class 1 - c / (n + 2 c), the rest for the other classes."""
    count = len(labels) / num_classes
    pseudo = _PSEUDO_PHOTOS + _FOR_FEW / count if is_own_kind else _OF_ANOTHER_KIND
    rest = pseudo / (count + 2 * pseudo)
    found = np.full((len(labels), num_classes), rest / max(num_classes - 1, 1))
    found[np.arange(len(labels)), labels] = 1 - rest
    return np.repeat(found, num_repeats, axis=0)


def _fit(
    logits: Sequence[Doubles], targets: Doubles, weights: Doubles, start: Doubles, pull: float
) -> Doubles:
    """Minimise the cross-entropy over weights that aren't negative, by projected Newton steps.

    Bertsekas, "Projected Newton methods for optimization problems with simple constraints", 1982.
    """
    a = start.copy()

    def value(at: Doubles) -> tuple[float, Doubles]:
        z = sum(weight * own for weight, own in zip(at, logits, strict=True))
        logs = _normalised(np.asarray(z))
        loss = -weights @ (targets * logs).sum(axis=1)
        return float(loss + pull * np.square(at - start).sum()), logs

    loss, logs = value(a)
    for _ in range(_ITERATIONS):
        p = np.exp(logs)
        residual = (p - targets) * weights[:, None]
        slope = np.array([(own * residual).sum() for own in logits]) + 2 * pull * (a - start)
        free = (a > 0) | (slope < 0)
        if not free.any():
            break
        curvature = _curvature(logits, p, weights) + 2 * pull * np.eye(len(a))
        inner = curvature[np.ix_(free, free)]
        inner[np.diag_indices(len(inner))] += 1e-9 * max(float(np.trace(inner)), 1e-12)
        step = np.zeros_like(a)
        step[free] = -np.linalg.solve(inner, slope[free])
        size, ahead = 1.0, a
        for _ in range(_HALVINGS):
            ahead = np.maximum(a + size * step, 0)
            next_loss, next_logs = value(ahead)
            if next_loss < loss:
                break
            size /= 2
        else:
            break
        gain, a, loss, logs = loss - next_loss, ahead, next_loss, next_logs
        if gain < _TOLERANCE * max(loss, 1e-3):
            break
    return a


def _curvature(logits: Sequence[Doubles], p: Doubles, weights: Doubles) -> Doubles:
    means = np.stack([(p * own).sum(axis=1) for own in logits])
    found: Doubles = -(means * weights) @ means.T
    for i, one in enumerate(logits):
        mass = p * one * weights[:, None]
        for j in range(i + 1):
            found[i, j] += (mass * logits[j]).sum()
            found[j, i] = found[i, j]
    return found


def _normalised(z: Doubles) -> Doubles:
    z = z - z.max(axis=-1, keepdims=True)
    found: Doubles = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return found
