"""Photos that look like no class: far from all others, and not what was expected either."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photograft.core.arrays import Doubles, Floats, Labels
from photograft.core.errors import InputError

#: A score from here on is an outlier's: see `find_outliers` for what it is made of.
CUT_OFF = 4.0

#: How far a photo lies is the distance to this neighbour: one or two twins hide no outlier.
NEIGHBOUR = 5

#: With fewer photos there is no telling what is usual.
LEAST_PHOTOS = 20

#: Photos are compared with at most this many others, evenly spread, so that time grows with n.
_REFERENCES = 5000
_ROWS = 512

#: What an unexpected label adds at most: half of this, in nats.
_MOST_SURPRISE = 4.0

#: Distances below are noise of float32, and so are spreads of their logarithms below the second.
_LEAST_DISTANCE = 1e-3
_LEAST_SPREAD = 0.02

#: Less than any cosine: of photos that are no neighbours.
_NEVER = np.float32(-2)


@dataclass(frozen=True)
class Outlier:
    """A photo that looks like no class.

    Attributes:
        index: The photo's.
        score: How far out it is: robust standard deviations and a share of surprise.
        nearest: Index of the class that most of its nearest photos have.
    """

    index: int
    score: float
    nearest: int


def find_outliers(
    features: Floats,
    labels: Labels,
    *,
    groups: Labels | None = None,
    log_probabilities: Floats | None = None,
    cut_off: float = CUT_OFF,
) -> list[Outlier]:
    """Return photos that look like no class, the strangest first.

    The score is the distance to the fifth nearest photo of whatever class, by the cosine of the raw
    features (Sun et al., 2022, "Out-of-distribution detection with deep nearest neighbors",
    arXiv:2204.06507), its logarithm in robust standard deviations from the set's median (1.4826 ×
    the median absolute deviation), plus half of the nats by which held-out heads were surprised at
    the label, up to four: so it takes four deviations, or two and a label that nothing speaks for.

    Args:
        features: Float32, shape ``(n, d)``, of the backbone's last layer as stored.
        labels: Class indices, shape ``(n,)``.
        groups: Of each photo, shape ``(n,)``: photos of one group are no neighbours.
        log_probabilities: Out-of-fold, natural logarithms, shape ``(n, r, num_classes)``; without
            them the distance alone counts.
        cut_off: The score from which on a photo is an outlier.

    Returns:
        Outliers alone; none where there are fewer than 20 photos with neighbours to compare.

    Raises:
        InputError: Shapes that do not fit.
    """
    n = len(labels)
    own = np.arange(n) if groups is None else groups
    if features.ndim != 2 or not len(features) == len(own) == n:
        raise InputError(
            "outliers can't be looked for",
            expected="as many labels and groups as rows of features",
            got=f"{n}, {len(own)} and features of shape {features.shape}",
        )
    if log_probabilities is not None and log_probabilities.shape[0] != n:
        raise InputError(
            "outliers can't be looked for",
            expected=f"log-probabilities of {n} photos",
            got=str(len(log_probabilities)),
        )
    distances, neighbours = _nearest(features, own)
    some = np.isfinite(distances)
    if some.sum() < LEAST_PHOTOS:
        return []
    far = np.log(np.maximum(distances, _LEAST_DISTANCE))
    usual = np.median(far[some])
    spread = max(1.4826 * float(np.median(np.abs(far[some] - usual))), _LEAST_SPREAD)
    score = (far - usual) / spread
    if log_probabilities is not None:
        score += np.minimum(_surprise(log_probabilities, labels), _MOST_SURPRISE) / 2
    which = np.flatnonzero(some & (score > cut_off))
    order = which[np.argsort(-score[which], kind="stable")]
    return [Outlier(int(i), float(score[i]), _commonest(labels, neighbours[i])) for i in order]


def _nearest(features: Floats, groups: Labels) -> tuple[Doubles, Labels]:
    """Return how far each photo is from the others, and who they are, blocks of rows at a time.

    Returns:
        The distance to the fifth nearest photo of another group, or to the last one if there are
        fewer, NaN if there are none, shape ``(n,)``; and the indices of up to five nearest photos,
        the nearest first and -1 where there is none, shape ``(n, k)``.
    """
    n = len(features)
    references = np.unique(np.linspace(0, n - 1, min(n, _REFERENCES)).round().astype(np.int64))
    others, num = _unit(features[references]), min(NEIGHBOUR, len(references))
    distances, neighbours = np.full(n, np.nan), np.full((n, num), -1, np.int64)
    for start in range(0, n, _ROWS):
        rows = slice(start, min(start + _ROWS, n))
        cosine = _unit(features[rows]) @ others.T
        cosine[groups[rows, None] == groups[references]] = _NEVER
        found = np.argpartition(-cosine, num - 1, axis=1)[:, :num]
        near = np.take_along_axis(cosine, found, axis=1)
        order = np.argsort(-near, axis=1, kind="stable")
        found = np.take_along_axis(found, order, axis=1)
        near = np.take_along_axis(near, order, axis=1)
        valid = near > _NEVER
        neighbours[rows] = np.where(valid, references[found], -1)
        last = np.maximum(valid.sum(axis=1) - 1, 0)[:, None]
        cosines = np.take_along_axis(near, last, axis=1)[:, 0].astype(np.float64)
        apart = np.sqrt(np.maximum(2 - 2 * cosines, 0))
        distances[rows] = np.where(valid.any(axis=1), apart, np.nan)
    return distances, neighbours


def _unit(features: Floats) -> Floats:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    unit: Floats = features / np.maximum(norms, np.float32(1e-12))
    return unit


def _surprise(log_probabilities: Floats, labels: Labels) -> Doubles:
    """Return the negative log of each label's mean probability over repeats, in nats, ``(n,)``."""
    own = np.take_along_axis(log_probabilities, labels[:, None, None], axis=2)[..., 0]
    mean = np.exp(own.astype(np.float64)).mean(axis=1)
    surprise: Doubles = -np.log(np.maximum(mean, 1e-30))
    return surprise


def _commonest(labels: Labels, neighbours: Labels) -> int:
    """Return the class of most neighbours; where it is a draw, of the nearest among those."""
    classes = labels[neighbours[neighbours >= 0]].tolist()
    return int(max(classes, key=lambda c: (classes.count(c), -classes.index(c))))
