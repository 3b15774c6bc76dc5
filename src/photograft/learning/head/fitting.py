"""Fitting what was chosen on all training photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from photograft.classifier.head import Head
from photograft.core.arrays import Floats
from photograft.core.choices import STREAM_ABOVE
from photograft.features.layers import LayerSet
from photograft.learning.head.basis import Basis
from photograft.learning.head.candidates import LOGISTIC, Gather, nested_basis, nested_columns
from photograft.learning.head.discriminant import fit_discriminant
from photograft.learning.head.selection import Member, Selection
from photograft.learning.head.solver import photo_weights, solve
from photograft.learning.head.streaming import Wanted, fit_streaming
from photograft.learning.head.streams import Rows
from photograft.learning.head.trying import with_views

#: A head that was chosen, fitted, and the columns that it sees in the stored features.
Fitted = tuple[Member, Head, npt.NDArray[np.intp]]

_TOLERANCE = 1e-7


def fit_head(
    gather: Gather,
    selection: Selection,
    labels: npt.NDArray[np.int64],
    *,
    balanced: bool,
    stream_above: int = STREAM_ABOVE,
    tell: Callable[[str], object] = lambda text: None,
) -> Head:
    """Fit the chosen head on all training photos; of several, one head that is their blend.

    Args:
        gather: Gives the stored features of the training photos.
        selection: What was chosen.
        labels: Class indices, shape ``(n,)``.
        balanced: Give every class the same weight.
        stream_above: Features that take more bytes are not held in memory; see `streaming`.
        tell: Told how far passes over them are, in words.
    """
    num_classes = int(labels.max()) + 1
    weight = np.zeros((len(selection.columns), num_classes))
    bias = np.zeros(num_classes)
    weights = photo_weights(labels, balanced=balanced)
    for family in _families(selection.members):
        heads = (
            _stream(gather, selection, family, labels, weights, tell)
            if _bytes_of(family, selection, len(labels)) > stream_above
            else _in_memory(gather, selection, family, labels, weights)
        )
        for member, head, columns in heads:
            places = np.searchsorted(selection.columns, columns)
            weight[places] += member.weight * head.weights[0].astype(np.float64)
            bias += member.weight * head.biases[0].astype(np.float64)
    return Head((weight.astype(np.float32),), (bias.astype(np.float32),))


def most_bytes(selection: Selection, num_photos: int) -> int:
    """Return the bytes that the features of that many training photos take in memory at once."""
    families = _families(selection.members)
    return max(_bytes_of(family, selection, num_photos) for family in families)


def _bytes_of(family: list[Member], selection: Selection, num_photos: int) -> int:
    return 4 * num_photos * selection.num_views * (1 + len(family[-1].columns))


def _in_memory(
    gather: Gather,
    selection: Selection,
    family: list[Member],
    labels: npt.NDArray[np.int64],
    weights: Floats,
) -> Iterator[Fitted]:
    rows = with_views(np.arange(len(labels)), len(labels), selection.num_views)
    sets, made = _sets_of(family), None
    for member in family:
        basis, columns = member.basis, member.columns
        if basis is None or len(basis.rotated) != len(rows):
            number = [names for names, _ in sets].index(member.layers)
            made = made or nested_basis(gather, rows, sets)
            basis, columns = made.first(number + 1), nested_columns(sets)[: len(columns)]
        yield member, basis.head(_solution(basis, member, labels, weights, selection)), columns


def _stream(
    gather: Gather,
    selection: Selection,
    family: list[Member],
    labels: npt.NDArray[np.int64],
    weights: Floats,
    tell: Callable[[str], object],
) -> Iterator[Fitted]:
    """Yield the heads of a family that are fitted in passes over the stored features."""
    rows = with_views(np.arange(len(labels)), len(labels), selection.num_views)
    sets = _sets_of(family)
    columns, names = nested_columns(sets), [names for names, _ in sets]
    wanted = [
        Wanted(
            _penalty(member, selection, len(labels)) if member.head == LOGISTIC else None,
            member.strength,
            names.index(member.layers) + 1,
        )
        for member in family
    ]
    heads = fit_streaming(
        Rows(
            lambda part: gather(rows[part], columns),
            np.tile(labels, selection.num_views),
            np.tile(weights, selection.num_views),
            tuple(np.diff([0, *(len(own) for _, own in sets)]).tolist()),
        ),
        wanted,
        tell,
    )
    for member, head in zip(family, heads, strict=True):
        yield member, head, columns[: len(member.columns)]


def _sets_of(family: list[Member]) -> list[LayerSet]:
    return list({member.layers: member.columns for member in family}.items())


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
    l2 = _penalty(member, selection, len(labels))
    num_views = selection.num_views
    labels = np.tile(labels, num_views)
    shares = np.tile(weights, num_views)[:, None]
    start = np.zeros((len(basis.variances), 1, int(labels.max()) + 1), np.float32)
    found = solve(basis, labels, shares / shares.sum(), l2, start, tolerance=_TOLERANCE)
    return found[:, 0]


def _penalty(member: Member, selection: Selection, num_photos: int) -> float:
    # More photos than it was chosen on: the same penalty on their sum is less on their mean.
    return member.strength * selection.num_learned / num_photos
