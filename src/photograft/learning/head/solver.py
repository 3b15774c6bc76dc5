"""Multinomial logistic regression on standardised features, solved fast.

Many problems on the same photos (every fold of a cross-validation) are solved at once, so that each
pass over the features serves all of them. In the eigenbasis of the features' covariance (see
`basis`) Böhning's bound on the Hessian (Böhning, 1992, "Multinomial logistic regression algorithm")
is diagonal, which makes it a preconditioner that costs nothing, and L-BFGS (Liu & Nocedal, 1989) is
done in some ten to thirty iterations.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Floats
from photograft.core.blas import one_thread
from photograft.learning.head.basis import Basis

Real = TypeVar("Real", npt.NDArray[np.float32], npt.NDArray[np.float64])

#: Numbers of the solver: pairs kept by L-BFGS, and the sufficient decrease of its line search.
HISTORY = 8
_ARMIJO = 1e-4
_SHORT_AXIS = 16


@one_thread()
def solve(
    basis: Basis,
    labels: npt.NDArray[np.int64],
    weights: Floats,
    l2: float,
    start: Floats,
    *,
    tolerance: float,
    max_iterations: int = 300,
) -> Floats:
    """Minimise weighted cross-entropy + ``l2 / 2`` × squared weights, for several weightings.

    Args:
        basis: Of the features.
        labels: Class indices, shape ``(n,)``.
        weights: Weight of each photo in each problem, shape ``(n, p)``, columns summing to 1.
            Zero leaves the photo out.
        l2: Strength of the penalty; the intercept bears none.
        start: Where to begin, shape ``(1 + r, p, num_classes)``.
        tolerance: Stop when the next step promises less than this share of the objective
            (or of 0.1 nats, where the objective is smaller).
        max_iterations: Stop then at the latest.

    Returns:
        The solutions, shape ``(1 + r, p, num_classes)``.
    """
    x = basis.rotated
    (n, r), (p, k) = x.shape, start.shape[1:]
    # Each problem's weights lie together, so that products run over contiguous memory.
    penalty = np.repeat(np.append(0, np.full(r - 1, l2)), k).astype(np.float32)
    precondition = np.reciprocal(np.repeat(basis.variances, k) / np.float32(2) + penalty)

    def logits(w: Floats) -> Floats:
        return x @ w.reshape(p, r, k).transpose(1, 0, 2).reshape(r, p * k)

    def objective(z: Floats, w: Floats) -> tuple[Floats, Floats]:
        loss, residual = _cross_entropy(z.reshape(n, p, k), labels, weights)
        return loss + 0.5 * np.vecdot(w * penalty, w), residual

    def gradient(residual: Floats, w: Floats) -> Floats:
        slope = (x.T @ residual.reshape(n, p * k)).reshape(r, p, k).transpose(1, 0, 2)
        return slope.reshape(p, r * k) + penalty * w

    w = np.ascontiguousarray(start.transpose(1, 0, 2)).reshape(p, r * k)
    z = logits(w)
    value, residual = objective(z, w)
    g = gradient(residual, w)
    pairs: list[tuple[Floats, Floats, Floats]] = []
    gamma = np.ones(p, np.float32)
    for _ in range(max_iterations):
        direction = -two_loops(g, pairs, precondition, gamma)
        slope = np.vecdot(direction, g)
        done = -slope < 2 * tolerance * np.maximum(value, 0.1)
        if done.all():
            break
        direction[done] = 0
        dz = logits(direction)
        # The logits are linear in the step, so trying a step costs no pass over the features.
        step = np.ones(p, np.float32)
        for _ in range(20):
            w_next = w + step[:, None] * direction
            z_next = z + np.repeat(step, k) * dz
            value_next, residual = objective(z_next, w_next)
            worse = value_next > value + _ARMIJO * step * slope + 1e-6 * value
            if not (worse & ~done).any():
                break
            step[worse & ~done] *= 0.4
        g_next = gradient(residual, w_next)
        s, y = w_next - w, g_next - g
        curvature = np.vecdot(s, y)
        usable = curvature > 1e-12
        inverse = np.divide(1, curvature, out=np.zeros_like(gamma), where=usable)
        pairs = [*pairs[-HISTORY + 1 :], (s, y, inverse)]
        np.divide(curvature, np.vecdot(y, precondition * y), out=gamma, where=usable)
        w, z, value, g = w_next, z_next, value_next, g_next
    return np.ascontiguousarray(w.reshape(p, r, k).transpose(1, 0, 2))


def photo_weights(labels: npt.NDArray[np.int64], *, balanced: bool) -> Floats:
    """Return what each photo counts in learning, float32, shape ``(n,)``, 1 on average.

    Args:
        labels: Class indices, shape ``(n,)``.
        balanced: Give every class the same weight, whatever its size.
    """
    if not balanced:
        return np.ones(len(labels), np.float32)
    counts = np.bincount(labels)
    return (len(labels) / (np.count_nonzero(counts) * counts[labels])).astype(np.float32)


@one_thread()
def log_probabilities(basis: Basis, w: Floats, num_photos: int) -> npt.NDArray[np.float64]:
    """Return what each solution says of each photo, shape ``(num_photos, p, num_classes)``.

    Args:
        basis: Its first rows are the photos as they are.
        w: Solutions, shape ``(1 + r, p, num_classes)``.
        num_photos: How many photos there are.
    """
    p, k = w.shape[1:]
    logits = (basis.rotated[:num_photos] @ w.reshape(len(w), -1)).reshape(num_photos, p, k)
    z: npt.NDArray[np.float64] = logits.astype(np.float64)
    z -= _reduced(np.maximum, z)[..., None]
    z -= np.log(_reduced(np.add, np.exp(z)))[..., None]
    return z


def score_solutions(
    basis: Basis, w: Floats, labels: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return each photo's log loss and predicted class under each solution, shapes ``(n, p)``.

    Where classes tie, as an unseen class may with another, the first is predicted.

    Args:
        basis: As in `log_probabilities`.
        w: Likewise.
        labels: Class indices of the photos, shape ``(n,)``.
    """
    found = log_probabilities(basis, w, len(labels))
    return -found[np.arange(len(labels)), :, labels], found.argmax(axis=2)


def two_loops(
    g: Real, pairs: list[tuple[Real, Real, Real]], precondition: Real, gamma: Real
) -> Real:
    """Return the L-BFGS estimate of the inverse Hessian times `g`, for every problem.

    Args:
        g: The gradients, shape ``(p, m)``.
        pairs: Of past steps: theirs, the changes of gradients they brought, and one over the
            product of the two, ``(p, m)``, ``(p, m)`` and ``(p,)``.
        precondition: An estimate of the inverse Hessian's diagonal, shape ``(m,)``.
        gamma: What it is multiplied by in each problem, shape ``(p,)``.
    """
    q = g.copy()
    alphas = []
    for s, y, inverse in reversed(pairs):
        alpha = inverse * np.vecdot(s, q)
        alphas.append(alpha)
        q -= alpha[:, None] * y
    q *= precondition
    q *= gamma[:, None]
    for (s, y, inverse), alpha in zip(pairs, reversed(alphas), strict=True):
        q += (alpha - inverse * np.vecdot(y, q))[:, None] * s
    return q


def _cross_entropy(
    z: Floats, labels: npt.NDArray[np.int64], weights: Floats
) -> tuple[Floats, Floats]:
    """Return each problem's weighted cross-entropy ``(p,)`` and its gradient by the logits."""
    rows = np.arange(len(labels))
    shifted = z - _reduced(np.maximum, z)[..., None]
    own = shifted[rows, :, labels]
    np.exp(shifted, out=shifted)
    total = _reduced(np.add, shifted)
    loss = np.einsum("np,np->p", np.log(total) - own, weights)
    shifted *= (weights / total)[..., None]
    shifted[rows, :, labels] -= weights
    return loss, shifted


def _reduced(operation: np.ufunc, z: Real) -> Real:
    """Reduce the last axis. NumPy is slow where that axis is short: then class by class."""
    if z.shape[-1] > _SHORT_AXIS:
        reduced: Real = operation.reduce(z, axis=-1)
        return reduced
    result = z[..., 0].copy()
    for c in range(1, z.shape[-1]):
        operation(result, z[..., c], out=result)
    return result
