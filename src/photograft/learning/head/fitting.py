"""Fitting what was chosen on all training photos."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from photograft.classifier.head import Head
from photograft.core.arrays import Floats
from photograft.features.layers import LayerSet
from photograft.learning.head.basis import Basis
from photograft.learning.head.candidates import LOGISTIC, Gather, nested_basis, nested_columns
from photograft.learning.head.discriminant import fit_discriminant
from photograft.learning.head.selection import Member, Selection
from photograft.learning.head.solver import photo_weights, solve
from photograft.learning.head.trying import with_views

_TOLERANCE = 1e-7


def fit_head(
    gather: Gather, selection: Selection, labels: npt.NDArray[np.int64], *, balanced: bool
) -> Head:
    """Fit the chosen head on all training photos; of several, one head that is their blend.

    Args:
        gather: Gives the stored features of the training photos.
        selection: What was chosen.
        labels: Class indices, shape ``(n,)``.
        balanced: Give every class the same weight.
    """
    num_classes = int(labels.max()) + 1
    weight = np.zeros((len(selection.columns), num_classes))
    bias = np.zeros(num_classes)
    weights = photo_weights(labels, balanced=balanced)
    for member, basis, columns in _bases(gather, selection, len(labels)):
        head = basis.head(_solution(basis, member, labels, weights, selection))
        places = np.searchsorted(selection.columns, columns)
        weight[places] += member.weight * head.weights[0].astype(np.float64)
        bias += member.weight * head.biases[0].astype(np.float64)
    return Head((weight.astype(np.float32),), (bias.astype(np.float32),))


def _bases(
    gather: Gather, selection: Selection, num_photos: int
) -> Iterator[tuple[Member, Basis, npt.NDArray[np.intp]]]:
    """Yield each member, the basis of its features, and the columns of these in its order."""
    rows = with_views(np.arange(num_photos), num_photos, selection.num_views)
    for family in _families(selection.members):
        sets: list[LayerSet] = list({m.layers: m.columns for m in family}.items())
        made: Basis | None = None
        for member in family:
            number = [names for names, _ in sets].index(member.layers)
            if member.basis is not None and len(member.basis.rotated) == len(rows):
                yield member, member.basis, member.columns
                continue
            made = made or nested_basis(gather, rows, sets)
            columns = nested_columns(sets)[: len(member.columns)]
            yield member, made.first(number + 1), columns


def _families(members: tuple[Member, ...]) -> list[list[Member]]:
    """Return the members in groups, the layers of each a part of the next one's, narrow first."""
    families: list[list[Member]] = []
    for member in sorted(members, key=lambda member: len(member.columns)):
        for family in families:
            if set(family[-1].layers) <= set(member.layers):
                family.append(member)
                break
        else:
            families.append([member])
    return families


def _solution(
    basis: Basis,
    member: Member,
    labels: npt.NDArray[np.int64],
    weights: Floats,
    selection: Selection,
) -> Floats:
    if member.head != LOGISTIC:
        return fit_discriminant(basis, labels, weights, member.strength)
    # More photos than it was chosen on: the same penalty on their sum is less on their mean.
    l2 = member.strength * selection.num_learned / len(labels)
    num_views = selection.num_views
    labels = np.tile(labels, num_views)
    shares = np.tile(weights, num_views)[:, None]
    start = np.zeros((len(basis.variances), 1, int(labels.max()) + 1), np.float32)
    found = solve(basis, labels, shares / shares.sum(), l2, start, tolerance=_TOLERANCE)
    return found[:, 0]
