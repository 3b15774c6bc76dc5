"""The heads that are compared: kinds of heads on sets of layers, each cross-validated."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from photograft.backbones.registry import Layer
from photograft.core.arrays import Floats
from photograft.core.feature_table import Table
from photograft.core.parallel import in_order, num_cores
from photograft.core.progress import Progress
from photograft.features.layers import LayerSet, layer_sets
from photograft.learning.head.basis import Basis, make_basis
from photograft.learning.head.blending import blend, blended
from photograft.learning.head.cross_validation import HeadResult, counted_of, cross_validate
from photograft.learning.head.discriminant import SHRINKAGES, out_of_fold_discriminants

LOGISTIC, DISCRIMINANT = "logistic", "discriminant"

#: What is tried for each setting of the head.
KINDS = {
    "auto": (LOGISTIC, DISCRIMINANT),
    LOGISTIC: (LOGISTIC,),
    DISCRIMINANT: (DISCRIMINANT,),
}

#: Returns float32 features of shape ``(len(indices), len(columns))``.
Gather = Callable[[npt.NDArray[np.intp], npt.NDArray[np.intp]], Floats]

#: Candidates are looked at by several threads as long as their features take no more elements.
_MAX_ELEMENTS = 60_000_000


@dataclass(frozen=True)
class HeadCandidate:
    """A kind of head on a set of layers, and what cross-validation says of it.

    Attributes:
        head: ``"logistic"`` or ``"discriminant"``.
        layers: Names of the joined layers.
        columns: Theirs in the stored features, in the order of the basis.
        path: Of each strength of regularisation that was tried, the strongest first.
        basis: Of the rows that it was tried on, to be fitted on once more.
    """

    head: str
    layers: tuple[str, ...]
    columns: npt.NDArray[np.intp]
    path: tuple[HeadResult, ...] = field(repr=False)
    basis: Basis | None = field(default=None, repr=False)

    def figures(self) -> HeadCandidate:
        """Return it without what takes much memory: its basis, and answers of every class."""
        path = tuple(replace(point, log_probs=None) for point in self.path)
        return replace(self, path=path, basis=None)


@dataclass(frozen=True)
class Question:
    """What heads are cross-validated on.

    Attributes:
        gather: Gives the stored features.
        rows: Of the photos that the choice is made on; with views, all rows of the first view come
            before those of the second.
        labels: Class indices of the photos, shape ``(n,)``.
        folds: Of each photo in each repeat, shape ``(n, r)``.
        photo_weights: What each photo counts, float32, shape ``(n,)``.
    """

    gather: Gather
    rows: npt.NDArray[np.intp]
    labels: npt.NDArray[np.int64]
    folds: npt.NDArray[np.int64]
    photo_weights: Floats


def try_heads(
    question: Question,
    layers: Sequence[Layer],
    wanted: str,
    kinds: Sequence[str],
    progress: Progress,
) -> list[HeadCandidate]:
    """Cross-validate every kind of head on the sets of layers of one backbone.

    Args:
        question: What they are tried on.
        layers: Of the backbone, in the order of the stored features.
        wanted: Which of them; see `layer_sets`.
        kinds: ``"logistic"`` on every set, ``"discriminant"`` on the widest.
        progress: Told how far it is.
    """
    sets = layer_sets(layers, wanted)
    tasks = [
        (kind, number)
        for kind in kinds
        for number in range(len(sets))
        if kind == LOGISTIC or number == len(sets) - 1
    ]
    with progress.step("Choosing the head", len(tasks), "candidates") as step:
        basis = nested_basis(question.gather, question.rows, sets)

        def attempt(task: tuple[str, int]) -> HeadCandidate:
            kind, number = task
            own, columns = basis.first(number + 1), nested_columns(sets[: number + 1])
            path = (
                _logistic(own, question)
                if kind == LOGISTIC
                else discriminant_path(own, question.labels, question.folds, question.photo_weights)
            )
            return HeadCandidate(kind, sets[number][0], columns, tuple(path), own)

        fit_in = max(1, _MAX_ELEMENTS // basis.rotated.size)
        threads = min(num_cores(), len(tasks), fit_in)
        found = []
        with contextlib.closing(
            in_order(attempt, tasks, window=threads, num_threads=threads)
        ) as tried:
            for candidate in tried:
                found.append(candidate)
                step.advance()
    return found


def gather_from(table: Table, digests: Sequence[bytes]) -> Gather:
    """Return what gives the stored features of photos by their places among `digests`."""

    def gather(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Floats:
        return table.rows([digests[i] for i in rows.tolist()], columns)

    return gather


def nested_basis(gather: Gather, rows: npt.NDArray[np.intp], sets: Sequence[LayerSet]) -> Basis:
    """Return a basis whose first blocks are the first set, the first two the second, and so on."""
    columns = nested_columns(sets)
    widths = np.diff([0, *(len(own) for _, own in sets)]).tolist()
    return make_basis(
        lambda part: gather(rows[part], columns), len(rows), len(columns), blocks=widths
    )


def nested_columns(sets: Sequence[LayerSet]) -> npt.NDArray[np.intp]:
    """Return the columns of the widest set, those of the narrower ones before the others."""
    parts = [sets[0][1]]
    for (_, narrow), (_, wide) in itertools.pairwise(sets):
        parts.append(np.setdiff1d(wide, narrow))
    return np.concatenate(parts)


def _logistic(basis: Basis, question: Question) -> list[HeadResult]:
    return cross_validate(
        basis, question.labels, question.folds, question.photo_weights, keep_log_probs=True
    )


def discriminant_path(
    basis: Basis,
    labels: npt.NDArray[np.int64],
    folds: npt.NDArray[np.int64],
    photo_weights: Floats,
) -> list[HeadResult]:
    """Cross-validate discriminants, each as sure as its held-out answers allow.

    Args:
        basis: Of the features.
        labels: As in `Question`, as are the others.
        folds: Likewise.
        photo_weights: Likewise.
    """
    scored = np.where((folds >= 0).all(axis=1), photo_weights, 0).astype(np.float64)
    shares = scored / scored.sum()
    counted = counted_of(labels, folds)
    own = shares if counted is None else np.where(counted, shares, 0) / shares[counted].sum()
    said, accuracies = out_of_fold_discriminants(basis, labels, folds, photo_weights)
    found = []
    for strength, raw, accuracy in zip(SHRINKAGES, said, accuracies.tolist(), strict=True):
        scale = blend([raw], labels, own, is_own_kind=bool(scored.all())).weights
        log_probs = blended([raw], scale)
        losses = -np.take_along_axis(log_probs, labels[:, None, None], axis=2)[..., 0]
        predicted = log_probs.argmax(axis=2)
        hits = predicted == labels[:, None]
        found.append(
            HeadResult(
                strength,
                losses.astype(np.float64),
                predicted,
                hits,
                accuracy,
                shares,
                log_probs,
                float(scale[0]),
            )
        )
    return found[::-1]
