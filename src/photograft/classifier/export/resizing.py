"""Pillow's antialiased resizing as a part of an ONNX graph, for photos of any size.

Runtimes have resizing of their own, and each rounds in its own way. Here it is what Pillow does
(``Resample.c``): two matrix products, along the rows and along the columns, whose weights are whole
numbers of 22 bits, each product rounded to whole pixels.

A weight times a pixel has 30 bits, and float32 holds 24. So weights are split in two digits of 11
bits: all sums are whole numbers that float32 holds, and so do not depend on the order in which a
runtime adds, nor on how many threads it does so with. (Of photos more than sixteen times as large
as the input, sums of the lower digits may be rounded, which is a millionth of a level.)
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from photograft.backbones.graphs import Graph
from photograft.backbones.registry import Backbone
from photograft.classifier.export.sides import HEIGHT, WIDTH, Side, nearest_pixels, sides_of
from photograft.classifier.export.weights import DIGIT_BITS, digits
from photograft.classifier.export.whole_numbers import as_real, real, times, whole

#: The two digits of the weights of each axis; see `digits`.
_Weights = Mapping[int, tuple[str, str]]


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
    sides = sides_of(made, backbone, x)
    if backbone.interpolation == "nearest":
        for axis, side in sides.items():
            x = made.add("Gather", [x, nearest_pixels(made, side)], axis=axis)
        return as_real(made, x)
    weights = {
        axis: digits(made, side, backbone.interpolation, is_turned=axis == WIDTH)
        for axis, side in sides.items()
    }
    if not begins_vertically_here():
        return _passes(made, as_real(made, x), weights, (WIDTH, HEIGHT))
    return _either_way(made, x, sides, weights)


@functools.cache
def begins_vertically_here() -> bool:
    """Return whether Pillow here begins with the columns of pictures that lose more height.

    It does since version 13; each pass is rounded, so the order shows.
    """
    noise = np.random.default_rng(0).integers(0, 2, (60, 20, 3), np.uint8) * np.uint8(255)
    picture, bicubic = Image.fromarray(noise), Image.Resampling.BICUBIC
    found = picture.resize((15, 15), bicubic)
    columns_first = picture.resize((20, 15), bicubic).resize((15, 15), bicubic)
    return found.tobytes() == columns_first.tobytes()


def _either_way(made: Graph, x: str, sides: Mapping[int, Side], weights: _Weights) -> str:
    """Add the resizing in the order that Pillow chooses by a photo's size.

    Both ways are there, and the one that is not taken gets a single row or column to work on: a
    branch takes some runtimes longer, and not all do it right.
    """
    is_vertical = _begins_vertically(made, sides)
    found = []
    for order, is_taken in (((HEIGHT, WIDTH), True), ((WIDTH, HEIGHT), False)):
        last = order[1]
        ends = [sides[last].length, whole(made, 1)]
        end = made.add("Where", [is_vertical, *(ends if is_taken else ends[::-1])])
        own = {**weights}
        high, low = weights[last]
        along = 0 if last == WIDTH else 1
        own[last] = _cut(made, high, end, along), _cut(made, low, end, along)
        given = as_real(made, _cut(made, x, end, last))
        found.append(_passes(made, given, own, order))
    return made.add("Where", [is_vertical, *found])


def _cut(made: Graph, x: str, end: str, axis: int) -> str:
    """Add what takes the first of an axis, as many as `end` says."""
    long = made.add("Unsqueeze", [end, made.constant(np.array([0], np.int64))])
    ends = [made.constant(np.array([value], np.int32)) for value in (0, axis)]
    return made.add("Slice", [x, ends[0], long, ends[1]])


def _begins_vertically(made: Graph, sides: Mapping[int, Side]) -> str:
    """Return whether Pillow resizes the columns first: those of photos that lose most of them."""
    lost = {axis: made.add("Sub", [side.length, side.scaled]) for axis, side in sides.items()}
    is_shorter = made.add("Greater", [lost[HEIGHT], whole(made, 0)])
    is_tall = made.add("Greater", [lost[HEIGHT], times(made, lost[WIDTH], 2)])
    return made.add("And", [is_shorter, is_tall])


def _passes(made: Graph, x: str, weights: _Weights, order: Sequence[int]) -> str:
    """Add the resizing of one axis after the other."""
    for axis in order:
        if axis == WIDTH:
            high, low = (made.add("MatMul", [x, digit]) for digit in weights[axis])
        else:
            high, low = (made.add("MatMul", [digit, x]) for digit in weights[axis])
        x = _levels(made, high, low)
    return x


def _levels(made: Graph, high: str, low: str) -> str:
    """Return whole pixels in [0, 255] of the sums of both digits, rounded to the nearest."""
    total = made.add("Add", [high, made.add("Floor", [low])])
    total = made.add("Add", [total, real(made, 2.0 ** (DIGIT_BITS - 1))])
    found = made.add("Floor", [made.add("Mul", [total, real(made, 2.0**-DIGIT_BITS)])])
    return made.add("Clip", [found, real(made, 0), real(made, 255)])
