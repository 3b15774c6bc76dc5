"""How unlike every class a photo is, so that a classifier can answer "none of these".

A head must share out its probability among the classes it knows, and is often surest of what it
has never seen. Distance tells: photos that lie far from all that was learned from. The score is
the distance to the third nearest training photo (Sun et al., 2022, "Out-of-distribution detection
with deep nearest neighbors", arXiv:2204.06507), on each layer's features scaled to length 1,
compared with how far apart training photos are thereabouts (as the local outlier factor does:
Breunig et al., 2000, doi:10.1145/335191.335388), and a little of the head's own doubt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from photograft.errors import InputError
from photograft.evaluation import wilson_interval
from photograft.heads import Floats

Labels = npt.NDArray[np.int64]

#: Share of the user's own photos that is kept where nothing else is asked for.
DEFAULT_KEPT = 0.95

#: Which neighbour's distance counts, how much of the distances there is taken off, in logarithms,
#: and what the head's doubt (nats) counts beside it: chosen by `benchmarks.unknowns`.
_NEIGHBOUR = 3
_LOCAL = 0.5
_HEAD = 0.5
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
#: Squared distances of rows of length 1 below this are rounding.
_SMALLEST = 1e-3
#: What a held-out spread counts at least, so that photos all alike do not make it infinite.
_LEAST_SPREAD = 0.02
_CHUNK_ROWS = 1024


class Kept(NamedTuple):
    """Which share of the user's own photos a threshold keeps.

    Attributes:
        share: Measured, in [0, 1].
        interval: Its 95 % Wilson interval.
        num_photos: Held-out photos that it was measured on.
    """

    share: float
    interval: tuple[float, float]
    num_photos: int


@dataclass(frozen=True)
class Novelty:
    """Where training photos lie, and the scores of photos that were held out.

    Attributes:
        bounds: First column of each layer that is used, and the end of it, in a stored row;
            shape ``(num_layers, 2)``.
        projection: From those columns joined, ``(d, r)``; columns are orthonormal.
        rows: Training photos, projected, ``(n, r)``.
        radii: Logarithm of the squared distance from each of them to that neighbour among those of
            other groups, ``(n,)``.
        neighbour: Which neighbour's distance counts, at least 1: the third, or an earlier one where
            classes have fewer photos.
        spread: What a held-out distance strays by, in logarithms; positive.
        held_out: Scores of photos that were not learned from, sorted, ``(h,)``, h at least 1.
    """

    bounds: npt.NDArray[np.int64]
    projection: Floats
    rows: Floats
    radii: Floats
    neighbour: int
    spread: float
    held_out: Floats

    def scores(self, features: Floats, log_probabilities: npt.NDArray[np.floating[Any]]) -> Floats:
        """Return how unlike any class photos are: higher is less like them.

        Args:
            features: Stored rows, all layers joined, float32, shape ``(m, num_features)``.
            log_probabilities: What the head says of them, natural logarithms, ``(m, C)``.

        Returns:
            Float32, shape ``(m,)``, finite.
        """
        found = np.empty(len(features), np.float32)
        for part in _chunks(len(features)):
            near = _distances(self._project(features[part]), self.rows, self.neighbour)
            stray = _strays(near, self.radii)
            found[part] = stray / self.spread + _doubt(log_probabilities[part])
        return found

    def threshold(self, kept: float = DEFAULT_KEPT) -> float:
        """Return the score above which a photo is none of the classes.

        It is the score that keeps the wanted share of photos like those held out, one more photo
        counted in, as split conformal prediction has it (Vovk et al., 2005). Where too few were
        held out for so large a share, it is the largest of theirs.

        Args:
            kept: Share of the user's own photos that is to be kept, above 0, at most 1.

        Raises:
            InputError: `kept` is no such share.
        """
        if not 0 < kept <= 1:
            raise InputError(
                "the share of photos to keep is not a share",
                expected="a number above 0, at most 1",
                got=str(kept),
                fix="0.95 sends one of your own photos in twenty away.",
            )
        n = len(self.held_out)
        rank = math.ceil(round((n + 1) * kept, 9))
        return float(self.held_out[min(rank, n) - 1])

    def share_kept(self, threshold: float) -> Kept:
        """Return the share of held-out photos whose score is at most the threshold."""
        n = len(self.held_out)
        count = int(np.searchsorted(self.held_out, np.float32(threshold), side="right"))
        return Kept(count / n, wilson_interval(count, n), n)

    def tensors(self) -> dict[str, npt.NDArray[np.floating[Any]]]:
        """Return it by name, for a file: 1 to 2 MB, float32 and (the large ones) float16."""
        return {
            "bounds": self.bounds.astype(np.float32),
            "projection": np.ascontiguousarray(self.projection, np.float16),
            "rows": np.ascontiguousarray(self.rows, np.float16),
            "radii": np.ascontiguousarray(self.radii, np.float32),
            "neighbour": np.array([self.neighbour], np.float32),
            "spread": np.array([self.spread], np.float32),
            "held_out": np.ascontiguousarray(self.held_out, np.float32),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[np.floating[Any]]]) -> Self:
        """Return what `tensors` gave, to float16's rounding.

        Raises:
            KeyError: A tensor is missing.
        """
        return cls(
            bounds=tensors["bounds"].astype(np.int64),
            projection=tensors["projection"].astype(np.float32),
            rows=tensors["rows"].astype(np.float32),
            radii=tensors["radii"].astype(np.float32),
            neighbour=int(tensors["neighbour"][0]),
            spread=float(tensors["spread"][0]),
            held_out=tensors["held_out"].astype(np.float32),
        )

    def _project(self, features: Floats) -> Floats:
        projected: Floats = unit_rows(features, self.bounds) @ self.projection
        return projected


def fit_novelty(
    features: Floats,
    labels: Labels,
    groups: Labels,
    log_probabilities: npt.NDArray[np.floating[Any]] | None,
    *,
    widths: Sequence[int],
    held_out: tuple[Floats, npt.NDArray[np.floating[Any]]] | None = None,
    rng: np.random.Generator,
) -> Novelty:
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
        held_out: Stored rows ``(h, num_features)`` and log-probabilities ``(h, C)`` of photos that
            nothing was learned from, such as the validation photos.
        rng: Decides which photos are carried along where there are many.

    Raises:
        InputError: There are no photos, or none that was held out.
    """
    num_held_out = 0 if held_out is None else len(held_out[0])
    if not len(features) or (log_probabilities is None and not num_held_out):
        raise InputError(
            "nothing shows how photos that were not learned from look",
            expected="training photos, and held-out log-probabilities of them or of others",
        )
    bounds = _last_layers(widths)
    width = int((bounds[:, 1] - bounds[:, 0]).sum())
    chosen = _choose_rows(labels, rng)
    units = unit_rows(features[chosen], bounds)
    rank = max(16, min(_RANK, _MAX_ELEMENTS // width))
    # At once as it will be read back: a classifier must answer the same before and after saving.
    projection = _half(_main_axes(units, rank, rng))
    rows = _half(units @ projection)
    own_groups = groups[chosen]
    same = _SAME_PICTURE * _usual_distance(rows, own_groups)
    k = _neighbour(labels, groups)
    radii = _others(rows, own_groups, rows, own_groups, same, k)[0][:, -1]
    strays: list[Floats] = []
    doubts: list[Floats] = []
    if log_probabilities is not None and num_held_out < _ENOUGH_HELD_OUT:
        order = rng.permutation(len(features))[:_MAX_HELD_OUT]
        for part in _chunks(len(order)):
            i = order[part]
            projected = unit_rows(features[i], bounds) @ projection
            near = _others(projected, groups[i], rows, own_groups, same, k)
            strays.append(_strays(near, radii))
            doubts.append(_doubt(log_probabilities[i]))
    if held_out is not None:
        for part in _chunks(num_held_out):
            projected = unit_rows(held_out[0][part], bounds) @ projection
            strays.append(_strays(_distances(projected, rows, k), radii))
            doubts.append(_doubt(held_out[1][part]))
    stray, doubt = np.concatenate(strays), np.concatenate(doubts)
    middle, high = np.quantile(stray, [0.5, 0.9])
    spread = float(np.float32(max(high - middle, _LEAST_SPREAD)))
    scores = np.sort((stray / spread + doubt).astype(np.float32))
    return Novelty(bounds, projection, rows, radii, k, spread, scores)


def unit_rows(features: Floats, bounds: npt.NDArray[np.int64]) -> Floats:
    """Return rows of length 1 in which every layer has the same say.

    Args:
        features: Stored rows, shape ``(n, num_features)``.
        bounds: First column and end of each layer, shape ``(num_layers, 2)``.

    Returns:
        Float32, shape ``(n, d)``; of a layer that gave nothing but zeros, zeros.
    """
    parts = []
    for first, end in bounds.tolist():
        part = features[:, first:end]
        length = np.linalg.norm(part, axis=1, keepdims=True) * math.sqrt(len(bounds))
        parts.append(part / np.maximum(length, np.float32(1e-12)))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _last_layers(widths: Sequence[int]) -> npt.NDArray[np.int64]:
    ends = np.cumsum(np.asarray(widths, np.int64))
    bounds = np.stack([ends - np.asarray(widths, np.int64), ends], axis=1)
    return bounds[-_NUM_LAYERS:]


def _choose_rows(labels: Labels, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return the photos to carry along: all, or as many of each class as there is room for."""
    order = rng.permutation(len(labels))
    turn = np.zeros(len(labels), np.int64)  # of a photo among those of its class
    for c in np.unique(labels):
        own = order[labels[order] == c]
        turn[own] = np.arange(len(own))
    return np.sort(order[np.argsort(turn[order], kind="stable")][:_MAX_ROWS])


def _main_axes(units: Floats, rank: int, rng: np.random.Generator) -> Floats:
    """Return the axes ``(d, r)`` that hold most of the rows, by subspace iteration.

    Halko et al. (2011), "Finding structure with randomness", doi:10.1137/090771806.
    """
    n, d = units.shape
    if min(n, d) <= rank:
        whole: Floats = (np.linalg.qr(units.T)[0] if n < d else np.eye(d)).astype(np.float32)
        return whole
    found = rng.standard_normal((d, rank + 16)).astype(np.float32)
    for _ in range(3):
        found = np.linalg.qr(units.T @ (units @ found))[0]
    inner = np.linalg.eigh((units @ found).T @ (units @ found))[1]
    axes: Floats = (found @ inner[:, ::-1][:, :rank]).astype(np.float32)
    return axes


def _half(x: Floats) -> Floats:
    return x.astype(np.float16).astype(np.float32)


#: Logarithms of squared distances to the nearest rows, and which rows these are, both ``(m, k)``;
#: the last column is the farthest.
Near = tuple[Floats, npt.NDArray[np.intp]]


def _neighbour(labels: Labels, groups: Labels) -> int:
    """Return a neighbour that a photo still finds in its own class, as classes usually are."""
    pairs = np.unique(np.stack([labels, groups]), axis=1)
    counts = np.unique(pairs[0], return_counts=True)[1]
    return int(np.clip(np.median(counts) - 1, 1, _NEIGHBOUR))


def _distances(projected: Floats, rows: Floats, k: int) -> Near:
    """Return the `k` nearest rows."""
    return _nearest(_squared(projected, rows), k)


def _squared(projected: Floats, rows: Floats) -> Floats:
    """Return squared distances; what the projection leaves out counts as nothing alike."""
    squared: Floats = np.float32(2) - np.float32(2) * (projected @ rows.T)
    return squared


def _usual_distance(rows: Floats, groups: Labels) -> float:
    """Return the median squared distance to a neighbour so far away that it is no duplicate."""
    found = []
    k = min(_USUAL_NEIGHBOUR, len(rows)) - 1
    for part in _chunks(len(rows)):
        squared = _squared(rows[part], rows)
        squared[groups[part, None] == groups] = np.inf
        found.append(np.partition(squared, k, axis=1)[:, k])
    distances = np.concatenate(found)
    distances = distances[np.isfinite(distances)]
    return float(np.median(distances)) if len(distances) else 0.0


def _others(
    projected: Floats, groups: Labels, rows: Floats, row_groups: Labels, same: float, k: int
) -> Near:
    """Return the nearest rows of other groups that are not the same picture, where there are."""
    found: list[Near] = []
    for part in _chunks(len(projected)):
        squared = _squared(projected[part], rows)
        apart = squared.copy()
        apart[(groups[part, None] == row_groups) | (squared < same)] = np.inf
        # All photos one group, or all the same picture: any is better than none.
        alone = ~np.isfinite(apart).any(axis=1)
        apart[alone] = squared[alone]
        found.append(_nearest(apart, k))
    return np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])


def _nearest(squared: Floats, k: int) -> Near:
    k = min(k, squared.shape[1])
    which = np.argpartition(squared, k - 1, axis=1)[:, :k]
    near = np.take_along_axis(squared, which, axis=1)
    order = np.argsort(near, axis=1, kind="stable")
    which, near = np.take_along_axis(which, order, 1), np.take_along_axis(near, order, 1)
    # Fewer others than neighbours asked for: the farthest that there is stands for the rest.
    near = np.where(np.isfinite(near), near, near[:, :1])
    near = np.maximum.accumulate(near, axis=1)
    return np.log(np.maximum(near, np.float32(_SMALLEST))), which


def _strays(near: Near, radii: Floats) -> Floats:
    distances, which = near
    stray: Floats = distances[:, -1] - np.float32(_LOCAL) * radii[which].mean(axis=1)
    return stray


def _doubt(log_probabilities: npt.NDArray[np.floating[Any]]) -> Floats:
    doubt: Floats = (-_HEAD * log_probabilities.max(axis=1)).astype(np.float32)
    return doubt


def _chunks(n: int) -> list[slice]:
    return [slice(i, i + _CHUNK_ROWS) for i in range(0, n, _CHUNK_ROWS)]
