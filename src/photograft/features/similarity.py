"""Photos as points: rows of length 1, the axes that hold most of them, who is near to whom."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Floats, Labels
from photograft.core.blas import one_thread

#: Squared distances of rows of length 1 below this are rounding.
SMALLEST_SQUARED = 1e-3
_CHUNK_ROWS = 1024
_MORE_AXES = 16

#: Logarithms of squared distances to the nearest rows, and which rows these are, both ``(m, k)``;
#: the last column is the farthest.
Near = tuple[Floats, npt.NDArray[np.intp]]


def unit_rows(features: Floats, bounds: npt.NDArray[np.int64] | None = None) -> Floats:
    """Return rows of length 1 in which every layer has the same say.

    Args:
        features: Shape ``(n, num_features)``.
        bounds: First column and end of each layer that is used, shape ``(num_layers, 2)``; all
            columns as one layer where not given.

    Returns:
        Float32, shape ``(n, d)``; of a layer that gave nothing but zeros, zeros.
    """
    wanted = [[0, features.shape[1]]] if bounds is None else bounds.tolist()
    parts = []
    for first, end in wanted:
        part = features[:, first:end]
        length = np.linalg.norm(part, axis=1, keepdims=True) * math.sqrt(len(wanted))
        parts.append(part / np.maximum(length, np.float32(1e-12)))
    return np.concatenate(parts, axis=1).astype(np.float32)


@one_thread()
def main_axes(rows: Floats, rank: int, rng: np.random.Generator) -> Floats:
    """Return orthonormal axes ``(d, r)`` that hold most of some rows, by subspace iteration.

    Halko et al. (2011), "Finding structure with randomness", doi:10.1137/090771806.

    Args:
        rows: Shape ``(n, d)``.
        rank: Axes wanted, at least 1; there are fewer where n or d is less.
        rng: Of the first guess.
    """
    n, d = rows.shape
    if min(n, d) <= rank:
        whole: Floats = (np.linalg.qr(rows.T)[0] if n < d else np.eye(d)).astype(np.float32)
        return whole
    found = rng.standard_normal((d, min(rank + _MORE_AXES, n, d))).astype(np.float32)
    for _ in range(3):
        found = np.linalg.qr(rows.T @ (rows @ found))[0]
    seen = rows @ found
    inner = np.linalg.eigh(seen.T @ seen)[1]
    axes: Floats = (found @ inner[:, ::-1][:, :rank]).astype(np.float32)
    return axes


def half(x: Floats) -> Floats:
    """Return numbers as they are read back from float16."""
    return x.astype(np.float16).astype(np.float32)


def choose_rows(labels: Labels, rng: np.random.Generator, most: int) -> npt.NDArray[np.intp]:
    """Return which photos to carry along, sorted: all, or as many of each class as there is room.

    Args:
        labels: Their class indices, shape ``(n,)``.
        rng: Decides which of a class.
        most: How many there may be.
    """
    order = rng.permutation(len(labels))
    turn = np.zeros(len(labels), np.int64)  # of a photo among those of its class
    for c in np.unique(labels):
        own = order[labels[order] == c]
        turn[own] = np.arange(len(own))
    return np.sort(order[np.argsort(turn[order], kind="stable")][:most])


def squared_distances(projected: Floats, rows: Floats) -> Floats:
    """Return squared distances ``(m, n)`` of rows that were of length 1 before a projection.

    What the projection leaves out counts as nothing alike.
    """
    squared: Floats = np.float32(2) - np.float32(2) * (projected @ rows.T)
    return squared


def usual_distance(rows: Floats, groups: Labels, neighbour: int) -> float:
    """Return the median squared distance to a neighbour so far away that it is no duplicate.

    Args:
        rows: Projected, shape ``(n, r)``.
        groups: Those of one group are not compared, shape ``(n,)``.
        neighbour: Which neighbour, at least 1.
    """
    found = []
    k = min(neighbour, len(rows)) - 1
    for part in chunks(len(rows)):
        squared = squared_distances(rows[part], rows)
        squared[groups[part, None] == groups] = np.inf
        found.append(np.partition(squared, k, axis=1)[:, k])
    distances = np.concatenate(found)
    distances = distances[np.isfinite(distances)]
    return float(np.median(distances)) if len(distances) else 0.0


def nearest(squared: Floats, k: int) -> Near:
    """Return the `k` nearest of squared distances ``(m, n)``, infinity where one does not count."""
    k = min(k, squared.shape[1])
    which = np.argpartition(squared, k - 1, axis=1)[:, :k]
    near = np.take_along_axis(squared, which, axis=1)
    order = np.argsort(near, axis=1, kind="stable")
    which, near = np.take_along_axis(which, order, 1), np.take_along_axis(near, order, 1)
    # Fewer others than neighbours asked for: the farthest that there is stands for the rest.
    near = np.where(np.isfinite(near), near, near[:, :1])
    near = np.maximum.accumulate(near, axis=1)
    return np.log(np.maximum(near, np.float32(SMALLEST_SQUARED))), which


def chunks(n: int, size: int = _CHUNK_ROWS) -> list[slice]:
    """Return slices that make up n rows, so many at a time."""
    return [slice(i, i + size) for i in range(0, n, size)]
