"""Photos of a class that are nearer to each other than chance brings them.

How the distances of a photo's neighbours grow tells of how many dimensions the photos around it are
(Levina & Bickel, 2004; Facco et al., 2017), and so how near the nearest may be by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from photograft.core.arrays import Floats, Indices, Labels

#: Photos that are compared with all others at once.
BLOCK = 512

#: Photos of a class at most: time grows with their square, and is some seconds for so many.
MOST_PHOTOS = 20_000
#: The neighbours whose distances tell how many dimensions there are, photos of a class at least,
#: how improbable a distance is at most, and how many times as many there must be as by chance.
#: (What is taken for chance is generous: independent photos show about a quarter of it.)
_NEXT, _FAR = 10, 40
_LEAST_PHOTOS = 40
_MOST_CHANCE = 0.05
_TIMES_CHANCE = 3.0
_LEAST_FOUND = 10
_AROUND = 30


@dataclass(frozen=True)
class Links:
    """Pairs of photos that are joined, and how near they are to what is usual."""

    first: Indices
    second: Indices
    near: Floats


def distances_between(one: Floats, other: Floats) -> Floats:
    """Return the distance of each of some photos to each of some others, shape ``(n, m)``."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * (one @ other.T)
    found: Floats = np.sqrt(np.maximum(squares, 0))
    return found


def nearness(looks: Floats, usual: Floats, first: Indices, second: Indices) -> Floats:
    """Return the distances of pairs, to what is usual for both."""
    found = np.empty(len(first), np.float32)
    for start in range(0, len(first), 16 * BLOCK):
        part = slice(start, start + 16 * BLOCK)
        apart = np.linalg.norm(looks[first[part]] - looks[second[part]], axis=1)
        found[part] = apart / np.sqrt(usual[first[part]] * usual[second[part]])
    return found


def links_by_likeness(
    looks: Floats,
    usual: Floats,
    groups: Labels,
    members: Sequence[Indices],
    most_photos: int = MOST_PHOTOS,
) -> Links | None:
    """Return pairs that are nearer to each other than chance brings photos of their class.

    Args:
        looks: Of all photos, shape ``(n, k)``.
        usual: How far from others of its class each photo usually is, shape ``(n,)``.
        groups: Of photos that are known to belong together, shape ``(n,)``.
        members: The photos of each class.
        most_photos: Classes of more are passed over.
    """
    chances, parts = [], []
    for own in members:
        if len(np.unique(groups[own])) >= _LEAST_PHOTOS and len(own) <= most_photos:
            rows, distances = _neighbours(looks, groups, own)
            dimensions = _dimensions(rows, distances)
            ratio = distances[:, 0] / np.maximum(distances[:, _NEXT - 1], 1e-12)
            chances.append(1 - (1 - ratio**dimensions) ** (_NEXT - 1))
            parts.append((own, rows, distances, dimensions))
    if not chances:
        return None
    chance = np.sort(np.concatenate(chances))
    wanted = np.maximum(_TIMES_CHANCE * chance * len(chance), _LEAST_FOUND)
    fine = (np.arange(1, len(chance) + 1) >= wanted) & (chance <= _MOST_CHANCE)
    if not fine.any():
        return None
    most = float(chance[np.flatnonzero(fine)[-1]])
    first, second = [], []
    for own, rows, distances, dimensions in parts:
        share = (1 - (1 - most) ** (1 / (_NEXT - 1))) ** (1 / dimensions)
        limit = distances[:, _NEXT - 1] * share
        i, k = np.nonzero(distances[:, : _NEXT - 1] <= limit[:, None])
        j = rows[i, k]
        mutual = distances[i, k] <= limit[j]
        first.append(own[i[mutual]])
        second.append(own[j[mutual]])
    one, two = np.concatenate(first), np.concatenate(second)
    return Links(one, two, nearness(looks, usual, one, two))


def _neighbours(looks: Floats, groups: Labels, own: Indices) -> tuple[Indices, Floats]:
    """Return the places in `own` of each one's nearest that are no copies, and how far they are."""
    count = min(_FAR, len(own) - 1)
    rows = np.empty((len(own), count), np.intp)
    distances = np.empty((len(own), count), np.float32)
    for start in range(0, len(own), BLOCK):
        block = own[start : start + BLOCK]
        apart = distances_between(looks[block], looks[own])
        apart[groups[block][:, None] == groups[own]] = np.inf
        best = np.argpartition(apart, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(apart, best, 1)
        order = np.argsort(values, axis=1, kind="stable")
        part = slice(start, start + len(block))
        rows[part] = np.take_along_axis(best, order, 1)
        distances[part] = np.take_along_axis(values, order, 1)
    return rows, distances


def _dimensions(rows: Indices, distances: Floats) -> Floats:
    """Return how many dimensions the photos around each one have, shape ``(n,)``."""
    far = distances.shape[1]
    growth = np.log(distances[:, -1] / np.maximum(distances[:, _NEXT - 1], 1e-12))
    around = growth[rows[:, :_AROUND]].mean(axis=1)
    # Of m dimensions, it is a sum of so many exponentially distributed steps on average.
    steps = sum(1 / k for k in range(_NEXT, far))
    found: Floats = (steps / np.maximum(around, 1e-3)).astype(np.float32)
    return found
