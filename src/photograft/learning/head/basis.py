"""Features standardised and rotated, so that heads on them are quickly solved.

Each block of features, as the layers of a backbone are, is rotated into the eigenbasis of its own
covariance. Sets of layers that begin alike then share their rows: the smaller set is the first
columns of the larger one. What is penalised or shrunk alike in every direction doesn't change by a
rotation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from photograft.classifier.head import Head
from photograft.core.arrays import Floats
from photograft.core.blas import one_thread

#: Gives some photos' features, float32, shape ``(m, d)``.
Reader = Callable[[slice], Floats]

_CHUNK_ROWS = 2048


@dataclass(frozen=True)
class Block:
    """How some features were standardised and rotated.

    Attributes:
        mean: Float32, shape ``(d,)``, of the raw features.
        scale: Float32, shape ``(d,)``, their standard deviation, floored.
        rotation: Float32, shape ``(d, r)``.
    """

    mean: Floats
    scale: Floats
    rotation: Floats


@dataclass(frozen=True)
class Basis:
    """Features standardised, and rotated into the eigenbasis of their covariance, block by block.

    Attributes:
        rotated: Float32, shape ``(n, 1 + r)``; the first column is 1, for the intercept.
        variances: Float32, shape ``(1 + r,)``: the mean square of each column.
        blocks: Of the features, in their order.
    """

    rotated: Floats
    variances: Floats
    blocks: tuple[Block, ...]

    def first(self, num_blocks: int) -> Basis:
        """Return the basis of the first blocks alone, which shares memory with this one."""
        blocks = self.blocks[:num_blocks]
        width = 1 + sum(block.rotation.shape[1] for block in blocks)
        return Basis(self.rotated[:, :width], self.variances[:width], blocks)

    def head(self, solution: Floats) -> Head:
        """Return the head on raw features for a solution of shape ``(1 + r, num_classes)``."""
        parts, start = [], 1
        for block in self.blocks:
            width = block.rotation.shape[1]
            own = solution[start : start + width]
            parts.append((block.rotation @ own) / block.scale[:, None])
            start += width
        weight = np.concatenate(parts)
        mean = np.concatenate([block.mean for block in self.blocks])
        return Head((weight,), (solution[0] - mean @ weight,))


@one_thread()
def make_basis(
    read: Reader, num_photos: int, num_features: int, *, blocks: Sequence[int] = ()
) -> Basis:
    """Standardise and rotate features, holding one copy of them in memory and no more.

    Args:
        read: Gives a slice of the photos' features, float32, shape ``(m, num_features)``.
        num_photos: How many photos there are.
        num_features: Length of a row.
        blocks: Lengths of the blocks that are rotated each for itself, adding up to that; one
            block where not given.
    """
    n, d = num_photos, num_features
    buffer = np.empty((n, d + 1), np.float32)
    total = np.zeros(d, np.float64)
    for rows in _chunks(n):
        buffer[rows, 1:] = read(rows)
        total += buffer[rows, 1:].sum(axis=0, dtype=np.float64)
    mean = (total / n).astype(np.float32)
    square = np.zeros(d, np.float64)
    for rows in _chunks(n):
        buffer[rows, 1:] -= mean
        square += np.square(buffer[rows, 1:]).sum(axis=0, dtype=np.float64)
    scale = np.sqrt(square / n).astype(np.float32)
    variances = [np.ones(1, np.float32)]
    made, end = [], 1
    ends = list(accumulate(blocks or (d,)))
    for first, last in zip([0, *ends], ends, strict=False):
        own = floored(scale[first:last])
        features = buffer[:, 1 + first : 1 + last]
        features /= own
        spread, rotation = _eigenbasis(features)
        width = rotation.shape[1]
        # Never wider than it was: what is still to be read is not written over.
        for rows in _chunks(n):
            buffer[rows, end : end + width] = features[rows] @ rotation
        made.append(Block(mean[first:last], own, rotation))
        variances.append(spread)
        end += width
    buffer[:, 0] = 1
    return Basis(buffer[:, :end], np.concatenate(variances), tuple(made))


def floored(scale: Floats) -> Floats:
    """Return the standard deviations that a block's features are divided by.

    A feature that hardly ever moves must not become the loudest one on the day that it does.
    """
    return np.maximum(scale, max(1e-3 * float(np.median(scale)), 1e-12)).astype(np.float32)


def kept_axes(
    values: npt.NDArray[np.float64], axes: npt.NDArray[np.float64]
) -> tuple[Floats, Floats]:
    """Return those of a covariance's eigenvalues and eigenvectors that tell anything, from large.

    Args:
        values: Shape ``(d,)``, from small to large.
        axes: In columns, shape ``(d, d)``.
    """
    keep: npt.NDArray[np.bool_] = values > 1e-7 * max(values[-1], 1e-12)
    order = np.flatnonzero(keep)[::-1]
    return values[order].astype(np.float32), axes[:, order].astype(np.float32)


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
    return kept_axes(values, axes)


def _chunks(n: int) -> list[slice]:
    return [slice(i, i + _CHUNK_ROWS) for i in range(0, n, _CHUNK_ROWS)]
