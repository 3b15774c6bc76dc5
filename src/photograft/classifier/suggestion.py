"""What to label next: photos that are unsure, unlike each other, and many of a kind.

The unsure ones are clustered, each counting as much as it is unsure, and the photo in the middle
of each cluster is proposed (Zhdanov, 2019, "Diverse mini-batch active learning",
arXiv:1901.05954). A part of each batch is drawn by chance, so that doubt that means nothing does
no harm. Nothing is compared with everything: memory grows with the photos, times the number that
is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Floats
from photograft.core.errors import InputError
from photograft.core.text import count
from photograft.features.similarity import chunks, main_axes, unit_rows

#: Photos that are clustered, for each that is asked for: the most unsure ones.
_CANDIDATES = 10
#: With fewer labelled photos a class than this, probabilities say little: all photos are clustered.
_FEW_LABELS = 5
_LEAST_WEIGHT = 1e-3
#: Share of a batch that is drawn by chance: what is labelled stays like the rest.
_BY_CHANCE = 0.3
_ITERATIONS = 10
_RANK = 128
#: Photos nearer than this share of the usual squared distance to a neighbour are near-identical.
_SAME_PICTURE = 0.15
_USUAL_SAMPLE = 1000
_USUAL_NEIGHBOUR = 10
#: Squared distances of rows of length 1 below this are rounding.
_ROUNDING = 1e-5
_SURE = 0.9


@dataclass(frozen=True)
class Suggestion:
    """A photo that is worth a label.

    Attributes:
        index: Which of the photos.
        score: How unsure the classifier is of it, in [0, 1]: 1 less the gap between the two most
            probable classes.
        reason: Why, in words.
    """

    index: int
    score: float
    reason: str


def choose_suggestions(
    features: Floats,
    probabilities: npt.NDArray[np.floating[Any]],
    *,
    num: int,
    class_names: Sequence[str],
    labelled_features: Floats | None = None,
    num_labelled_per_class: Sequence[int] | None = None,
    unlike: npt.NDArray[np.bool_] | None = None,
    rng: np.random.Generator,
) -> list[Suggestion]:
    """Choose photos to label.

    Args:
        features: Of the photos without a label, float32, shape ``(n, d)``; best with every layer
            scaled to length 1, as `similarity.unit_rows` does.
        probabilities: What the classifier says of them, shape ``(n, C)``, rows summing to 1.
        num: Photos wanted, at least 1. Fewer come back where there are fewer that differ.
        class_names: Of the columns.
        labelled_features: Of the photos that have labels, shape ``(m, d)``, where they are known:
            what is near-identical to one of them is not proposed.
        num_labelled_per_class: Labelled photos of each class, where that is known.
        unlike: Whether photos are unlike any class (see `ood_detector`), shape ``(n,)``,
            where that is known: a reason that is given.
        rng: Of the clusters' first middles.

    Returns:
        The photos, those that stand for the most doubt first; no two of them near-identical. Of
        ten, three are drawn by chance, and their reason says so.

    Raises:
        InputError: `num` is less than 1, or the arrays do not fit each other.
    """
    if num < 1:
        raise InputError("there is nothing to suggest", expected="at least 1 photo", got=str(num))
    if len(features) != len(probabilities) or probabilities.shape[1:] != (len(class_names),):
        raise InputError(
            "features, probabilities and class names do not fit each other",
            expected=f"probabilities of shape {(len(features), len(class_names))}",
            got=str(probabilities.shape),
        )
    if not len(features):
        return []
    labelled = None
    if labelled_features is not None and len(labelled_features):
        labelled = unit_rows(labelled_features)
    units = unit_rows(features)
    every = units if labelled is None else np.concatenate([units, labelled])
    axes = main_axes(every, _RANK, rng)  # clustering needs no more
    units = units @ axes
    same = max(_SAME_PICTURE * _usual_distance(units, rng), _ROUNDING)
    usable = np.ones(len(units), bool)
    if labelled is not None:
        usable = _nearest_distance(units, labelled @ axes) > same
    doubt = _doubt(probabilities)
    # Equally unsure ones in no order: photos often lie sorted by what is on them.
    shuffled = rng.permutation(len(doubt))
    ranked = shuffled[np.argsort(-doubt[shuffled], kind="stable")]
    ranked = ranked[usable[ranked]]
    pool = _pool(ranked, num, num_labelled_per_class)
    if not len(pool):
        return []
    weights = np.maximum(doubt[pool], _LEAST_WEIGHT)
    by_doubt = num - int(_BY_CHANCE * num)
    found = _middles(units[pool], weights, min(by_doubt, len(pool)), rng)
    candidates = [*pool[found].tolist(), *ranked.tolist()]
    chosen = _apart(units, candidates, by_doubt, same)
    num_doubtful = len(chosen)
    drawn = rng.permutation(np.flatnonzero(usable)).tolist()
    chosen = _apart(units, [*chosen, *drawn], num, same)
    nearest = _assign(units, units[chosen])
    sizes = np.bincount(nearest, minlength=len(chosen))
    stands_for = np.bincount(nearest, weights=doubt, minlength=len(chosen))
    order = np.argsort(-stands_for, kind="stable")
    return [
        Suggestion(
            chosen[i],
            float(doubt[chosen[i]]),
            _reason(
                probabilities[chosen[i]],
                class_names,
                int(sizes[i]) - 1,
                unlike is not None and bool(unlike[chosen[i]]),
                by_chance=i >= num_doubtful,
            ),
        )
        for i in order.tolist()
    ]


def _doubt(probabilities: npt.NDArray[np.floating[Any]]) -> Floats:
    """Return 1 less the margin of the two most probable classes; 0 where there is one class."""
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities), np.float32)
    top = np.partition(probabilities, -2, axis=1)[:, -2:].astype(np.float32)
    doubt: Floats = np.clip(1 - (top[:, 1] - top[:, 0]), 0, 1).astype(np.float32)
    return doubt


def _pool(
    ranked: npt.NDArray[np.intp], num: int, counts: Sequence[int] | None
) -> npt.NDArray[np.intp]:
    """Return the photos to cluster, of photos ranked by doubt."""
    if counts is not None and min(counts, default=0) < _FEW_LABELS:
        return ranked
    return ranked[: _CANDIDATES * num]


def _usual_distance(units: Floats, rng: np.random.Generator) -> float:
    """Return the median squared distance to a neighbour so far away that it is no duplicate.

    Of a sample of photos to all: the distances are those of the whole set.
    """
    sample = rng.permutation(len(units))[:_USUAL_SAMPLE]
    k = min(_USUAL_NEIGHBOUR, len(units) - 1)
    found = [
        np.partition(_squared(units[sample[part]], units), k, axis=1)[:, k]
        for part in chunks(len(sample), 64)
    ]
    return float(np.median(np.concatenate(found)))


def _squared(a: Floats, b: Floats) -> Floats:
    lengths = np.vecdot(a, a)[:, None] + np.vecdot(b, b)
    squared: Floats = np.maximum(lengths - 2 * (a @ b.T), 0)
    return squared


def _nearest_distance(units: Floats, others: Floats) -> Floats:
    """Return the squared distance of each row to the nearest of the others."""
    nearest = np.full(len(units), np.inf, np.float32)
    for rows in chunks(len(units)):
        for columns in chunks(len(others)):
            found = _squared(units[rows], others[columns]).min(axis=1)
            nearest[rows] = np.minimum(nearest[rows], found)
    return nearest


def _assign(units: Floats, centres: Floats) -> npt.NDArray[np.intp]:
    parts = [_squared(units[rows], centres).argmin(axis=1) for rows in chunks(len(units))]
    return np.concatenate(parts)


def _middles(
    units: Floats, weights: Floats, num: int, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Return the rows in the middle of the clusters of weighted k-means, at most `num`.

    Begun as k-means++ (Arthur & Vassilvitskii, 2007).
    """
    near = np.full(len(units), 1, np.float64)
    starts: list[int] = []
    for i in range(num):
        chances = weights * near
        total = chances.sum()
        if total <= 0:  # every photo has its double among those chosen
            break
        starts.append(int(rng.choice(len(units), p=chances / total)))
        distances = _squared(units, units[starts[-1:]])[:, 0]
        near = np.minimum(near, distances) if i else distances.astype(np.float64)
        near[starts] = 0
    centres = units[starts]
    for _ in range(_ITERATIONS):
        owner = _assign(units, centres)
        sums = np.zeros(centres.shape, np.float64)
        np.add.at(sums, owner, units * weights[:, None])
        mass = np.bincount(owner, weights=weights, minlength=len(centres))
        filled = mass > 0
        moved = centres.copy()
        moved[filled] = sums[filled] / mass[filled, None]
        if np.allclose(moved, centres, atol=1e-6):
            break
        centres = moved
    owner = _assign(units, centres)
    distance = np.square(units - centres[owner]).sum(axis=1)
    # A sure photo may lie in the very middle of unsure ones: of no use where they are not.
    mass = np.bincount(owner, weights=weights, minlength=len(centres))
    square = np.bincount(owner, weights=weights * weights, minlength=len(centres))
    typical = np.divide(square, mass, out=np.zeros_like(mass), where=mass > 0)
    distance = np.where(weights < typical[owner] / 2, np.inf, distance)
    order = np.lexsort((distance, owner))
    first = np.unique(owner[order], return_index=True)[1]
    middles: npt.NDArray[np.intp] = order[first]
    return middles


def _apart(units: Floats, candidates: Sequence[int], num: int, same: float) -> list[int]:
    """Return the first `num` candidates, less those near-identical to one before."""
    chosen: list[int] = []
    near = np.full(len(units), np.inf, np.float32)
    for i in candidates:
        if len(chosen) == num:
            break
        if near[i] > same:
            chosen.append(i)
            near = np.minimum(near, _squared(units, units[i : i + 1])[:, 0])
    return chosen


def _reason(
    probabilities: npt.NDArray[np.floating[Any]],
    class_names: Sequence[str],
    num_like_it: int,
    is_unlike: bool,
    *,
    by_chance: bool,
) -> str:
    parts = ["drawn by chance"] if by_chance else []
    if is_unlike:
        parts.append("unlike anything in training")
    order = np.argsort(-probabilities, kind="stable")[:2].tolist()
    if len(order) == 2 and probabilities[order[0]] < _SURE:
        both = ", ".join(f"{class_names[c]} {float(probabilities[c]):.0%}" for c in order)
        parts.append(f"unsure: {both}")
    if num_like_it > 0:
        parts.append(f"stands for {count(num_like_it, 'photo')} like it")
    return "; ".join(parts) or "unlike the others"
