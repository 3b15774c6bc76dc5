"""Choosing the depths and the regularisation of the head by cross-validation.

Only training photos are looked at. The criterion is the log loss of held-out photos: it moves
smoothly where accuracy moves in jumps, and it is what makes probabilities worth something.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.backbones.registry import Layer
from photograft.depths import layer_sets
from photograft.errors import InputError
from photograft.heads import Floats, Head
from photograft.progress import Progress, Silent
from photograft.solver import Basis, make_basis, solve
from photograft.splits import make_folds

#: Penalties that are tried, the strongest first; see `_path` for where the search ends.
PENALTIES = tuple(float(f"{m}e{e}") for e in range(1, -6, -1) for m in (3, 1))[1:]

NUM_FOLDS = 5
NUM_REPEATS = 2

#: The choice is made on at most this many photos (and ten a class), the head fitted on all.
SELECTION_PHOTOS = 5000
#: And on at most this many rows, where photos have several views.
SELECTION_ROWS = 15_000

#: Differences in log loss, in nats, that are not worth telling apart.
NEGLIGIBLE = 0.002

_CV_TOLERANCE = 1e-4
_FIT_TOLERANCE = 1e-7
_MAX_ELEMENTS = 20_000_000


@dataclass(frozen=True)
class Candidate:
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
        num_views: Rows of each photo that the head learns from.
    """

    chosen: Candidate
    candidates: tuple[Candidate, ...]
    columns: npt.NDArray[np.intp]
    num_photos: int
    num_folds: int
    num_repeats: int
    basis: Basis | None
    losses: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]
    num_views: int = 1


#: Returns float32 features of shape ``(len(indices), len(columns))``.
Gather = Callable[[npt.NDArray[np.intp], npt.NDArray[np.intp]], Floats]


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
    rows = _subset(labels, groups, keys, seed, most)
    labels, groups = labels[rows], groups[rows]
    keys = [keys[i] for i in rows]
    folds = np.stack(
        [
            make_folds(labels, groups, keys, num_folds=NUM_FOLDS, seed=seed * 1000 + repeat)
            for repeat in range(NUM_REPEATS)
        ],
        axis=1,
    )
    choices = layer_sets(backbone_layers, layers)
    candidates: list[Candidate] = []
    kept: Basis | None = None
    best: tuple[Candidate, _Point] | None = None
    all_rows = _with_views(rows, num_photos, num_views)
    with (progress or Silent()).step("Choosing the head", len(choices), "candidates") as step:
        for names, columns in choices:
            basis = _basis(gather, all_rows, columns)
            path = _path(basis, labels, folds, _photo_weights(labels, balanced))
            point = _strongest_of_the_best(path)
            candidates.append(
                Candidate(
                    layers=names,
                    num_features=len(columns),
                    l2=point.l2,
                    log_loss=point.log_loss,
                    log_loss_se=_standard_error(point.losses, point.shares),
                    accuracy=point.accuracy,
                    path=tuple((p.l2, p.log_loss, p.accuracy) for p in path),
                )
            )
            if best is None or _is_preferred(names, point, best[1]):
                best = candidates[-1], point
                kept = basis if len(rows) == num_photos else None
            step.advance()
    if best is None:
        raise InputError("there is no layer to choose from", expected="at least one")
    chosen, chosen_point = best
    return Selection(
        chosen=chosen,
        candidates=tuple(candidates),
        columns=dict(choices)[chosen.layers],
        num_photos=len(rows),
        num_folds=NUM_FOLDS,
        num_repeats=NUM_REPEATS,
        basis=kept,
        losses=chosen_point.losses,
        shares=chosen_point.shares,
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
    weights = _photo_weights(labels, balanced)[:, None]
    start = np.zeros((len(basis.variances), 1, int(labels.max()) + 1), np.float32)
    solution = solve(basis, labels, weights / weights.sum(), l2, start, tolerance=_FIT_TOLERANCE)
    return basis.head(solution[:, 0])


def is_better(selection: Selection, other: Selection) -> bool:
    """Return whether a selection is better than another on the same photos, beyond noise."""
    difference = other.losses - selection.losses
    noise = _standard_error(difference, selection.shares)
    return bool(difference @ selection.shares > max(noise, NEGLIGIBLE))


def _is_preferred(names: Sequence[str], point: _Point, best: _Point) -> bool:
    """Return whether a set of layers takes the place of the best one so far.

    Without the last layer it has to be better beyond noise: where photos are much alike (bursts,
    one camera), cross-validation flatters layers that see texture rather than things.
    """
    if "last" in names:
        return point.log_loss < best.log_loss
    return _is_worse(best, point)


def _with_views(
    photos: npt.NDArray[np.intp], num_photos: int, num_views: int
) -> npt.NDArray[np.intp]:
    return (np.arange(num_views)[:, None] * num_photos + photos).ravel()


def _basis(gather: Gather, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Basis:
    return make_basis(lambda part: gather(rows[part], columns), len(rows), len(columns))


def to_json(selection: Selection) -> dict[str, Any]:
    """Return a selection as plain JSON types."""

    def row(candidate: Candidate) -> dict[str, Any]:
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


def _subset(
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    keys: Sequence[bytes],
    seed: int,
    most: int,
) -> npt.NDArray[np.intp]:
    """Return the photos to choose on: all, or a stratified seeded sample of whole groups."""
    most = max(most, 10 * (int(labels.max()) + 1))
    if len(labels) <= most:
        return np.arange(len(labels))
    salt = seed.to_bytes(8, "little") + b"subset"
    smallest: dict[int, bytes] = {}
    for group, key in zip(groups.tolist(), keys, strict=True):
        smallest[group] = min(key, smallest.get(group, key))
    rank = [hashlib.sha256(salt + smallest[group]).digest() for group in groups.tolist()]
    taken: list[int] = []
    share = most / len(labels)
    for c in range(int(labels.max()) + 1):
        own = sorted(np.flatnonzero(labels == c).tolist(), key=lambda i: (rank[i], i))
        taken += own[: max(10, round(share * len(own)))]
    return np.array(sorted(taken), dtype=np.intp)


def _photo_weights(labels: npt.NDArray[np.int64], balanced: bool) -> Floats:
    if not balanced:
        return np.ones(len(labels), np.float32)
    counts = np.bincount(labels)
    return (len(labels) / (np.count_nonzero(counts) * counts[labels])).astype(np.float32)


@dataclass(frozen=True)
class _Point:
    """One penalty's held-out results: the photos' losses ``(n,)``, shares, and their means."""

    l2: float
    losses: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]
    accuracy: float

    @property
    def log_loss(self) -> float:
        return float(self.losses @ self.shares)


def _path(
    basis: Basis,
    labels: npt.NDArray[np.int64],
    folds: npt.NDArray[np.int64],
    photo_weights: Floats,
) -> list[_Point]:
    """Return the held-out results from the strongest penalty down.

    Every fold of every repeat is one problem; each begins where the stronger penalty left it. The
    path ends where a weaker penalty is no longer better beyond noise.
    """
    n, num_repeats = folds.shape
    num_classes = int(labels.max()) + 1
    held_out = (folds[:, :, None] == np.arange(NUM_FOLDS)).reshape(n, -1)
    num_views = len(basis.rotated) // n
    weights = np.where(held_out, 0, photo_weights[:, None]).astype(np.float32)
    weights = np.tile(weights, (num_views, 1))
    all_labels = np.tile(labels, num_views)
    # A fold that holds out everything (all photos are one group) has nothing to learn from.
    weights /= np.maximum(weights.sum(axis=0), np.float32(1e-30))
    num_problems = held_out.shape[1]
    size = max(1, _MAX_ELEMENTS // (n * num_views * num_classes))
    blocks = [slice(i, i + size) for i in range(0, num_problems, size)]
    w = np.zeros((len(basis.variances), num_problems, num_classes), np.float32)
    shares = photo_weights.astype(np.float64) / photo_weights.sum(dtype=np.float64)
    path: list[_Point] = []
    for l2 in PENALTIES:
        losses, hits = np.zeros(n), np.zeros(n)
        for block in blocks:
            w[:, block] = solve(
                basis, all_labels, weights[:, block], l2, w[:, block], tolerance=_CV_TOLERANCE
            )
            loss, hit = _held_out(basis, w[:, block], labels, held_out[:, block])
            losses += loss / num_repeats
            hits += hit / num_repeats
        path.append(_Point(l2, losses, shares, float(hits @ shares)))
        if len(path) > 1 and not _is_worse(path[-2], path[-1]):
            break
    return path


def _strongest_of_the_best(path: list[_Point]) -> _Point:
    """Return the strongest penalty that is not worse than the best one beyond noise.

    The one-standard-error rule (Breiman et al., 1984) on paired differences: where the data can't
    tell two penalties apart, the stronger one is less sure of itself on photos unlike these.
    """
    best = min(path, key=lambda point: point.log_loss)
    return next(point for point in path if point is best or not _is_worse(point, best))


def _is_worse(point: _Point, other: _Point) -> bool:
    difference = point.losses - other.losses
    noise = _standard_error(difference, point.shares)
    return bool(difference @ point.shares > max(noise, NEGLIGIBLE))


def _standard_error(values: npt.NDArray[np.float64], shares: npt.NDArray[np.float64]) -> float:
    """Return the standard error of the weighted mean of values, one per photo."""
    deviation = values - values @ shares
    return float(np.sqrt(np.square(deviation) @ np.square(shares)))


def _held_out(
    basis: Basis,
    w: Floats,
    labels: npt.NDArray[np.int64],
    held_out: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return each photo's summed log loss and hits over the problems that held it out."""
    n, (p, k) = len(labels), w.shape[1:]
    z = (basis.rotated[:n] @ w.reshape(len(w), -1)).reshape(n, p, k).astype(np.float64)
    z -= z.max(axis=2, keepdims=True)
    own = np.take_along_axis(z, labels[:, None, None], axis=2)[..., 0]
    loss = np.log(np.exp(z).sum(axis=2)) - own
    hit = own == 0  # the largest logit is 0 after the shift
    return (loss * held_out).sum(axis=1), (hit & held_out).sum(axis=1).astype(np.float64)
