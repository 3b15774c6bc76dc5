"""Multinomial logistic regression on standardised features, solved fast.

Many problems on the same photos (every fold of a cross-validation) are solved at once, so that each
pass over the features serves all of them. The features are first rotated into the eigenbasis of
their covariance: there Böhning's bound on the Hessian (Böhning, 1992, "Multinomial logistic
regression algorithm") is diagonal, which makes it a preconditioner that costs nothing, and L-BFGS
(Liu & Nocedal, 1989) is done in some ten to thirty iterations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photograft.classifier.head import Head
from photograft.core.arrays import Floats
from photograft.core.blas import one_thread

#: Gives some photos' features, float32, shape ``(m, d)``.
Reader = Callable[[slice], Floats]

#: Numbers of the solver: pairs kept by L-BFGS, and the sufficient decrease of its line search.
_HISTORY = 8
_ARMIJO = 1e-4
_CHUNK_ROWS = 2048
_SHORT_AXIS = 16


@dataclass(frozen=True)
class Basis:
    """Features standardised and rotated into the eigenbasis of their covariance.

    Attributes:
        rotated: Float32, shape ``(n, r + 1)``; the last column is 1, for the intercept.
        variances: Float32, shape ``(r + 1,)``: the mean square of each column.
        mean: Float32, shape ``(d,)``, of the raw features.
        scale: Float32, shape ``(d,)``, their standard deviation, floored.
        rotation: Float32, shape ``(d, r)``.
    """

    rotated: Floats
    variances: Floats
    mean: Floats
    scale: Floats
    rotation: Floats

    def head(self, solution: Floats) -> Head:
        """Return the head on raw features for a solution of shape ``(r + 1, num_classes)``."""
        weight = (self.rotation @ solution[:-1]) / self.scale[:, None]
        return Head((weight,), (solution[-1] - self.mean @ weight,))


@one_thread()
def make_basis(read: Reader, num_photos: int, num_features: int) -> Basis:
    """Standardise and rotate features, holding one copy of them in memory and no more.

    Args:
        read: Gives a slice of the photos' features, float32, shape ``(m, num_features)``.
        num_photos: How many photos there are.
        num_features: Length of a row.
    """
    n, d = num_photos, num_features
    buffer = np.empty((n, d + 1), np.float32)
    total = np.zeros(d, np.float64)
    for rows in _chunks(n):
        buffer[rows, :d] = read(rows)
        total += buffer[rows, :d].sum(axis=0, dtype=np.float64)
    mean = (total / n).astype(np.float32)
    square = np.zeros(d, np.float64)
    for rows in _chunks(n):
        buffer[rows, :d] -= mean
        square += np.square(buffer[rows, :d]).sum(axis=0, dtype=np.float64)
    scale = np.sqrt(square / n).astype(np.float32)
    # A feature that hardly ever moves must not become the loudest one on the day that it does.
    scale = np.maximum(scale, max(1e-3 * float(np.median(scale)), 1e-12)).astype(np.float32)
    buffer[:, :d] /= scale
    variances, rotation = _eigenbasis(buffer[:, :d])
    r = rotation.shape[1]
    for rows in _chunks(n):
        buffer[rows, :r] = buffer[rows, :d] @ rotation
    buffer[:, r] = 1
    return Basis(buffer[:, : r + 1], np.append(variances, np.float32(1)), mean, scale, rotation)


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
        start: Where to begin, shape ``(r + 1, p, num_classes)``.
        tolerance: Stop when the next step promises less than this share of the objective
            (or of 0.1 nats, where the objective is smaller).
        max_iterations: Stop then at the latest.

    Returns:
        The solutions, shape ``(r + 1, p, num_classes)``.
    """
    x = basis.rotated
    (n, r), (p, k) = x.shape, start.shape[1:]
    # Each problem's weights lie together, so that products run over contiguous memory.
    penalty = np.repeat(np.append(np.full(r - 1, l2), 0), k).astype(np.float32)
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
        direction = -_two_loops(g, pairs, precondition, gamma)
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
        pairs = [*pairs[-_HISTORY + 1 :], (s, y, inverse)]
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
def score_solutions(
    basis: Basis, w: Floats, labels: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return each photo's log loss and predicted class under each solution, shapes ``(n, p)``.

    Where classes tie, as an unseen class may with another, the first is predicted.

    Args:
        basis: Its first rows are the photos as they are.
        w: Solutions, shape ``(r + 1, p, num_classes)``.
        labels: Class indices of the photos, shape ``(n,)``.
    """
    n, (p, k) = len(labels), w.shape[1:]
    z = (basis.rotated[:n] @ w.reshape(len(w), -1)).reshape(n, p, k).astype(np.float64)
    z -= z.max(axis=2, keepdims=True)
    own = np.take_along_axis(z, labels[:, None, None], axis=2)[..., 0]
    loss: npt.NDArray[np.float64] = np.log(np.exp(z).sum(axis=2)) - own
    return loss, z.argmax(axis=2)


def _two_loops(
    g: Floats, pairs: list[tuple[Floats, Floats, Floats]], precondition: Floats, gamma: Floats
) -> Floats:
    """Return the L-BFGS estimate of the inverse Hessian times `g`, for every problem."""
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


def _reduced(operation: np.ufunc, z: Floats) -> Floats:
    """Reduce the last axis. NumPy is slow where that axis is short: then class by class."""
    if z.shape[-1] > _SHORT_AXIS:
        reduced: Floats = operation.reduce(z, axis=-1)
        return reduced
    result = z[..., 0].copy()
    for c in range(1, z.shape[-1]):
        operation(result, z[..., c], out=result)
    return result


def _eigenbasis(standardised: Floats) -> tuple[Floats, Floats]:
    """Return the variances ``(r,)`` and axes ``(d, r)`` of features, from large to small."""
    n, d = standardised.shape
    if n >= d:
        covariance = np.zeros((d, d), np.float64)
        for rows in _chunks(n):
            covariance += standardised[rows].T @ standardised[rows]
        values, axes = np.linalg.eigh(covariance / n)
    else:  # fewer photos than features: the same axes, from the smaller matrix
        wide = standardised.astype(np.float64)
        values, vectors = np.linalg.eigh(wide @ wide.T / n)
        axes = wide.T @ (vectors / np.sqrt(np.maximum(values, 1e-30) * n))
    keep = values > 1e-7 * max(values[-1], 1e-12)
    order = np.flatnonzero(keep)[::-1]
    return values[order].astype(np.float32), axes[:, order].astype(np.float32)


def _chunks(n: int) -> list[slice]:
    return [slice(i, i + _CHUNK_ROWS) for i in range(0, n, _CHUNK_ROWS)]
