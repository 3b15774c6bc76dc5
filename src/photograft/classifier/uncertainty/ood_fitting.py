"""What a classifier learns of where its classes lie, and how photos held out from it stray."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from photograft.classifier.uncertainty.ood_detector import OODDetector, doubt_of, strays
from photograft.core.arrays import Floats, Labels
from photograft.core.errors import InputError
from photograft.features.similarity import (
    Near,
    choose_rows,
    chunks,
    half,
    main_axes,
    nearest,
    squared_distances,
    unit_rows,
    usual_distance,
)

#: Which neighbour's distance counts: chosen by `benchmarks.unknowns`.
_NEIGHBOUR = 3
_NUM_LAYERS = 3

#: Training photos that are carried along, numbers for each, and numbers in the projection at most.
_MAX_ROWS = 3000
_RANK = 128
_MAX_ELEMENTS = 2_000_000
#: Held-out photos that are scored at most: more would not move a quantile.
_MAX_HELD_OUT = 10_000
#: With as many that nothing was learned from, those alone set the threshold: they were chosen as
#: tests are, while training photos of one burst or shelf lie too near each other.
_ENOUGH_HELD_OUT = 50

#: Photos nearer than this share of the usual squared distance to the tenth nearest are the same
#: picture saved anew.
_SAME_PICTURE = 0.15
_USUAL_NEIGHBOUR = 10
#: What a held-out spread counts at least, so that photos all alike do not make it infinite.
_LEAST_SPREAD = 0.02


class ValidationPhotos(NamedTuple):
    """Photos that nothing was learned from.

    Attributes:
        features: Stored rows, float32, shape ``(h, num_features)``.
        log_probabilities: What the head says of them, ``(h, C)``.
        labels: Their class indices, ``(h,)``.
    """

    features: Floats
    log_probabilities: npt.NDArray[np.floating[Any]]
    labels: Labels


def fit_ood_detector(
    features: Floats,
    labels: Labels,
    groups: Labels,
    log_probabilities: npt.NDArray[np.floating[Any]] | None,
    *,
    widths: Sequence[int],
    held_out: ValidationPhotos | None = None,
    rng: np.random.Generator,
) -> OODDetector:
    """Learn where the photos of the known classes lie.

    The threshold is set by the scores of photos in `held_out` where there are at least 50.
    Otherwise also by the training photos', each by the distance to those of other groups that are
    not the same picture saved anew, and by what heads said that had not learned from it.

    Args:
        features: Stored rows of the training photos, float32, shape ``(n, num_features)``, n at
            least 1.
        labels: Their class indices, shape ``(n,)``.
        groups: Their groups, shape ``(n,)``.
        log_probabilities: What heads that did not learn from them say of them, ``(n, C)``, such as
            `out_of_fold` gives; None where the network itself learned from them, so that they
            can't stand for new photos.
        widths: Features of each of the backbone's layers, in the order of a row.
        held_out: Photos that nothing was learned from, such as the validation photos.
        rng: Decides which photos are carried along where there are many.

    Raises:
        InputError: There are no photos, or none that was held out.
    """
    num_held_out = 0 if held_out is None else len(held_out.labels)
    if not len(features) or (log_probabilities is None and not num_held_out):
        raise InputError(
            "nothing shows how photos that were not learned from look",
            expected="training photos, and held-out log-probabilities of them or of others",
        )
    bounds = _last_layers(widths)
    width = int((bounds[:, 1] - bounds[:, 0]).sum())
    chosen = choose_rows(labels, rng, _MAX_ROWS)
    units = unit_rows(features[chosen], bounds)
    rank = max(16, min(_RANK, _MAX_ELEMENTS // width))
    # At once as it will be read back: a classifier must answer the same before and after saving.
    projection = half(main_axes(units, rank, rng))
    rows = half(units @ projection)
    own_labels, own_groups = labels[chosen], groups[chosen]
    same = _SAME_PICTURE * usual_distance(rows, own_groups, _USUAL_NEIGHBOUR)
    k = _neighbour(labels, groups)
    radii = _others(rows, own_groups, rows, own_groups, same, k)[0][:, -1]
    found = _Strays([], [], [], [])

    def look(
        photos: Floats,
        their: Labels,
        log_probs: npt.NDArray[np.floating[Any]],
        groups: Labels | None,
    ) -> None:
        for part in chunks(len(their)):
            squared = squared_distances(unit_rows(photos[part], bounds) @ projection, rows)
            if groups is not None:
                squared = _of_others(squared, groups[part], own_groups, same)
            found.known.append(strays(nearest(squared, k), radii))
            found.doubts.append(doubt_of(log_probs[part]))
            foreign = np.where(their[part, None] == own_labels, np.float32(np.inf), squared)
            some = np.isfinite(foreign).any(axis=1)
            if log_probs.shape[1] > 1 and some.any():
                found.new.append(strays(nearest(foreign[some], k), radii))
                found.new_doubts.append(
                    doubt_of(_without(log_probs[part][some], their[part][some]))
                )

    if log_probabilities is not None and num_held_out < _ENOUGH_HELD_OUT:
        order = rng.permutation(len(features))[:_MAX_HELD_OUT]
        for part in chunks(len(order)):
            i = order[part]
            look(features[i], labels[i], log_probabilities[i], groups[i])
    if held_out is not None:
        look(held_out.features, held_out.labels, held_out.log_probabilities, None)
    known = np.concatenate(found.known)
    middle, high = np.quantile(known, [0.5, 0.9])
    spread = float(np.float32(max(high - middle, _LEAST_SPREAD)))
    scores = [
        np.sort((stray / spread + doubt).astype(np.float32))
        for stray, doubt in (
            (known, np.concatenate(found.doubts)),
            (np.concatenate([*found.new, []]), np.concatenate([*found.new_doubts, []])),
        )
    ]
    return OODDetector(bounds, projection, rows, radii, k, spread, scores[0], scores[1])


class _Strays(NamedTuple):
    """How far photos stray and what the head doubts: as they are, and were their class unknown."""

    known: list[Floats]
    doubts: list[Floats]
    new: list[Floats]
    new_doubts: list[Floats]


def _last_layers(widths: Sequence[int]) -> npt.NDArray[np.int64]:
    ends = np.cumsum(np.asarray(widths, np.int64))
    bounds = np.stack([ends - np.asarray(widths, np.int64), ends], axis=1)
    return bounds[-_NUM_LAYERS:]


def _neighbour(labels: Labels, groups: Labels) -> int:
    """Return a neighbour that a photo still finds in its own class, as classes usually are."""
    pairs = np.unique(np.stack([labels, groups]), axis=1)
    counts = np.unique(pairs[0], return_counts=True)[1]
    return int(np.clip(np.median(counts) - 1, 1, _NEIGHBOUR))


def _others(
    projected: Floats, groups: Labels, rows: Floats, row_groups: Labels, same: float, k: int
) -> Near:
    """Return the nearest rows of other groups that are not the same picture, where there are."""
    found = [
        nearest(
            _of_others(squared_distances(projected[part], rows), groups[part], row_groups, same), k
        )
        for part in chunks(len(projected))
    ]
    return np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])


def _of_others(squared: Floats, groups: Labels, row_groups: Labels, same: float) -> Floats:
    """Return distances, infinity to the same group and picture, but for those all alike."""
    apart = squared.copy()
    apart[(groups[:, None] == row_groups) | (squared < same)] = np.inf
    # All photos one group, or all the same picture: any is better than none.
    alone = ~np.isfinite(apart).any(axis=1)
    apart[alone] = squared[alone]
    return apart


def _without(log_probabilities: npt.NDArray[np.floating[Any]], labels: Labels) -> Floats:
    """Return log-probabilities ``(n, C)`` had a photo's own class not been among the classes."""
    log_probs = log_probabilities.astype(np.float64)
    log_probs[np.arange(len(labels)), labels] = -np.inf
    log_probs -= log_probs.max(axis=1, keepdims=True)
    others: Floats = (log_probs - np.log(np.exp(log_probs).sum(axis=1, keepdims=True))).astype(
        np.float32
    )
    return others
