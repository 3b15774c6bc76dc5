"""Who may be near to whom among very many photos: lists of those near the same centre.

An inverted file (Sivic & Zisserman, 2003, "Video Google"; as the coarse quantiser of Jégou et al.,
2011, "Product quantization for nearest neighbor search"): photos are put on lists by the nearest of
some centres, and each is compared with those on the lists nearest to its own, as it is and
mirrored. Centres and lists follow from the photos alone, so that the same photos have the same
neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from photograft.core.arrays import Floats, Indices

#: Photos of a list on average, each time that lists are made; lists that are looked at either way;
#: and photos that centres are found on, per centre, in so many rounds.
_PER_LIST, _LOOKED_AT = (400, 300, 550), 16
_LEARNED_FROM, _ROUNDS = 24, 4
_CHUNK = 8192
#: How often lists are made.
NUM_TIMES = len(_PER_LIST)

#: Gives rows of unit length, float32, ``(m, d)``.
Read = Callable[[Indices], Floats]


def neighbour_lists(
    read: Read, num_rows: int, mirrored: Callable[[Floats], Floats], *, time: int = 0
) -> Iterator[tuple[Indices, Indices]]:
    """Yield rows, and all rows that they are to be compared with, they themselves among them.

    Args:
        read: Gives some of the rows.
        num_rows: How many there are.
        mirrored: Returns rows as they are of mirrored photos.
        time: Other lists are made each time, in ``[0, NUM_TIMES)``: two that are near each other
            and are parted by one choice of centres mostly are not by another.

    Yields:
        Both sorted. Every row comes up among the first exactly once.
    """
    centres = _centres(read, num_rows, time)
    lists = np.concatenate(
        [
            (read(np.arange(i, min(i + _CHUNK, num_rows))) @ centres.T).argmax(axis=1)
            for i in range(0, num_rows, _CHUNK)
        ]
    )
    order = np.argsort(lists, kind="stable")
    ends = np.searchsorted(lists[order], np.arange(len(centres) + 1))
    count = min(_LOOKED_AT, len(centres))
    turned = mirrored(centres)
    for number in range(len(centres)):
        own = order[ends[number] : ends[number + 1]]
        if not len(own):
            continue
        near = [number]
        for looks in (centres, turned):
            alike = centres @ looks[number]
            near += np.argpartition(-alike, count - 1)[:count].tolist()
        others = [order[ends[n] : ends[n + 1]] for n in dict.fromkeys(near)]
        yield own, np.sort(np.concatenate(others))


def _centres(read: Read, num_rows: int, time: int) -> Floats:
    """Return centres of unit length by spherical k-means on evenly spaced rows."""
    count = max(num_rows // _PER_LIST[time], 1)
    places = np.linspace(0, num_rows, count * _LEARNED_FROM, endpoint=False)
    shift = num_rows / len(places) * time / NUM_TIMES  # other rows each time
    some = np.unique((places + shift).astype(np.intp))
    rows = read(some)
    centres = rows[np.linspace(0, len(rows) - 1, count).astype(np.intp)].copy()
    for _ in range(_ROUNDS):
        nearest = np.concatenate(
            [(rows[i : i + _CHUNK] @ centres.T).argmax(1) for i in range(0, len(rows), _CHUNK)]
        )
        order = np.argsort(nearest, kind="stable")
        found, starts = np.unique(nearest[order], return_index=True)
        sums = np.add.reduceat(rows[order], starts, axis=0)
        centres[found] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
    return centres
