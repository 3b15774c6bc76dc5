"""The weights by which Pillow resizes a side of a photo, in an ONNX graph.

Pillow computes each in doubles, and rounds it to a whole number of 22 bits. Few runtimes have
doubles. So here a weight is a whole number of 32 bits and a small rest in float32: the filters are
polynomials, which are computed exactly at 256 places a pixel, and by their derivatives between. A
weight is then another than Pillow's about once in a thousand, by one in four million; it takes
several photos until that changes a pixel, by one of its 256 levels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from photograft.backbones.graphs import Graph
from photograft.classifier.export.sides import Side, centres
from photograft.classifier.export.whole_numbers import (
    as_double,
    as_real,
    as_whole,
    axis,
    divided,
    double,
    plus,
    real,
    rounded,
    times,
    whole,
    within,
)

#: Of a weight: bits as Pillow has them, and of the lower of its two digits.
DIGIT_BITS = 11
BITS = 2 * DIGIT_BITS
#: How far the filters reach, in pixels, where a photo is enlarged.
REACH = {"bilinear": 1, "bicubic": 2, "lanczos": 3}
#: Places a pixel at which a filter is known exactly, and what 1 is there.
_PLACES, _ONE_BITS = 256, 25
#: Taps that are computed beyond those that count: their weight is 0.
_SPARE_TAPS = 3
#: Sums of weights are taken in two digits; bits of the lower one.
_SUM_BITS = 12


class _Cubic(NamedTuple):
    """A polynomial with whole coefficients, of the place: the constant one first."""

    a: int
    b: int
    c: int
    d: int


#: The filters, from 0 to 1 and from 1 to 2 pixels: Pillow's, with 1 as `_ONE_BITS` has it. The
#: cubic one is Keys's, with -0.5.
_FILTERS = {
    "bilinear": (_Cubic(2**25, -(2**17), 0, 0),),
    "bicubic": (_Cubic(2**25, 0, -1280, 3), _Cubic(2**26, -(2**19), 1280, -1)),
}


def digits(
    made: Graph, side: Side, interpolation: str, *, is_turned: bool = False
) -> tuple[str, str]:
    """Return the two digits of the weights of a side, the higher first.

    Args:
        made: Is added to.
        side: The side.
        interpolation: ``"bilinear"``, ``"bicubic"`` or ``"lanczos"``.
        is_turned: Return them the other way round, ``(length, wanted)``.

    Returns:
        Names of float32 ``(wanted, length)``: weights are ``2 ** -DIGIT_BITS`` times the higher
        digit, a whole number, and so is the lower one in units of that.
    """
    reach = REACH[interpolation]
    middle = made.add("Unsqueeze", [centres(made, side), axis(made, 1)])
    unit = times(made, side.scaled, 2)  # a pixel
    size = times(made, made.add("Max", [side.kept, side.scaled]), 2)  # a pixel of the filter's own
    support = times(made, size, reach)
    # The taps begin one before the first that counts.
    edge = made.add("Add", [made.add("Sub", [middle, support]), side.scaled])
    start = plus(made, divided(made, made.add("Max", [edge, whole(made, 0)]), unit)[0], -1)
    half = divided(made, support, unit)[0]
    num_taps = plus(made, times(made, half, 2), _SPARE_TAPS + 2)
    taps = made.add("Range", [whole(made, 0), num_taps, whole(made, 1)])
    x = made.add("Add", [start, taps])
    odd = plus(made, times(made, x, 2), 1)
    away = made.add("Abs", [made.add("Sub", [made.add("Mul", [odd, side.scaled]), middle])])
    counts = made.add(
        "And",
        [within(made, x, whole(made, 0), side.length), made.add("Less", [away, support])],
    )
    away = made.add("Where", [counts, away, whole(made, 0)])
    if interpolation == "lanczos":
        value, rest = _lanczos(made, away, size)
    else:
        value, rest = _polynomial(made, away, size, _FILTERS[interpolation])
    value = made.add("Where", [counts, value, whole(made, 0)])
    rest = made.add("Where", [counts, rest, real(made, 0)])
    weights = _normalised(made, value, rest)
    weights = made.add("Mul", [weights, real(made, 2.0**-DIGIT_BITS)])
    high = rounded(made, weights)
    low = made.add("Sub", [weights, high])
    which = _which_tap(made, side, start, num_taps)
    if is_turned:
        which = made.add("Transpose", [which], perm=[1, 0])
    return _spread(made, high, which, is_turned), _spread(made, low, which, is_turned)


def _polynomial(made: Graph, away: str, size: str, cubics: tuple[_Cubic, ...]) -> tuple[str, str]:
    """Return a filter's values at distances: whole numbers, and a rest in float32."""
    # The nearest place at which it is known, and how far that is, in [-1, 1] places.
    many = times(made, away, _PLACES)
    share = made.add("Div", [as_real(made, many), as_real(made, size)])
    h = as_whole(made, rounded(made, share))
    missing = made.add("Sub", [many, made.add("Mul", [h, size])])
    b = made.add("Div", [as_real(made, missing), as_real(made, size)])
    found = [_at(made, h, b, cubic) for cubic in cubics]
    value, change = found[0]
    if len(found) > 1:
        is_near = made.add("Less", [h, whole(made, _PLACES)])
        value, change = (made.add("Where", [is_near, *pair]) for pair in zip(*found, strict=True))
    more = rounded(made, change)
    return made.add("Add", [value, as_whole(made, more)]), made.add("Sub", [change, more])


def _at(made: Graph, h: str, b: str, cubic: _Cubic) -> tuple[str, str]:
    """Return a cubic at `h`, a whole number, and what `b` more changes, float32."""
    value = plus(made, times(made, h, cubic.d), cubic.c)
    value = plus(made, made.add("Mul", [value, h]), cubic.b)
    value = plus(made, made.add("Mul", [value, h]), cubic.a)
    first = plus(made, times(made, h, 3 * cubic.d), 2 * cubic.c)
    first = plus(made, made.add("Mul", [first, h]), cubic.b)
    second = plus(made, times(made, h, 3 * cubic.d), cubic.c)
    change = made.add("Mul", [b, real(made, cubic.d)])
    change = made.add("Mul", [b, made.add("Add", [as_real(made, second), change])])
    return value, made.add("Mul", [b, made.add("Add", [as_real(made, first), change])])


def _lanczos(made: Graph, away: str, size: str) -> tuple[str, str]:
    """Return that filter's values likewise: exact where a runtime has doubles."""
    t = made.add("Div", [as_double(made, away), as_double(made, size)])
    value = made.add("Mul", [_sinc(made, t, 1), _sinc(made, t, 3)])
    value = made.add("Mul", [value, double(made, 2.0**_ONE_BITS)])
    below = made.add("Floor", [value])
    return as_whole(made, below), as_real(made, made.add("Sub", [value, below]))


def _sinc(made: Graph, t: str, width: int) -> str:
    x = made.add("Mul", [made.add("Div", [t, double(made, width)]), double(made, math.pi)])
    is_zero = made.add("Equal", [x, double(made, 0)])
    safe = made.add("Where", [is_zero, double(made, 1), x])
    value = made.add("Div", [made.add("Sin", [safe]), safe])
    return made.add("Where", [is_zero, double(made, 1), value])


def _normalised(made: Graph, value: str, rest: str) -> str:
    """Return weights that add up to 1, rounded to `BITS` bits: float32, whole numbers.

    A guess in float32 is off by a few; the remainder, whose large parts cancel out in whole numbers
    of 32 bits whatever overflows, puts it right.
    """
    back = real(made, 2.0**-_SUM_BITS)
    high, low = divided(made, value, whole(made, 1 << _SUM_BITS))
    sums = [
        made.reduced("ReduceSum", part, [1], keepdims=1)
        for part in (as_real(made, high), made.add("Add", [as_real(made, low), rest]))
    ]
    total = made.add("Add", [sums[0], made.add("Mul", [sums[1], back])])  # in steps
    near = made.add("Div", [made.add("Mul", [as_real(made, value), back]), total])
    guess = rounded(made, made.add("Mul", [near, real(made, 2.0**BITS)]))
    wanted = times(made, value, 1 << (BITS - _SUM_BITS))
    reached = made.add("Mul", [as_whole(made, guess), as_whole(made, sums[0])])
    left = as_real(made, made.add("Sub", [wanted, reached]))
    left = made.add("Add", [left, made.add("Mul", [rest, real(made, 2.0 ** (BITS - _SUM_BITS))])])
    beside = made.add("Mul", [guess, made.add("Mul", [sums[1], back])])
    missing = made.add("Div", [made.add("Sub", [left, beside]), total])

    return made.add("Add", [guess, rounded(made, missing)])


def _which_tap(made: Graph, side: Side, start: str, num_taps: str) -> str:
    """Return which tap each pixel of the photo is, ``(wanted, length)``.

    Those that are none have the number after the last.
    """
    pixels = made.add("Range", [whole(made, 0), side.length, whole(made, 1)])
    which = made.add("Sub", [pixels, start])
    return made.add("Where", [within(made, which, whole(made, 0), num_taps), which, num_taps])


def _spread(made: Graph, taps: str, which: str, is_turned: bool) -> str:
    """Return taps ``(wanted, taps)`` where they belong, ``(wanted, length)``, or turned."""
    if is_turned:
        taps = made.add("Transpose", [taps], perm=[1, 0])
    ends = made.constant(np.array([0, 0, 1, 0] if is_turned else [0, 0, 0, 1], np.int64))
    with_none = made.add("Pad", [taps, ends, real(made, 0)])
    return made.add("GatherElements", [with_none, which], axis=0 if is_turned else 1)
