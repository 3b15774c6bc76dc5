"""Series that nobody names: photos of one thing or scene, taken in a row or from several sides.

Near duplicates are told from thumbnails; photos of a series differ too much for that. Told are they
from a backbone's features, inside each class, in two ways:

* *By order.* File names with running numbers, times and places say which photos may be of one
  series. Whether they are is asked of the features: where photos that are next to each other are no
  nearer than others of their class, the order means nothing, and nothing is found. Pairs are joined
  as far as no more than a twentieth as many pairs that are far from each other in that order would
  be (Barber & Candès, 2015).
* *By likeness alone.* How the distances of a photo's neighbours grow tells of how many dimensions
  the photos around it are (Levina & Bickel, 2004; Facco et al., 2017), and so how near the nearest
  may be by chance. Only where many more are nearer than that, they are joined. Not in classes of
  more than `likeness.MOST_PHOTOS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Floats, Indices, Labels
from photograft.core.blas import one_thread
from photograft.core.text import natural_key
from photograft.data.joining import Joining
from photograft.data.likeness import (
    BLOCK,
    MOST_PHOTOS,
    Links,
    distances_between,
    links_by_likeness,
    nearness,
)

#: Raise it whenever other series are found.
CODE_VERSION = 2

#: Photos in series are worth a word from this share of all on.
_LEAST_SHARE = 0.05
#: No series has more than this share of its class: else nothing is left to be told apart from it.
_MOST_OF_CLASS = 0.2

#: By order: how far photos are from each other in a row at most, and pairs to compare with at
#: least; of so many pairs.
_REACH = 3
_APART = 10
_NUM_APART = 200_000
#: Pairs that are joined by mistake, as a share.
_MISTAKEN = 0.05
#: What is near: seconds, metres.
_NEAR_SECONDS = 15 * 60.0
_NEAR_METRES = 25.0
_METRES_A_DEGREE = 111_195.0

#: Directions of features that are compared, the photos that tell which, and photos at once.
_NUM_DIRECTIONS = 160
_NUM_SAMPLED = 3000


@dataclass(frozen=True)
class Series:
    """What was found.

    Attributes:
        numbers: Photos of the same number are in one series, shape ``(n,)``; -1 for those in none.
        told_by: What told them: ``"file names"``, ``"times"``, ``"places"``, ``"likeness"``.
    """

    numbers: Labels
    told_by: tuple[str, ...]


@one_thread()
def find_series(
    names: Sequence[str],
    labels: Labels,
    groups: Labels,
    gather: Callable[[Indices], Floats],
    *,
    taken: npt.NDArray[np.float64] | None = None,
    places: npt.NDArray[np.float64] | None = None,
    seed: int = 0,
    most_photos: int = MOST_PHOTOS,
) -> Series | None:
    """Return the series among photos; None where there are none worth a word.

    Args:
        names: Of the photos, folders among them.
        labels: Class indices, shape ``(n,)``.
        groups: Of photos that are known to belong together, shape ``(n,)``.
        gather: Returns a backbone's features of some of them, by index, float32, shape ``(m, d)``.
        taken: When each was taken, in seconds, shape ``(n,)``; NaN where nobody knows.
        places: Degrees north and east, shape ``(n, 2)``; likewise.
        seed: Of the pairs that are compared with.
        most_photos: In classes of more, likeness alone is not asked.
    """
    if len(labels) <= 2 * _APART:
        return None
    rng = np.random.default_rng([seed, 18])
    looks = _looks(gather, len(labels), rng)
    members = [np.flatnonzero(labels == c) for c in range(int(labels.max()) + 1)]
    usual = _usual(looks, members, rng)
    found: dict[str, list[Links]] = {}
    for what, rows, near in _orders(names, labels, taken, places):
        for reach in range(1, _REACH + 1):
            links = _by_order(looks, usual, groups, rows, near, reach, rng)
            if links is not None:
                found.setdefault(what, []).append(links)
    links = links_by_likeness(looks, usual, groups, members, most_photos)
    if links is not None:
        found["likeness"] = [links]
    if not found:
        return None
    numbers = _joined(labels, groups, [one for own in found.values() for one in own])
    if (numbers >= 0).mean() < _LEAST_SHARE:
        return None
    return Series(numbers, tuple(found))


def _looks(
    gather: Callable[[Indices], Floats], num_photos: int, rng: np.random.Generator
) -> Floats:
    """Return what is compared, shape ``(n, k)``: roots of features, along the main directions."""
    some = _roots(gather(np.sort(rng.permutation(num_photos)[:_NUM_SAMPLED])))
    mean = some.mean(axis=0)
    some = _scaled(some - mean)
    directions = None
    if some.shape[1] > _NUM_DIRECTIONS:
        # The range of the data after a power iteration (Halko et al., 2011).
        drawn = rng.standard_normal((some.shape[1], _NUM_DIRECTIONS), np.float32)
        directions, _ = np.linalg.qr(some.T @ (some @ drawn))
    found = []
    for start in range(0, num_photos, BLOCK):
        block = np.arange(start, min(start + BLOCK, num_photos))
        looks = _scaled(_roots(gather(block)) - mean)
        found.append(looks if directions is None else looks @ directions)
    return np.concatenate(found)


def _roots(features: Floats) -> Floats:
    found: Floats = np.copysign(np.sqrt(np.abs(features)), features)
    return found


def _scaled(looks: Floats) -> Floats:
    found: Floats = looks / np.maximum(np.linalg.norm(looks, axis=1, keepdims=True), 1e-12)
    return found


def _usual(looks: Floats, members: Sequence[Indices], rng: np.random.Generator) -> Floats:
    """Return how far from others of its class each photo usually is, shape ``(n,)``."""
    found = np.ones(len(looks), np.float32)
    for own in members:
        if len(own) > 1:
            some = own[rng.permutation(len(own))[:256]]
            for start in range(0, len(own), BLOCK):
                block = own[start : start + BLOCK]
                found[block] = np.median(distances_between(looks[block], looks[some]), axis=1)
    return np.maximum(found, 1e-6)


def _orders(
    names: Sequence[str],
    labels: Labels,
    taken: npt.NDArray[np.float64] | None,
    places: npt.NDArray[np.float64] | None,
) -> Iterator[tuple[str, list[Indices], npt.NDArray[np.float64] | None]]:
    """Yield each order: what it is by, its rows of photos, and what must be near in a pair."""
    rows: dict[tuple[int, str], list[int]] = {}
    for i, (name, label) in enumerate(zip(names, labels.tolist(), strict=True)):
        rows.setdefault((label, re.sub(r"\d+", "0", name)), []).append(i)
    yield (
        "file names",
        [
            np.array(sorted(own, key=lambda i: natural_key(names[i])), np.intp)
            for own in rows.values()
        ],
        None,
    )
    if taken is not None:
        yield "times", _sorted_by(labels, taken), taken[:, None] / _NEAR_SECONDS
    if places is not None:
        north = places[:, 0]
        east = places[:, 1] * np.cos(np.radians(np.nan_to_num(north)))
        near = np.stack([north, east], axis=1) * (_METRES_A_DEGREE / _NEAR_METRES)
        # Row by row of squares of that size.
        yield "places", _sorted_by(labels, np.floor(near[:, 0]), near[:, 1]), near


def _sorted_by(labels: Labels, *keys: npt.NDArray[np.float64]) -> list[Indices]:
    known = np.all([np.isfinite(key) for key in keys], axis=0)
    found = []
    for c in np.unique(labels[known]).tolist():
        own = np.flatnonzero(known & (labels == c))
        found.append(own[np.lexsort([key[own] for key in reversed(keys)])])
    return found


def _by_order(
    looks: Floats,
    usual: Floats,
    groups: Labels,
    rows: Sequence[Indices],
    near: npt.NDArray[np.float64] | None,
    reach: int,
    rng: np.random.Generator,
) -> Links | None:
    """Return the pairs, so far from each other in an order, that are nearer than others are."""
    long = [own for own in rows if len(own) > 2 * _APART]
    if not long:
        return None
    first = np.concatenate([own[:-reach] for own in long])
    second = np.concatenate([own[reach:] for own in long])
    kept = groups[first] != groups[second]
    if near is not None:
        kept &= (np.abs(near[first] - near[second]) <= 1).all(axis=1)
    first, second = first[kept], second[kept]
    # As many of each row as it has pairs to be judged: what is usual differs from row to row.
    owner = np.concatenate([np.full(len(own) - reach, k) for k, own in enumerate(long)])[kept]
    if not len(owner):
        return None
    drawn = np.sort(owner[rng.integers(len(owner), size=_NUM_APART)])
    sizes = np.array([len(own) for own in long])[drawn]
    starts = np.concatenate([[0], np.cumsum([len(own) for own in long])])[drawn]
    flat = np.concatenate(long)
    place = (rng.random(len(drawn)) * sizes).astype(np.intp)
    other = (rng.random(len(drawn)) * sizes).astype(np.intp)
    apart = np.abs(place - other) >= _APART
    one, two = flat[starts + place][apart], flat[starts + other][apart]
    strange = groups[one] != groups[two]
    if near is not None:
        strange &= (np.abs(near[one] - near[two]) > 1).any(axis=1)
    others = np.sort(nearness(looks, usual, one[strange], two[strange]))
    if len(others) < len(drawn) / 100:
        return None
    own = nearness(looks, usual, first, second)
    order = np.argsort(own, kind="stable")
    by_chance = np.searchsorted(others, own[order], side="right") / len(others) * len(own)
    fine = np.flatnonzero(by_chance + 1 <= _MISTAKEN * np.arange(1, len(own) + 1))
    if not len(fine):
        return None
    joined = order[: fine[-1] + 1]
    return Links(first[joined], second[joined], own[joined])


def _joined(labels: Labels, groups: Labels, links: Sequence[Links]) -> Labels:
    """Return the number of each photo's series, -1 for none: pairs joined, the nearest first."""
    first = np.concatenate([one.first for one in links])
    second = np.concatenate([one.second for one in links])
    order = np.argsort(np.concatenate([one.near for one in links]), kind="stable")
    most = np.maximum(np.bincount(labels) * _MOST_OF_CLASS, 2)
    # What is known to belong together is one node.
    _, nodes = np.unique(groups, return_inverse=True)
    size = np.bincount(nodes)
    joining = Joining(len(size))
    for i, j in zip(first[order].tolist(), second[order].tolist(), strict=True):
        a, b = joining.root(int(nodes[i])), joining.root(int(nodes[j]))
        if a != b and size[a] + size[b] <= most[labels[i]]:
            joining.join(a, b)
            size[joining.root(a)] = size[a] + size[b]
    joined = joining.groups()
    is_series = np.bincount(joined) > 1
    own = joined[nodes]
    numbers = np.full(len(labels), -1, np.int64)
    numbering: dict[int, int] = {}
    for i in np.flatnonzero(is_series[own]).tolist():
        numbers[i] = numbering.setdefault(int(own[i]), len(numbering))
    return numbers
