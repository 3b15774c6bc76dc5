"""Choosing the depths and the regularisation of the head by cross-validation.

Only training photos are looked at. The criterion is the log loss of held-out photos: it moves
smoothly where accuracy moves in jumps, and it is what makes probabilities worth something.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.backbones.registry import Layer
from photograft.classifier.head import Head
from photograft.core.arrays import Floats
from photograft.core.blas import one_thread
from photograft.core.errors import InputError
from photograft.core.parallel import in_order, num_cores
from photograft.core.progress import Progress, Silent
from photograft.core.statistics import NEGLIGIBLE, standard_error
from photograft.features.layers import LayerSet, layer_sets
from photograft.learning.head.cross_validation import (
    Counted,
    PenaltyResult,
    cross_validate,
    is_lower,
    is_worse,
    strongest_of_the_best,
)
from photograft.learning.head.out_of_fold import repeated_folds
from photograft.learning.head.sampling import sample_photos
from photograft.learning.head.solver import Basis, make_basis, photo_weights, solve

NUM_FOLDS = 5
NUM_REPEATS = 2

#: The choice is made on at most this many photos (and ten a class), the head fitted on all.
SELECTION_PHOTOS = 5000
#: And on at most this many rows, where photos have several views.
SELECTION_ROWS = 15_000

_FIT_TOLERANCE = 1e-7
#: Candidates are looked at by several threads as long as their features take no more elements.
_MAX_ELEMENTS = 60_000_000


@dataclass(frozen=True)
class LayerChoice:
    """What cross-validation says of one set of layers at its best penalty.

    Attributes:
        layers: Names of the joined layers.
        num_features: Length of their joined vector.
        l2: The best penalty.
        log_loss: Mean held-out log loss over folds and repeats, in nats.
        log_loss_se: Its standard error, from its spread over photos.
        accuracy: Mean held-out accuracy.
        path: ``(l2, log loss, accuracy)`` of every penalty that was tried.
    """

    layers: tuple[str, ...]
    num_features: int
    l2: float
    log_loss: float
    log_loss_se: float
    accuracy: float
    path: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class OutOfFoldScores:
    """What heads said of photos that neither they nor their settings were learned from.

    For every fold, layers and penalty are chosen anew on the other folds' photos: choosing the
    best of many on the photos that it is scored on would flatter it.

    Attributes:
        rows: The photos, indices into those given, shape ``(n,)``.
        folds: Of each photo in each repeat, shape ``(n, r)``.
        predicted: Class indices, shape ``(n, r)``.
        losses: Log loss in nats, shape ``(n, r)``.
        train_accuracy: Mean accuracy on the photos that were learned from.
    """

    rows: npt.NDArray[np.intp]
    folds: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    losses: npt.NDArray[np.float64]
    train_accuracy: float


@dataclass(frozen=True)
class Selection:
    """The chosen candidate, and what it was chosen from.

    Attributes:
        chosen: The candidate with the least held-out log loss; one without the last layer only
            where it is better beyond noise.
        candidates: All of them.
        columns: The chosen layers' columns in the stored features.
        num_photos: Photos that the choice was made on.
        num_folds: Folds of each repeat.
        num_repeats: Repeats of the cross-validation, over other folds.
        basis: The chosen layers' features, rotated, where the choice was made on all photos.
        losses: Held-out log loss of each of the photos, shape ``(num_photos,)``.
        shares: Their weights, summing to 1.
        held_out: The honest scores of choosing and fitting as is done here.
        num_views: Rows of each photo that the head learns from.
    """

    chosen: LayerChoice
    candidates: tuple[LayerChoice, ...]
    columns: npt.NDArray[np.intp]
    num_photos: int
    num_folds: int
    num_repeats: int
    basis: Basis | None
    losses: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]
    held_out: OutOfFoldScores
    num_views: int = 1


#: Names of joined layers.
Names = tuple[str, ...]

#: Layers, and what cross-validation says of every penalty on them.
Tried = tuple[Names, list[PenaltyResult]]

#: Returns float32 features of shape ``(len(indices), len(columns))``.
Gather = Callable[[npt.NDArray[np.intp], npt.NDArray[np.intp]], Floats]


@one_thread()
def select(
    gather: Gather,
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    keys: Sequence[bytes],
    *,
    backbone_layers: Sequence[Layer],
    layers: str,
    balanced: bool,
    seed: int,
    num_views: int = 1,
    progress: Progress | None = None,
) -> Selection:
    """Choose layers and penalty by repeated, stratified, grouped cross-validation.

    Views of a photo are on the same side of every fold: a head learns from all views of the other
    photos, and is scored on the plain view of those held out.

    Args:
        gather: Gives the stored features of the training photos; row ``v * n + i`` is view `v` of
            photo `i`, and view 0 is the plain one.
        labels: Class indices of the training photos, shape ``(n,)``.
        groups: Their groups, shape ``(n,)``; a group is never split across folds.
        keys: Their content digests.
        backbone_layers: The layers that a stored row consists of.
        layers: ``"auto"``, ``"last"``, ``"joined"``, or names with commas between.
        balanced: Give every class the same weight.
        seed: Of the folds.
        num_views: Views of each photo.
        progress: Told how far it is.
    """
    num_photos = len(labels)
    most = min(SELECTION_PHOTOS, max(SELECTION_ROWS // num_views, 1))
    rows = sample_photos(labels, groups, keys, seed, most)
    labels, groups = labels[rows], groups[rows]
    keys = [keys[i] for i in rows]
    folds = repeated_folds(
        labels, groups, keys, num_folds=NUM_FOLDS, num_repeats=NUM_REPEATS, seed=seed
    )
    choices = layer_sets(backbone_layers, layers)
    found: list[Tried] = []
    kept: Basis | None = None
    all_rows = _with_views(rows, num_photos, num_views)

    def attempt(choice: LayerSet) -> tuple[Basis, list[PenaltyResult]]:
        basis = _basis(gather, all_rows, choice[1])
        weights = photo_weights(labels, balanced=balanced)
        return basis, cross_validate(basis, labels, folds, weights)

    widest = max(len(columns) for _, columns in choices)
    fit_in = max(1, _MAX_ELEMENTS // (len(all_rows) * widest))
    threads = min(num_cores(), len(choices), fit_in)
    with (
        (progress or Silent()).step("Choosing the head", len(choices), "candidates") as step,
        contextlib.closing(
            in_order(attempt, choices, window=threads, num_threads=threads)
        ) as tried,
    ):
        for (names, _), (basis, path) in zip(choices, tried, strict=True):
            found.append((names, path))
            if len(rows) == num_photos and _choose(found)[0] == names:
                kept = basis
            step.advance()
    layer_names, point = _choose(found)
    own_columns = dict(choices)
    candidates = {names: _layer_choice(names, own_columns, path) for names, path in found}
    return Selection(
        chosen=candidates[layer_names],
        candidates=tuple(candidates.values()),
        columns=own_columns[layer_names],
        num_photos=len(rows),
        num_folds=NUM_FOLDS,
        num_repeats=NUM_REPEATS,
        basis=kept,
        losses=point.losses.mean(axis=1),
        shares=point.shares,
        held_out=_held_out(found, rows, folds),
        num_views=num_views,
    )


def fit_head(
    gather: Gather, selection: Selection, labels: npt.NDArray[np.int64], *, balanced: bool
) -> Head:
    """Fit the head on all training photos.

    Args:
        gather: Gives the stored features of the training photos.
        selection: The chosen layers and penalty.
        labels: Class indices, shape ``(n,)``.
        balanced: Give every class the same weight.
    """
    num_photos, num_views = len(labels), selection.num_views
    rows = _with_views(np.arange(num_photos), num_photos, num_views)
    basis = selection.basis or _basis(gather, rows, selection.columns)
    # More photos than it was chosen on: the same penalty on their sum is less on their mean.
    l2 = selection.chosen.l2 * selection.num_photos / num_photos
    labels = np.tile(labels, num_views)
    weights = photo_weights(labels, balanced=balanced)[:, None]
    start = np.zeros((len(basis.variances), 1, int(labels.max()) + 1), np.float32)
    solution = solve(basis, labels, weights / weights.sum(), l2, start, tolerance=_FIT_TOLERANCE)
    return basis.head(solution[:, 0])


def is_better(selection: Selection, other: Selection) -> bool:
    """Return whether a selection is better than another on the same photos, beyond noise."""
    difference = other.losses - selection.losses
    noise = standard_error(difference, selection.shares)
    return bool(difference @ selection.shares > max(noise, NEGLIGIBLE))


def _choose(found: Sequence[Tried], counted: Counted = None) -> tuple[Names, PenaltyResult]:
    """Return the layers and the penalty that do best on the photos that count.

    Layers without the last one have to be better beyond noise: where photos are much alike (bursts,
    one camera), cross-validation flatters layers that see texture rather than things.
    """
    best: tuple[Names, PenaltyResult] | None = None
    for names, path in found:
        point = strongest_of_the_best(path, counted)
        preferred = is_lower if "last" in names else _is_clearly_lower
        if best is None or preferred(point, best[1], counted):
            best = names, point
    if best is None:
        raise InputError("there is no layer to choose from", expected="at least one")
    return best


def _is_clearly_lower(point: PenaltyResult, other: PenaltyResult, counted: Counted) -> bool:
    return is_worse(other, point, counted)


def _layer_choice(
    names: Names, columns: Mapping[Names, Any], path: list[PenaltyResult]
) -> LayerChoice:
    point = strongest_of_the_best(path)
    return LayerChoice(
        layers=names,
        num_features=len(columns[names]),
        l2=point.l2,
        log_loss=point.log_loss,
        log_loss_se=point.log_loss_se,
        accuracy=point.accuracy,
        path=tuple((p.l2, p.log_loss, p.accuracy) for p in path),
    )


def _held_out(
    found: Sequence[Tried], rows: npt.NDArray[np.intp], folds: npt.NDArray[np.int64]
) -> OutOfFoldScores:
    """Return the scores of every fold's photos by what the other folds' photos chose."""
    predicted, losses = np.zeros(folds.shape, np.int64), np.zeros(folds.shape)
    learned = []
    for repeat in range(folds.shape[1]):
        for fold in range(NUM_FOLDS):
            out = folds[:, repeat] == fold
            if not out.any():
                continue
            _, point = _choose(found, None if out.all() else ~out)
            predicted[out, repeat] = point.predicted[out, repeat]
            losses[out, repeat] = point.losses[out, repeat]
            learned.append(point.train_accuracy)
    return OutOfFoldScores(rows, folds, predicted, losses, float(np.mean(learned)))


def _with_views(
    photos: npt.NDArray[np.intp], num_photos: int, num_views: int
) -> npt.NDArray[np.intp]:
    return (np.arange(num_views)[:, None] * num_photos + photos).ravel()


def _basis(gather: Gather, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Basis:
    return make_basis(lambda part: gather(rows[part], columns), len(rows), len(columns))


def to_json(selection: Selection) -> dict[str, Any]:
    """Return a selection as plain JSON types."""

    def row(candidate: LayerChoice) -> dict[str, Any]:
        return {
            "layers": list(candidate.layers),
            "num_features": candidate.num_features,
            "l2": candidate.l2,
            "log_loss": candidate.log_loss,
            "log_loss_se": candidate.log_loss_se,
            "accuracy": candidate.accuracy,
            "path": [list(point) for point in candidate.path],
        }

    return {
        "chosen": row(selection.chosen),
        "candidates": [row(candidate) for candidate in selection.candidates],
        "num_photos": selection.num_photos,
        "num_folds": selection.num_folds,
        "num_repeats": selection.num_repeats,
    }
