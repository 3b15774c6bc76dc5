"""A head that is fitted in a moment, again and again as labels come: for labelling photos.

The directions in which photos differ most do not hang on labels: they are found once, of photos
with and without, and kept. What is left for each new label is a discriminant in closed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photograft.backbones.registry import Layer
from photograft.classifier.head import Head
from photograft.core.arrays import Floats
from photograft.core.blas import one_thread
from photograft.features.layers import layer_sets
from photograft.learning.head.basis import Basis, Block, make_basis
from photograft.learning.head.candidates import (
    DISCRIMINANT,
    HeadCandidate,
    discriminant_path,
    nested_columns,
)
from photograft.learning.head.choosing import choose, held_out
from photograft.learning.head.cross_validation import counted_of
from photograft.learning.head.discriminant import fit_discriminant
from photograft.learning.head.out_of_fold import repeated_folds

#: Directions that are kept: of three sets with 398 to 5,000 photos, more made no head better.
NUM_DIRECTIONS = 384
#: With fewer photos than this the folds are drawn twice: it costs nothing and is less noisy.
_FEW = 500


@dataclass(frozen=True)
class Directions:
    """The directions in which features of photos differ most.

    Attributes:
        layers: Names of the layers that they are of.
        columns: Theirs in a stored row, in the order of `blocks`.
        blocks: How the features of each set of layers are standardised and rotated.
        variances: Mean square along each, the constant first, float32, shape ``(1 + r,)``.
    """

    layers: tuple[str, ...]
    columns: npt.NDArray[np.intp]
    blocks: tuple[Block, ...]
    variances: Floats

    @classmethod
    def fit(cls, features: Floats, layers: Sequence[Layer]) -> Directions:
        """Find the directions.

        Args:
            features: Stored rows of photos, labelled or not, float32, shape ``(n, num_features)``,
                n at least 1.
            layers: That a stored row consists of.
        """
        sets = layer_sets(layers, "auto")
        columns = nested_columns(sets)
        widths = np.diff([0, *(len(own) for _, own in sets)]).tolist()
        basis = make_basis(
            lambda rows: features[rows][:, columns], len(features), len(columns), blocks=widths
        )
        kept = np.sort(np.argsort(-basis.variances[1:], kind="stable")[:NUM_DIRECTIONS])
        blocks, start = [], 0
        for block in basis.blocks:
            end = start + block.rotation.shape[1]
            # In a block, the directions stand by falling variance: those that are kept, first.
            own = int(np.count_nonzero((kept >= start) & (kept < end)))
            rotation = np.ascontiguousarray(block.rotation[:, :own])
            blocks.append(Block(block.mean, block.scale, rotation))
            start = end
        variances = basis.variances[np.concatenate([[0], 1 + kept])]
        return cls(sets[-1][0], columns, tuple(blocks), variances)

    @one_thread()
    def rows(self, features: Floats) -> Floats:
        """Return photos along the directions, the constant 1 first, float32, ``(n, 1 + r)``.

        Args:
            features: As in `fit`.
        """
        parts, start = [np.ones((len(features), 1), np.float32)], 0
        for block in self.blocks:
            own = features[:, self.columns[start : start + len(block.mean)]]
            parts.append(
                np.asarray(((own - block.mean) / block.scale) @ block.rotation, np.float32)
            )
            start += len(block.mean)
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Refitted:
    """A head, and how it does on photos that were held out.

    Attributes:
        head: On the features of `Directions.layers`, in the order of a stored row.
        solution: The same on `Directions.rows`, float32, shape ``(1 + r, num_classes)``.
        log_probs: What heads that had not learned from a photo, nor been chosen by it, say of it:
            natural logarithms, float32, shape ``(n, num_classes)``.
    """

    head: Head
    solution: Floats
    log_probs: Floats


@one_thread()
def refit(
    directions: Directions,
    rows: Floats,
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    keys: Sequence[bytes],
    *,
    seed: int = 0,
) -> Refitted:
    """Fit a head, how far it is shrunk and how sure it is chosen by photos held out in turn.

    Args:
        directions: Of the photos.
        rows: The labelled ones along them, float32, shape ``(n, 1 + r)``.
        labels: Their class indices, shape ``(n,)``: every class from 0 to the largest occurs.
        groups: Their groups, shape ``(n,)``; a group is never split across folds.
        keys: Their content digests.
        seed: Of the folds.
    """
    folds = repeated_folds(
        labels, groups, keys, num_repeats=1 if len(labels) >= _FEW else 2, seed=seed
    )
    basis = Basis(rows, directions.variances, directions.blocks)
    weights = np.ones(len(labels), np.float32)
    path = discriminant_path(basis, labels, folds, weights)
    tried = [HeadCandidate(DISCRIMINANT, directions.layers, directions.columns, tuple(path))]
    counted = counted_of(labels, folds)
    (chosen,) = choose(tried, labels, counted, blends=False)
    everyone = np.arange(len(labels))
    judged = held_out(tried, labels, everyone, folds, blends=False, counted=counted)
    found = fit_discriminant(basis, labels, weights, chosen.point.strength)
    solution = (found * np.float32(chosen.weight * chosen.point.scale)).astype(np.float32)
    head = basis.head(solution)
    order = np.argsort(directions.columns, kind="stable")
    in_order = Head((np.ascontiguousarray(head.weights[0][order]),), head.biases)
    return Refitted(in_order, solution, _normalised(judged.log_probs.mean(axis=1)))


def class_probabilities(solution: Floats, rows: Floats) -> Floats:
    """Return probabilities ``(n, num_classes)`` for rows that `Directions.rows` gave."""
    found = np.exp(_normalised(rows @ solution))
    return found.astype(np.float32)


def _normalised(logits: Floats) -> Floats:
    z = logits.astype(np.float64)
    z -= z.max(axis=-1, keepdims=True)
    z -= np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return z.astype(np.float32)
