"""Photos that are nearly the same: resized, compressed, cut a little, mirrored, or of one burst.

Told from thumbnails alone: so the groups, and with them the split, are the same whatever backbone
is trained. A pair is compared only where it is among each other's nearest on a coarse look; it is
a pair of near duplicates where the finer look, one laid upon the other, agrees, and where it is far
closer than other photos of the set are to them: what all photos of a set have in common (a frame, a
grid, one pose) is no sign of being the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Floats
from photograft.core.blas import one_thread
from photograft.core.parallel import in_order, num_cores
from photograft.core.progress import Progress, Silent
from photograft.data.alignment import alike, detail, shrink
from photograft.data.joining import Joining
from photograft.data.neighbour_lists import NUM_TIMES, neighbour_lists
from photograft.data.thumbnails import Thumbnails

#: Raise it whenever other pairs are found.
CODE_VERSION = 4

#: The coarse look: side in pixels, how alike candidates are at least, how much closer than usual
#: there, how many of each photo.
_COARSE_SIDE = 16
_COARSE_ALIKE = 0.5
_COARSE_CLOSER = 0.7
_NUM_CANDIDATES = 4
#: The neighbour that tells how close photos of this set usually are. Where the distance doubles
#: from one of the next to the one after it, those before were copies, and that one tells.
_USUAL = 10
_MOST_COPIES = 64
_JUMP = 2.0
#: Closer than this is no closer: what compression does.
_LEAST_DISTANCE = 0.005
#: The finer look: how alike near duplicates are at least, and how much closer than usual.
_ALIKE = 0.892
_CLOSER = 0.3
#: Photos of a burst: seconds between one and the next, and how alike they are at least.
_BURST_SECONDS = 3.0
_BURST_ALIKE = 0.5
#: Photos taken so many seconds apart are of other moments: a burst is closer than those are, as far
#: as this share of them (of so many, evenly spaced) tells. A fixed camera's photos are all alike.
_OTHER_SECONDS = 15.0
_NUM_OTHERS = 64
_OTHER_SHARE = 0.9
#: Photos that are compared with all others at once, such blocks under way, and threads: each takes
#: memory.
_BLOCK, _BLOCKS_AHEAD, _NUM_THREADS = 128, 8, 4
#: Such a block has no more scores than this, but those of one photo.
_MOST_SCORES = 4_000_000
#: Photos of a list that are compared at once; pairs, and photos, whose thumbnails are.
_LIST_BLOCK, _PAIRS, _ROWS = 512, 16_384, 4096

#: Of more photos each is compared with those on the lists next to it, not with all others.
MOST_EXACT = 50_000


@dataclass(frozen=True)
class Pair:
    """Two photos that are nearly the same.

    Attributes:
        first: Index of one, the lower.
        second: Index of the other.
        score: How alike they are, in [0, 1].
        why: ``"the same"``, ``"mirrored"`` or ``"a burst"``.
    """

    first: int
    second: int
    score: float
    why: str


#: Photos, and of each who is nearest to it, how alike they are, and whether mirrored.
Looked = tuple[npt.NDArray[np.intp], tuple[npt.NDArray[np.intp], Floats, npt.NDArray[np.bool_]]]


@one_thread()
def find_near_duplicates(
    thumbnails: Thumbnails,
    *,
    progress: Progress | None = None,
    most_exact: int = MOST_EXACT,
) -> list[Pair]:
    """Return the pairs of near duplicates; memory grows with the number of photos, not its square.

    Photos without any detail (all of one colour) are like no other.

    Args:
        thumbnails: Of the photos.
        progress: Told how far it is.
        most_exact: Of no more photos each is compared with all others; of more, with those that
            may be near to it, see `neighbour_lists`.
    """
    n = len(thumbnails)
    if n < 2:
        return []
    coarse = _coarse(thumbnails)
    first, second, mirrored, usual = _candidates(coarse, progress or Silent(), most_exact)
    pixels = thumbnails.pixels
    wanted = np.maximum(_ALIKE, 1 - _CLOSER * (1 - usual)).astype(np.float32)
    score = np.zeros(len(wanted), np.float32)
    with (progress or Silent()).step("Comparing photos", len(wanted), "pairs") as step:
        for start in range(0, len(wanted), _PAIRS):
            part = slice(start, start + _PAIRS)
            others, turned = pixels[second[part]], mirrored[part]
            others[turned] = others[turned][:, :, ::-1]
            score[part] = alike(pixels[first[part]], others, wanted[part], tell=step.advance)
    near = score >= wanted
    found = {
        (int(a), int(b)): Pair(int(a), int(b), float(s), "mirrored" if m else "the same")
        for a, b, s, m in zip(first[near], second[near], score[near], mirrored[near], strict=True)
    }
    for pair in _bursts(thumbnails, coarse):
        found.setdefault((pair.first, pair.second), pair)
    return [found[key] for key in sorted(found)]


def near_groups(pairs: Sequence[Pair], num_photos: int) -> npt.NDArray[np.int64]:
    """Return the group of each photo, shape ``(n,)``: pairs joined, numbered by the first photo."""
    joining = Joining(num_photos)
    for pair in pairs:
        joining.join(pair.first, pair.second)
    return joining.groups()


def _coarse(thumbnails: Thumbnails) -> Floats:
    """Return the coarse look at each photo, shape ``(n, 256)``."""
    found = np.empty((len(thumbnails), _COARSE_SIDE**2), np.float32)
    for start in range(0, len(found), _ROWS):
        part = slice(start, start + _ROWS)
        found[part] = detail(shrink(thumbnails.pixels[part], _COARSE_SIDE))
    return found


def _mirrored(looks: Floats) -> Floats:
    found: Floats = looks.reshape(len(looks), _COARSE_SIDE, -1)[:, :, ::-1]
    return found.reshape(len(looks), -1)


def _candidates(
    plain: Floats, progress: Progress, most_exact: int
) -> tuple[
    npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.bool_], npt.NDArray[np.float32]
]:
    """Return pairs that look alike coarsely, whether mirrored, and how alike is usual there."""
    n = len(plain)
    usual = np.full(n, -1, np.float32)
    rows: list[npt.NDArray[np.intp]] = []
    columns: list[npt.NDArray[np.intp]] = []
    turned: list[npt.NDArray[np.bool_]] = []
    scores: list[Floats] = []
    is_exact = n <= most_exact
    with progress.step("Comparing thumbnails", n if is_exact else NUM_TIMES * n, "photos") as step:
        threads = min(num_cores(), _NUM_THREADS)
        looks = in_order(
            lambda task: task(),
            _all_looks(plain) if is_exact else _some_looks(plain),
            window=_BLOCKS_AHEAD,
            num_threads=threads,
        )
        for own, (best, values, mirrored) in looks:
            usual[own] = np.maximum(usual[own], _usual(values))
            i, k = np.nonzero(values[:, :_NUM_CANDIDATES] >= _COARSE_ALIKE)
            rows.append(own[i])
            columns.append(best[i, k])
            turned.append(mirrored[i, k])
            scores.append(values[i, k])
            step.advance(len(own))
    a, b = np.concatenate(rows), np.concatenate(columns)
    first, second = np.minimum(a, b), np.maximum(a, b)
    _, kept = np.unique(first * n + second, return_index=True)
    common = np.maximum(usual[first], usual[second])
    close = 1 - np.concatenate(scores) <= _COARSE_CLOSER * (1 - common)
    kept = kept[close[kept]]
    return first[kept], second[kept], np.concatenate(turned)[kept], common[kept]


def _all_looks(plain: Floats) -> Iterator[Callable[[], Looked]]:
    """Yield the work of comparing each block of photos with all others."""
    n, flipped = len(plain), _mirrored(plain)

    def look(own: npt.NDArray[np.intp]) -> Looked:
        return own, _nearest(plain, flipped, own)

    size = max(1, min(_BLOCK, _MOST_SCORES // n))
    for start in range(0, n, size):
        yield functools.partial(look, np.arange(start, min(start + size, n)))


def _some_looks(plain: Floats) -> Iterator[Callable[[], Looked]]:
    """Yield the work of comparing each block of photos with those that may be near to it."""

    def look(own: npt.NDArray[np.intp], among: npt.NDArray[np.intp]) -> Looked:
        seen = plain[among]
        places = np.searchsorted(among, own)
        best, values, mirrored = _nearest(seen, _mirrored(seen), places)
        return own, (among[best], values, mirrored)

    for time in range(NUM_TIMES):
        for own, among in neighbour_lists(plain.__getitem__, len(plain), _mirrored, time=time):
            for start in range(0, len(own) if len(among) > 1 else 0, _LIST_BLOCK):
                yield functools.partial(look, own[start : start + _LIST_BLOCK], among)


def _nearest(
    plain: Floats, flipped: Floats, own: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.intp], Floats, npt.NDArray[np.bool_]]:
    """Return who is nearest to each of some photos, how alike they are, and whether mirrored."""
    count = min(_MOST_COPIES, len(plain) - 1)
    straight, mirror = plain[own] @ plain.T, plain[own] @ flipped.T
    score = np.maximum(straight, mirror)
    score[np.arange(len(own)), own] = -2
    best = np.argpartition(score, len(plain) - count, axis=1)[:, -count:]
    values = np.take_along_axis(score, best, 1)
    order = np.argsort(-values, axis=1, kind="stable")
    best, values = (np.take_along_axis(x, order, 1) for x in (best, values))
    turned = np.take_along_axis(mirror, best, 1) > np.take_along_axis(straight, best, 1)
    return best, values, turned


def _usual(values: Floats) -> Floats:
    """Return how alike photos usually are to each of some, from its nearest, the nearest first."""
    if values.shape[1] < _USUAL:
        return np.zeros(len(values), np.float32)
    distance = np.maximum(1 - values[:, _USUAL - 1 :], _LEAST_DISTANCE)
    jumps = distance[:, 1:] >= _JUMP * distance[:, :-1]
    # After the first jump; without one, the first of these columns.
    place = np.where(jumps.any(axis=1), jumps.argmax(axis=1) + 1, 0) if jumps.size else 0
    found: Floats = values[np.arange(len(values)), _USUAL - 1 + place]
    return found


def _bursts(thumbnails: Thumbnails, looks: Floats) -> list[Pair]:
    """Return pairs that follow on each other within seconds and are somewhat alike."""
    timed = np.flatnonzero(np.isfinite(thumbnails.taken))
    order = timed[np.argsort(thumbnails.taken[timed], kind="stable")]
    a, b = order[:-1], order[1:]
    close = np.diff(thumbnails.taken[order]) <= _BURST_SECONDS
    first, second = np.minimum(a, b)[close], np.maximum(a, b)[close]
    if not len(first):
        return []
    score = (looks[first] * looks[second]).sum(axis=1)
    least = np.maximum(
        _BURST_ALIKE, 1 - _COARSE_CLOSER * (1 - _other_times(looks, thumbnails, first))
    )
    return [
        Pair(int(i), int(j), float(s), "a burst")
        for i, j, s, wanted in zip(first, second, score, least, strict=True)
        if s >= wanted
    ]


def _other_times(looks: Floats, thumbnails: Thumbnails, rows: npt.NDArray[np.intp]) -> Floats:
    """Return how alike some photos are to the nearer ones of other times; 0 where they are few."""
    timed = np.flatnonzero(np.isfinite(thumbnails.taken))
    order = timed[np.argsort(thumbnails.taken[timed], kind="stable")]
    at = np.linspace(0, len(order) - 1, min(_NUM_OTHERS, len(order))).astype(np.intp)
    sample = order[at]
    scores = looks[rows] @ looks[sample].T
    apart = np.abs(thumbnails.taken[rows][:, None] - thumbnails.taken[sample]) > _OTHER_SECONDS
    scores[~apart] = -1  # these sort first, and the place is counted from the end
    number = apart.sum(axis=1)
    place = scores.shape[1] - 1 - ((1 - _OTHER_SHARE) * number).astype(np.intp)
    found = np.sort(scores, axis=1)[np.arange(len(rows)), place]
    return np.where(number >= _USUAL, found, 0).astype(np.float32)
