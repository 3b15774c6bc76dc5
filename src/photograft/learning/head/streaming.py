"""Fitting heads on features that are too many for memory: passes over them, some rows at a time.

One pass adds up counts, the sums of each class and the products of all features, of which there are
few, however many photos there are. The basis (see `basis`) and a discriminant follow from these
alone and are those that they are in memory. Logistic regression takes more passes: L-BFGS (Liu &
Nocedal, 1989, "On the limited memory BFGS method for large scale optimization") as in `solver`, of
which each step asks for the loss and its gradient over all rows, and so for one pass. It begins
with the head of a sample, some steps from the end. No row is rotated on the way: the weights are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from photograft.classifier.head import Head
from photograft.core.arrays import Doubles, Floats, Labels
from photograft.core.blas import one_thread
from photograft.learning.head.basis import Basis, Block, floored, kept_axes
from photograft.learning.head.discriminant import (
    LEDOIT_WOLF,
    class_shares,
    moments_of,
    solutions,
    strong_axes,
)
from photograft.learning.head.solver import HISTORY, solve, two_loops
from photograft.learning.head.streams import ROWS, Passes, Rows, Turn

#: Rows of the sample that a logistic head begins with.
_SAMPLE = 50_000
_TOLERANCE, _SAMPLE_TOLERANCE = 1e-7, 1e-5
_ITERATIONS, _ARMIJO, _TRIES = 300, 1e-4, 20


class Wanted(NamedTuple):
    """A head that is to be fitted.

    Attributes:
        penalty: Of a logistic head; None for a discriminant.
        shrinkage: Of a discriminant, as in `fit_discriminant`.
        num_blocks: It sees so many of the first blocks.
    """

    penalty: float | None
    shrinkage: float
    num_blocks: int


@one_thread()
def fit_streaming(
    rows: Rows, wanted: Sequence[Wanted], tell: Callable[[str], object] = lambda text: None
) -> list[Head]:
    """Fit heads, holding few rows in memory at a time.

    Args:
        rows: What to learn from.
        wanted: The heads.
        tell: Told how far it is, in words.

    Returns:
        A head on the raw features of its first blocks for each that is wanted.
    """
    passes = Passes(tell)
    sums = _add_up(rows, passes)
    basis = _basis_of(sums, rows.blocks)
    found = []
    for head in wanted:
        own = basis.first(head.num_blocks)
        if head.penalty is None:
            solution = _discriminant(rows, sums, own, head.shrinkage, passes)
        else:
            solution = _logistic(rows, own, head.penalty, passes)
        found.append(own.head(solution))
    return found


class _Sums(NamedTuple):
    """Of all rows, less a shift that keeps what cancels small.

    Attributes:
        counts: Rows of each class, shape ``(num_classes,)``.
        mean: Of the raw features, shape ``(d,)``.
        class_means: About that, shape ``(num_classes, d)``.
        covariance: About that, shape ``(d, d)``.
    """

    counts: Doubles
    mean: Doubles
    class_means: Doubles
    covariance: Doubles


def _add_up(rows: Rows, passes: Passes) -> _Sums:
    num_classes, d = int(rows.labels.max()) + 1, sum(rows.blocks)
    shift = rows.read(slice(0, ROWS)).mean(axis=0, dtype=np.float64).astype(np.float32)
    products, sums = np.zeros((d, d)), np.zeros((num_classes, d))

    def add(part: slice) -> tuple[Floats, Labels, Doubles]:
        x = rows.read(part) - shift
        own = rows.labels[part]
        order = np.argsort(own, kind="stable")
        classes, starts = np.unique(own[order], return_index=True)
        return x.T @ x, classes, np.add.reduceat(x[order], starts, axis=0, dtype=np.float64)

    for product, classes, some in passes.over(rows, add):
        products += product
        sums[classes] += some
    counts = np.bincount(rows.labels, minlength=num_classes).astype(np.float64)
    n = len(rows.labels)
    mean = sums.sum(axis=0) / n
    class_means = sums / np.maximum(counts, 1)[:, None] - mean
    covariance = products / n - np.outer(mean, mean)
    return _Sums(counts, mean + shift, class_means, covariance)


def _basis_of(sums: _Sums, blocks: Sequence[int]) -> Basis:
    """Return the basis that `make_basis` makes of the same features; it holds no rows."""
    made, variances = [], [np.ones(1, np.float32)]
    scale = np.sqrt(np.maximum(np.diag(sums.covariance), 0)).astype(np.float32)
    end = 0
    for width in blocks:
        part = slice(end, end + width)
        own = floored(scale[part])
        wide = own.astype(np.float64)
        values, axes = np.linalg.eigh(sums.covariance[part, part] / np.outer(wide, wide))
        spread, rotation = kept_axes(values, axes)
        made.append(Block(sums.mean[part].astype(np.float32), own, rotation))
        variances.append(spread)
        end += width
    found = np.concatenate(variances)
    return Basis(np.empty((0, len(found)), np.float32), found, tuple(made))


def _discriminant(
    rows: Rows, sums: _Sums, basis: Basis, shrinkage: float, passes: Passes
) -> Floats:
    """Return the solution that `fit_discriminant` returns of the same rows."""
    turn, d = Turn(basis), sum(len(block.mean) for block in basis.blocks)
    n = len(rows.labels)
    means = sums.class_means[:, :d]
    inside = sums.covariance[:d, :d] - (means.T * (sums.counts / n)) @ means
    turned = turn.into(turn.into(inside).T)  # symmetric
    strong, fourth = strong_axes(basis), 0.0
    if shrinkage == LEDOIT_WOLF:
        centred = (means / turn.scale).astype(np.float32)

        def square(part: slice) -> float:
            x = (rows.read(part)[:, :d] - turn.mean) / turn.scale
            x -= centred[rows.labels[part]]
            return float(np.square(np.vecdot(x, x), dtype=np.float64).sum())

        fourth = sum(passes.over(rows, square))
    moments = moments_of(
        turn.into(means.T).T.astype(np.float32),
        strong,
        turned[np.ix_(strong, strong)].astype(np.float32),
        np.maximum(np.diag(turned), 0).astype(np.float32),
        fourth,
        n,
    )
    shares = class_shares(rows.labels, rows.weights)
    return solutions(moments, shares, (shrinkage,))[0]


def _logistic(rows: Rows, basis: Basis, penalty: float, passes: Passes) -> Floats:
    """Minimise what `solver.solve` minimises, by the same steps, a pass each."""
    turn, k = Turn(basis), int(rows.labels.max()) + 1
    d, r = len(turn.mean), len(basis.variances)
    weights = rows.weights / rows.weights.sum(dtype=np.float64).astype(np.float32)
    penalties = np.repeat(np.append(0.0, np.full(r - 1, penalty)), k)
    precondition = 1 / (np.repeat(basis.variances.astype(np.float64), k) / 2 + penalties)
    w = _begin(rows, basis, turn, penalty).astype(np.float64).ravel()

    def evaluate(at: Doubles) -> tuple[float, Doubles]:
        solution = at.reshape(r, k)
        weight = turn.out_of(solution[1:]).astype(np.float32)
        bias = solution[0].astype(np.float32)

        def ask(part: slice) -> tuple[float, Floats, Doubles]:
            x = rows.read(part)[:, :d]
            x -= turn.mean
            loss, residual = _cross_entropy(x @ weight + bias, rows.labels[part], weights[part])
            return loss, x.T @ residual, residual.sum(axis=0, dtype=np.float64)

        loss, slope, intercept = 0.0, np.zeros((d, k)), np.zeros(k)
        for one, steep, first in passes.over(rows, ask):
            loss += one
            slope += steep
            intercept += first
        g = np.concatenate([intercept[None], turn.into(slope)]).ravel() + penalties * at
        return loss + 0.5 * float(at @ (penalties * at)), g

    value, g = evaluate(w)
    pairs: list[tuple[Doubles, Doubles, Doubles]] = []
    gamma = np.ones(1)
    for _ in range(_ITERATIONS):
        direction = -two_loops(g[None], pairs, precondition, gamma)[0]
        promised = float(direction @ g)
        if -promised < 2 * _TOLERANCE * max(value, 0.1):
            break
        step = 1.0
        for _ in range(_TRIES):
            ahead, g_ahead = evaluate(w + step * direction)
            if ahead <= value + _ARMIJO * step * promised + 1e-9 * value:
                break
            step *= 0.4
        else:  # no step that is tried is any better: numbers are no more exact than that
            break
        s, y = step * direction, g_ahead - g
        curvature = float(s @ y)
        if curvature > 1e-15:
            pairs = [*pairs[-HISTORY + 1 :], (s[None], y[None], np.array([1 / curvature]))]
            gamma = np.array([curvature / float(y @ (precondition * y))])
        w, value, g = w + s, ahead, g_ahead
    return w.reshape(r, k).astype(np.float32)


def _begin(rows: Rows, basis: Basis, turn: Turn, penalty: float) -> Floats:
    """Return the solution of a sample of rows, every so-manieth one."""
    n = len(rows.labels)
    some = slice(0, n, -(-n // _SAMPLE))
    x = (rows.read(some)[:, : len(turn.mean)] - turn.mean) / turn.scale
    parts, start = [np.ones((len(x), 1), np.float32)], 0
    for block in basis.blocks:
        parts.append(x[:, start : start + len(block.mean)] @ block.rotation)
        start += len(block.mean)
    sample = Basis(np.concatenate(parts, axis=1), basis.variances, basis.blocks)
    weights = rows.weights[some, None]
    begin = np.zeros((len(basis.variances), 1, int(rows.labels.max()) + 1), np.float32)
    return solve(
        sample,
        rows.labels[some],
        weights / weights.sum(),
        penalty,
        begin,
        tolerance=_SAMPLE_TOLERANCE,
    )[:, 0]


def _cross_entropy(z: Floats, labels: Labels, weights: Floats) -> tuple[float, Floats]:
    """Return the weighted cross-entropy of logits ``(m, k)`` and its gradient by them."""
    own = np.arange(len(labels))
    z -= z.max(axis=1, keepdims=True)
    said = z[own, labels].astype(np.float64)
    np.exp(z, out=z)
    total = z.sum(axis=1)
    loss = float((np.log(total) - said) @ weights)
    z *= (weights / total)[:, None]
    z[own, labels] -= weights
    return loss, z
