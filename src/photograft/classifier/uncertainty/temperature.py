"""One number for the confidence of a head, two where it has two classes: their best values.

Temperature scaling (Guo et al., 2017, "On calibration of modern neural networks", arXiv:1706.04599)
and Platt's (1999, "Probabilistic outputs for support vector machines").
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Doubles

#: Photos' worth of belief that the head is right as it is; see `fit`.
_PRIOR_PHOTOS = 5.0
_SLOPES = (0.05, 20.0)
_OFFSETS = (-10.0, 10.0)
_MAX_STEPS = 50


def transformed(logs: Doubles, slope: float, offset: float) -> Doubles:
    """Return log-probabilities after calibration, float64.

    Args:
        logs: Log-probabilities, or other logits, float64, shape ``(..., num_classes)``.
        slope: What they are multiplied by.
        offset: What is then added to the second class's, where there are two.
    """
    z = logs * slope
    if offset:
        z[..., 1] += offset
    z -= z.max(axis=-1, keepdims=True)
    found: Doubles = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return found


def fit(logs: Doubles, labels: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return slope and offset by penalised maximum likelihood.

    To the photos are added `_PRIOR_PHOTOS` that behave exactly as the head says: each photo's
    target is mixed with the head's own probabilities. That draws slope and offset to 1 and 0, on
    the scale of the head's own logits; it keeps the problem convex, and its solution finite where
    all are right. Bounds stand behind it, for heads so sure that those photos tell nothing. Solved
    by Newton's method with a line search.

    Args:
        logs: Log-probabilities of held-out photos in each repeat, float64, shape
            ``(n, r, num_classes)``, all finite.
        labels: Class indices, shape ``(n,)``.

    Returns:
        The slope, and the offset of the second of two classes, which is 0 where there are more.
    """
    n, num_repeats, num_classes = logs.shape
    flat = logs.reshape(-1, num_classes)
    theta, low, high = np.array([1.0]), np.array(_SLOPES[:1]), np.array(_SLOPES[1:])
    moves = flat[..., None]
    if num_classes == 2:
        # Logits of 0 and slope · log-odds + offset: how each moves with the two numbers.
        moves = np.zeros((len(flat), 2, 2))
        moves[:, 1, 0], moves[:, 1, 1] = flat[:, 1] - flat[:, 0], 1
        theta = np.array([1.0, 0.0])
        low, high = (np.array(ends) for ends in zip(_SLOPES, _OFFSETS, strict=True))
    target = np.exp(flat) * (_PRIOR_PHOTOS / n)
    target[np.arange(len(flat)), np.repeat(labels, num_repeats)] += 1
    weight = 1 + _PRIOR_PHOTOS / n

    def loss(theta: Doubles) -> tuple[float, Doubles]:
        logits = moves @ theta
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return -float((target * logits).sum()) / len(flat), np.exp(logits)

    value, q = loss(theta)
    for _ in range(_MAX_STEPS):
        gradient = np.einsum("nc,nck->k", weight * q - target, moves) / len(flat)
        mean = np.einsum("nc,nck->nk", q, moves)
        square = np.einsum("nc,nck,ncl->kl", q, moves, moves) - mean.T @ mean
        hessian = weight * square / len(flat) + 1e-12 * np.eye(len(theta))
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while size > 1e-6:
            trial = np.clip(theta - size * step, low, high)
            new, new_q = loss(trial)
            if new < value:
                break
            size /= 2
        else:
            break
        done = value - new < 1e-12
        theta, value, q = trial, new, new_q
        if done:
            break
    return float(theta[0]), float(theta[1]) if len(theta) > 1 else 0.0
