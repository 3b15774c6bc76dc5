"""How alike two thumbnails are once one is cut and laid upon the other.

Only detail counts: what a blur leaves is taken off, so that neither brightness nor a common ground
makes two photos alike. The cut is sought on half the resolution first, then refined.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Floats
from photograft.core.parallel import in_order

#: Cuts that are tried, as scale and offset along one axis, of its length.
_CUTS = (
    ((1.0, 0.0),),
    tuple((0.95, i * 0.0125) for i in range(5)),
    tuple((0.9, i * 0.1 / 3) for i in range(4)),
)
#: Steps of scale and offset around the best cut, each axis in turn, twice.
_STEPS = ((0.0125, 0.00625), (0.00625, 0.003125))
#: And by how much the correlation may rise by them.
_MARGINS = (0.15, 0.05)

#: Standard deviation of the blur, as a share of the side.
_BLUR = 1 / 12
#: Detail of less than this many grey levels, root mean square, is none.
_LEAST_DETAIL = 1.0
#: Detail is evened out where it is stronger than this many grey levels: one edge is not all.
_EVEN = 4.0
_CHUNK_PAIRS = 256


def detail(thumbnails: Floats) -> Floats:
    """Return the detail of square pictures, each of length 1; zeros where there is none.

    Args:
        thumbnails: Float32, shape ``(n, s, s)``.

    Returns:
        Float32, shape ``(n, s * s)``.
    """
    blur, across = _blur(thumbnails.shape[1])
    fine = thumbnails - _both_ways(thumbnails, blur, across)
    squared = np.square(fine)
    strength = np.sqrt(squared.mean(axis=(1, 2)))
    fine /= np.sqrt(_both_ways(squared, blur, across) + np.float32(_EVEN**2))
    flat: Floats = fine.reshape(len(fine), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    flat[strength < _LEAST_DETAIL] = 0
    return flat


def shrink(thumbnails: npt.NDArray[np.uint8], side: int) -> Floats:
    """Return smaller versions of square pictures by averaging; their side is a multiple of it."""
    n, full = thumbnails.shape[:2]
    step = full // side
    parts = thumbnails.reshape(n, side, step, side, step)
    found: Floats = parts.mean(axis=(2, 4), dtype=np.float32)
    return found


def alike(
    first: npt.NDArray[np.uint8],
    second: npt.NDArray[np.uint8],
    wanted: Floats,
    *,
    tell: Callable[[int], None] | None = None,
) -> Floats:
    """Return the correlation of the detail of pairs, one of them cut to fit the other.

    Args:
        first: Thumbnails, uint8, shape ``(p, s, s)``.
        second: Those that they are compared with, pair by pair.
        wanted: How alike each pair is asked to be, float32, shape ``(p,)``. The best cut is not
            sought any further once this is reached, nor where it is out of reach.
        tell: Told how many more pairs are done.

    Returns:
        In [-1, 1], float32, shape ``(p,)``; 0 where one has no detail.
    """
    found = [np.zeros(0, np.float32)]
    parts = [slice(i, i + _CHUNK_PAIRS) for i in range(0, len(first), _CHUNK_PAIRS)]
    for scores in in_order(lambda part: _best(first[part], second[part], wanted[part]), parts):
        found.append(scores)
        if tell is not None:
            tell(len(scores))
    return np.concatenate(found)


def _best(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], wanted: Floats) -> Floats:
    one, cut_one = _coarsely(first, second)
    other, cut_other = _coarsely(second, first)
    best = np.maximum(one, other)
    go = np.flatnonzero(best >= wanted - _MARGINS[0])
    if len(go):
        best[go] = np.maximum(
            _finely(first[go], second[go], cut_one[go], wanted[go]),
            _finely(second[go], first[go], cut_other[go], wanted[go]),
        )
    return best


def _coarsely(
    cut: npt.NDArray[np.uint8], whole: npt.NDArray[np.uint8]
) -> tuple[Floats, npt.NDArray[np.float64]]:
    """Return the best correlation over all cuts at half the resolution, and those cuts."""
    half = cut.shape[1] // 2
    small, target = shrink(cut, half), detail(shrink(whole, half))
    best = np.full(len(cut), -1, np.float32)
    place = np.zeros((len(cut), 4))  # scale and offset of the rows, then of the columns
    for cuts in _CUTS:
        for rows in cuts:
            for columns in cuts:
                score = _score(small, target, np.array([*rows, *columns]))
                better = score > best
                best[better] = score[better]
                place[better] = [*rows, *columns]
    return best, place


def _finely(
    cut: npt.NDArray[np.uint8],
    whole: npt.NDArray[np.uint8],
    place: npt.NDArray[np.float64],
    wanted: Floats,
) -> Floats:
    """Return the best correlation around given cuts at full resolution."""
    large, target = cut.astype(np.float32), detail(whole.astype(np.float32))
    best = _score(large, target, place)
    for steps, margin in zip(_STEPS, _MARGINS, strict=True):
        for axis in (0, 2):
            open_ = np.flatnonzero((best < wanted) & (best >= wanted - margin))
            if not len(open_):
                continue
            pictures, targets, centre = large[open_], target[open_], place[open_]
            for scale in (-steps[0], 0, steps[0]):
                for offset in (-steps[1], 0, steps[1]):
                    if not (scale or offset):
                        continue
                    tried = centre.copy()
                    tried[:, axis] += scale
                    tried[:, axis + 1] += offset - scale / 2  # about the middle of the cut
                    score = _score(pictures, targets, tried)
                    better = score > best[open_]
                    best[open_[better]], place[open_[better]] = score[better], tried[better]
    return best


def _score(cut: Floats, target: Floats, place: npt.NDArray[np.float64]) -> Floats:
    """Return the correlation of cuts with targets; one place for all, or one for each."""
    side = cut.shape[1]
    at: Floats = place.astype(np.float32)
    rows = _resampling(side, at[..., 0], at[..., 1])
    columns = _resampling(side, at[..., 2], at[..., 3])
    across = np.ascontiguousarray(np.swapaxes(columns, -1, -2))
    found: Floats = np.vecdot(detail(_both_ways(cut, rows, across)), target)
    return found


def _resampling(side: int, scale: Floats, offset: Floats) -> Floats:
    """Return matrices ``(..., side, side)`` that stretch a part of a line to the whole of it."""
    centres = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / side
    x = (offset[..., None] + scale[..., None] * centres) * side - np.float32(0.5)
    x = np.clip(x, 0, side - 1)
    found: Floats = np.abs(x[..., None] - np.arange(side, dtype=np.float32))
    return np.maximum(1 - found, 0, out=found)


def _both_ways(pictures: Floats, rows: Floats, across: Floats) -> Floats:
    """Return ``rows @ picture @ across`` of each picture; one matrix for all, or one for each.

    Picture by picture, by NumPy's own loop on one core: as one large product, it would ask for all
    cores in each of the threads that compare.
    """
    found: Floats = np.matmul(np.matmul(rows, pictures), across)
    return found


@functools.cache
def _blur(side: int) -> tuple[Floats, Floats]:
    """Return the matrix ``(side, side)`` that blurs along one axis, and its transpose.

    Rows sum to 1. Both lie in memory row by row: products are a third faster so.
    """
    distance = np.subtract.outer(np.arange(side), np.arange(side)) / (_BLUR * side)
    weights = np.exp(-0.5 * distance**2)
    found: Floats = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return found, np.ascontiguousarray(found.T)
