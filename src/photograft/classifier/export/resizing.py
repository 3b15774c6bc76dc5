"""Pillow's antialiased resizing as a part of an ONNX graph, for photos of any size.

Runtimes have resizing of their own, and each rounds in its own way. Here it is what Pillow does
(``Resample.c``): two matrix products, first along the rows and then along the columns, whose
weights are whole numbers of 22 bits, each product rounded to whole pixels. The weights follow from
the photo's height and width within the graph.

A weight times a pixel has 30 bits, and float32 holds 24. So weights are split in two digits of 11
bits: all sums are whole numbers that float32 holds, and so do not depend on the order in which a
runtime adds, nor on how many threads it does so with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import PIL
from onnx import TensorProto, helper

from photograft.backbones.graphs import Graph
from photograft.backbones.registry import Backbone

#: How far the filters reach, in pixels, where a photo is enlarged.
_REACH = {"bilinear": 1, "bicubic": 2, "lanczos": 3}
#: Bits of a weight, as Pillow has them, and of the lower of its two digits.
_DIGIT_BITS = 11
_BITS = 2 * _DIGIT_BITS
#: Taps that are computed beyond those that count: their weight is 0.
_SPARE_TAPS = 3
#: Since this version, Pillow resizes tall photos first along their columns.
_MAY_BEGIN_VERTICALLY = int(PIL.__version__.partition(".")[0]) >= 13
#: The axes of pixels, ``(n, 3, height, width)``.
_HEIGHT, _WIDTH = 2, 3


@dataclass(frozen=True)
class _Side:
    """What a side of a photo is resized by; each an int64 scalar in the graph.

    Attributes:
        length: Pixels that there are.
        kept: Pixels that are looked at, those in the middle: they may be half ones at the ends.
        scaled: Pixels that these become.
        wanted: A number, no name: so many of those are taken, from the middle.
    """

    length: str
    kept: str
    scaled: str
    wanted: int


def resized(made: Graph, backbone: Backbone, photos: str) -> str:
    """Add what brings photos to a backbone's input size, as `prepare` does with Pillow.

    Args:
        made: Is added to.
        backbone: Its record says how to resize and crop.
        photos: The name of photos, uint8 ``(n, height, width, 3)``.

    Returns:
        The name of float32 ``(n, 3, input height, input width)``: whole numbers in [0, 255].
    """
    x = made.add("Transpose", [photos], perm=[0, 3, 1, 2])
    sides = _sides(made, backbone, x)
    if backbone.interpolation == "nearest":
        for axis, side in reversed(sides.items()):
            x = made.add("Gather", [x, _nearest(made, side)], axis=axis)
        return made.add("Cast", [x], to=TensorProto.FLOAT)
    x = made.add("Cast", [x], to=TensorProto.FLOAT)
    weights = {axis: _digits(made, side, backbone.interpolation) for axis, side in sides.items()}
    if not _MAY_BEGIN_VERTICALLY:
        return _passes(made, x, weights, (_WIDTH, _HEIGHT))
    ways = {
        "then_branch": _branch(made, x, weights, (_HEIGHT, _WIDTH)),
        "else_branch": _branch(made, x, weights, (_WIDTH, _HEIGHT)),
    }
    return made.add("If", [_begins_vertically(made, sides)], **ways)


def _passes(
    made: Graph, x: str, weights: Mapping[int, tuple[str, str]], order: Sequence[int]
) -> str:
    """Add the resizing of one axis after the other."""
    for axis in order:
        if axis == _WIDTH:
            turned = [made.add("Transpose", [digit], perm=[1, 0]) for digit in weights[axis]]
            high, low = (made.add("MatMul", [x, digit]) for digit in turned)
        else:
            high, low = (made.add("MatMul", [digit, x]) for digit in weights[axis])
        x = _rounded(made, high, low)
    return x


def _branch(
    made: Graph, x: str, weights: Mapping[int, tuple[str, str]], order: Sequence[int]
) -> onnx.GraphProto:
    """Return the passes in one order as a graph of their own."""
    own = made.within("vertical." if order[0] == _HEIGHT else "horizontal.")
    found = helper.make_tensor_value_info(_passes(own, x, weights, order), TensorProto.FLOAT, None)
    return helper.make_graph(own.nodes, own.prefix, [], [found], own.constants)


def _begins_vertically(made: Graph, sides: Mapping[int, _Side]) -> str:
    """Return whether Pillow resizes the columns first: those of photos that lose most of them."""
    lost = {axis: made.add("Sub", [side.length, side.scaled]) for axis, side in sides.items()}
    is_shorter = made.add("Greater", [lost[_HEIGHT], _whole(made, 0)])
    is_tall = made.add("Greater", [lost[_HEIGHT], _times(made, lost[_WIDTH], 2)])
    return made.add("And", [is_shorter, is_tall])


def _sides(made: Graph, backbone: Backbone, x: str) -> dict[int, _Side]:
    """Return what each axis is resized by."""
    shape = made.add("Shape", [x])
    lengths = {axis: made.add("Gather", [shape, _whole(made, axis)]) for axis in (_HEIGHT, _WIDTH)}
    wanted = dict(zip((_HEIGHT, _WIDTH), backbone.input_size, strict=True))
    scaled = {axis: math.floor(side / backbone.crop_pct) for axis, side in wanted.items()}
    if backbone.crop_mode == "squash":
        return {
            axis: _Side(length, length, _whole(made, scaled[axis]), wanted[axis])
            for axis, length in lengths.items()
        }
    # In doubles, and in the same order as `prepare`: where it comes out at a whole number or at a
    # half, the last bit decides.
    real = {axis: _double(made, length) for axis, length in lengths.items()}
    goals = {axis: made.scalar(np.float64(side)) for axis, side in scaled.items()}
    scale = made.add("Max", [made.add("Div", [goals[axis], real[axis]]) for axis in lengths])
    found = {}
    for axis, length in lengths.items():
        twice = made.scalar(np.float64(2 * scaled[axis]))
        most = _int(made, made.add("Ceil", [made.add("Div", [twice, scale])]))
        kept = made.add("Min", [length, most])
        product = made.add("Mul", [_double(made, kept), scale])
        least = _whole(made, scaled[axis])
        size = made.add("Max", [least, _int(made, made.add("Round", [product]))])
        found[axis] = _Side(length, kept, size, wanted[axis])
    return found


def _places(made: Graph, side: _Side) -> str:
    """Return which of the scaled pixels are taken, int64 ``(wanted,)``."""
    missing = made.add("Sub", [side.scaled, _whole(made, side.wanted)])
    first = made.add("Div", [missing, _whole(made, 2)])
    return made.add("Add", [made.constant(np.arange(side.wanted, dtype=np.int64)), first])


def _centres(made: Graph, side: _Side) -> str:
    """Return where each pixel's centre lies in the photo, int64 ``(wanted,)``.

    In units of a pixel over twice the scaled side: so all are whole numbers.
    """
    odd = made.add("Add", [_times(made, _places(made, side), 2), _whole(made, 1)])
    along = made.add("Mul", [odd, side.kept])
    cut = made.add("Sub", [side.length, side.kept])  # twice what lies before
    return made.add("Add", [along, made.add("Mul", [cut, side.scaled])])


def _digits(made: Graph, side: _Side, interpolation: str) -> tuple[str, str]:
    """Return the digits of the weights, the higher first, float32 ``(wanted, length)`` both."""
    reach = _REACH[interpolation]
    centres = made.add("Unsqueeze", [_centres(made, side), _axis(made, 1)])
    unit = _times(made, side.scaled, 2)  # a pixel
    size = _times(made, made.add("Max", [side.kept, side.scaled]), 2)  # of a filter's own pixel
    support = _times(made, size, reach)
    # Where the taps begin: one before the first that counts, if there is none before 0.
    edge = made.add("Add", [made.add("Sub", [centres, support]), side.scaled])
    edge = made.add("Max", [edge, _whole(made, 0)])
    start = made.add("Sub", [made.add("Div", [edge, unit]), _whole(made, 1)])
    half = made.add(
        "Div", [made.add("Sub", [made.add("Add", [support, unit]), _whole(made, 1)]), unit]
    )
    num_taps = made.add("Add", [_times(made, half, 2), _whole(made, _SPARE_TAPS)])
    taps = made.add("Range", [_whole(made, 0), num_taps, _whole(made, 1)])
    x = made.add("Add", [start, taps])
    # How far each tap's centre is from the pixel's.
    odd = made.add("Add", [_times(made, x, 2), _whole(made, 1)])
    away = made.add("Sub", [made.add("Mul", [odd, side.scaled]), centres])
    away = made.add("Div", [_double(made, made.add("Abs", [away])), _double(made, size)])
    is_there = made.add(
        "And",
        [
            made.add("GreaterOrEqual", [x, _whole(made, 0)]),
            made.add("Less", [x, side.length]),
        ],
    )
    within = made.add("And", [is_there, made.add("Less", [away, _real(made, reach)])])
    weights = made.add("Where", [within, _filtered(made, away, interpolation), _real(made, 0)])
    total = made.add("ReduceSum", [weights, _axis(made, 1)], keepdims=1)
    scaled = made.add("Mul", [made.add("Div", [weights, total]), _real(made, 1 << _BITS)])
    # A half is rounded away from 0.
    raised = made.add("Floor", [made.add("Add", [made.add("Abs", [scaled]), _real(made, 0.5)])])
    whole = made.add("Mul", [made.add("Sign", [scaled]), raised])
    step = _real(made, 1 << _DIGIT_BITS)
    high = made.add("Floor", [made.add("Add", [made.add("Div", [whole, step]), _real(made, 0.5)])])
    low = made.add("Sub", [whole, made.add("Mul", [high, step])])
    which = _which_tap(made, side, start, num_taps)
    spread_high, spread_low = (_spread(made, digit, which) for digit in (high, low))
    return spread_high, spread_low


def _which_tap(made: Graph, side: _Side, start: str, num_taps: str) -> str:
    """Return which tap each pixel of the photo is, int64 ``(wanted, length)``.

    Those that are none have the number after the last.
    """
    pixels = made.add("Range", [_whole(made, 0), side.length, _whole(made, 1)])
    which = made.add("Sub", [pixels, start])
    is_one = made.add(
        "And",
        [
            made.add("GreaterOrEqual", [which, _whole(made, 0)]),
            made.add("Less", [which, num_taps]),
        ],
    )
    return made.add("Where", [is_one, which, num_taps])


def _spread(made: Graph, taps: str, which: str) -> str:
    """Return taps ``(wanted, taps)`` where they belong, float32 ``(wanted, length)``."""
    taps = made.add("Cast", [taps], to=TensorProto.FLOAT)
    ends = made.constant(np.array([0, 0, 0, 1], np.int64))
    with_none = made.add("Pad", [taps, ends, made.scalar(np.float32(0))])
    return made.add("GatherElements", [with_none, which], axis=1)


def _filtered(made: Graph, t: str, interpolation: str) -> str:
    """Return a filter's weights at distances of 0 and more, doubles; beyond its reach, anything."""
    if interpolation == "bilinear":
        return made.add("Sub", [_real(made, 1), t])
    if interpolation == "lanczos":
        return made.add("Mul", [_sinc(made, t, 1), _sinc(made, t, 3)])
    # Keys's cubic with a = -0.5, in Pillow's order of operations.
    near = made.add("Sub", [made.add("Mul", [_real(made, 1.5), t]), _real(made, 2.5)])
    near = made.add("Mul", [made.add("Mul", [near, t]), t])
    near = made.add("Add", [near, _real(made, 1)])
    far = made.add("Mul", [made.add("Sub", [t, _real(made, 5)]), t])
    far = made.add("Mul", [made.add("Add", [far, _real(made, 8)]), t])
    far = made.add("Mul", [made.add("Sub", [far, _real(made, 4)]), _real(made, -0.5)])
    return made.add("Where", [made.add("Less", [t, _real(made, 1)]), near, far])


def _sinc(made: Graph, t: str, width: int) -> str:
    x = made.add("Mul", [made.add("Div", [t, _real(made, width)]), _real(made, math.pi)])
    is_zero = made.add("Equal", [x, _real(made, 0)])
    safe = made.add("Where", [is_zero, _real(made, 1), x])
    value = made.add("Div", [made.add("Sin", [safe]), safe])
    return made.add("Where", [is_zero, _real(made, 1), value])


def _rounded(made: Graph, high: str, low: str) -> str:
    """Return whole pixels in [0, 255] of the sums of both digits, rounded to the nearest."""
    step = made.scalar(np.float32(2.0**-_DIGIT_BITS))
    carried = made.add("Floor", [made.add("Mul", [low, step])])
    half = made.scalar(np.float32(2.0 ** (_DIGIT_BITS - 1)))
    total = made.add("Add", [made.add("Add", [high, carried]), half])
    levels = made.add("Floor", [made.add("Mul", [total, step])])
    return made.add("Clip", [levels, *(made.scalar(np.float32(v)) for v in (0, 255))])


def _nearest(made: Graph, side: _Side) -> str:
    """Return the nearest pixel of the photo to each that is wanted, int64 ``(wanted,)``.

    Pillow adds up the step from pixel to pixel, and so does this: at a half, that decides.
    """
    step = made.add("Div", [_double(made, side.kept), _double(made, side.scaled)])
    cut = made.add("Sub", [_double(made, side.length), _double(made, side.kept)])
    half = made.add("Mul", [made.add("Add", [cut, step]), _real(made, 0.5)])
    others = made.add("Sub", [made.add("Unsqueeze", [side.scaled, _axis(made, 0)]), _axis(made, 1)])
    steps = [made.add("Unsqueeze", [half, _axis(made, 0)]), made.add("Expand", [step, others])]
    added = made.add("CumSum", [made.add("Concat", steps, axis=0), _whole(made, 0)])
    return made.add("Gather", [_int(made, added), _places(made, side)])


def _whole(made: Graph, value: int) -> str:
    return made.scalar(np.int64(value))


def _real(made: Graph, value: float) -> str:
    return made.scalar(np.float64(value))


def _axis(made: Graph, axis: int) -> str:
    return made.constant(np.array([axis], np.int64))


def _times(made: Graph, x: str, factor: int) -> str:
    return made.add("Mul", [x, _whole(made, factor)])


def _double(made: Graph, x: str) -> str:
    return made.add("Cast", [x], to=TensorProto.DOUBLE)


def _int(made: Graph, x: str) -> str:
    return made.add("Cast", [x], to=TensorProto.INT64)
