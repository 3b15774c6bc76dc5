"""How each side of a photo is resized and cropped, in an ONNX graph: what `prepare` decides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from photograft.backbones.graphs import Graph
from photograft.backbones.registry import Backbone
from photograft.classifier.export.whole_numbers import (
    as_double,
    as_real,
    as_whole,
    divided,
    double,
    plus,
    real,
    times,
    whole,
)
from photograft.data.images import MAX_SIDE

#: The axes of pixels, ``(n, 3, height, width)``.
HEIGHT, WIDTH = 2, 3


@dataclass(frozen=True)
class Side:
    """What a side of a photo is resized by: names of whole numbers.

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


def sides_of(made: Graph, backbone: Backbone, x: str) -> dict[int, Side]:
    """Return what each axis is resized by.

    Args:
        made: Is added to.
        backbone: Its record says how to resize and crop.
        x: The name of photos, ``(n, 3, height, width)``.
    """
    shape = as_whole(made, made.add("Shape", [x]))
    axes = (HEIGHT, WIDTH)
    lengths = {axis: made.add("Gather", [shape, whole(made, axis)]) for axis in axes}
    wanted = dict(zip(axes, backbone.input_size, strict=True))
    goals = dict(zip(axes, backbone.scaled_size, strict=True))
    if backbone.crop_mode == "squash":
        return {
            axis: Side(length, length, whole(made, goals[axis]), wanted[axis])
            for axis, length in lengths.items()
        }
    # The side that has to be scaled the most decides: by cross-multiplying.
    products = [
        times(made, lengths[WIDTH], goals[HEIGHT]),
        times(made, lengths[HEIGHT], goals[WIDTH]),
    ]
    by_height = made.add("Greater", products)
    found = {}
    for axis, other, is_first in ((HEIGHT, WIDTH, by_height), (WIDTH, HEIGHT, "")):
        decides = is_first or made.add("Not", [by_height])
        kept, scaled = _cropped(made, lengths, goals, axis, other)
        found[axis] = Side(
            lengths[axis],
            made.add("Where", [decides, lengths[axis], kept]),
            made.add("Where", [decides, whole(made, goals[axis]), scaled]),
            wanted[axis],
        )
    return found


def places(made: Graph, side: Side) -> str:
    """Return which of the scaled pixels are taken, ``(wanted,)``."""
    missing = plus(made, side.scaled, -side.wanted)
    first, _ = divided(made, missing, whole(made, 2))
    return made.add("Add", [made.constant(np.arange(side.wanted, dtype=np.int32)), first])


def centres(made: Graph, side: Side) -> str:
    """Return where each pixel's centre lies in the photo, ``(wanted,)``.

    In units of a pixel over twice the scaled side: so all are whole numbers.
    """
    odd = plus(made, times(made, places(made, side), 2), 1)
    along = made.add("Mul", [odd, side.kept])
    cut = made.add("Sub", [side.length, side.kept])  # twice what lies before
    return made.add("Add", [along, made.add("Mul", [cut, side.scaled])])


def _cropped(
    made: Graph, lengths: Mapping[int, str], goals: Mapping[int, int], axis: int, other: int
) -> tuple[str, str]:
    """Return how many pixels of an axis are kept, and to how many these are scaled.

    The other axis decides. The library computes in doubles, whose last bit decides where a number
    comes out at a whole one, or at a half. How they err by each length is in two tables: not every
    runtime has doubles.
    """
    length, decides = lengths[axis], lengths[other]
    goal, scale = goals[axis], goals[other]
    most, rest = divided(made, times(made, decides, 2 * goal), whole(made, scale))
    begun = as_whole(made, made.add("Greater", [rest, whole(made, 0)]))
    one_more = made.add("Gather", [made.constant(_exceeds(goal, scale)), decides])
    most = made.add("Add", [made.add("Add", [most, begun]), as_whole(made, one_more)])
    kept = made.add("Min", [length, most])
    below, rest = divided(made, times(made, kept, scale), decides)
    twice = times(made, rest, 2)
    is_above = made.add("Greater", [twice, decides])
    is_half = made.add("Equal", [twice, decides])
    half_goes_up = _half_goes_up(made, below, made.constant(_errors(scale)), decides)
    goes_up = made.add("Or", [is_above, made.add("And", [is_half, half_goes_up])])
    scaled = made.add("Add", [below, as_whole(made, goes_up)])
    return kept, made.add("Max", [whole(made, goal), scaled])


def _half_goes_up(made: Graph, below: str, errors: str, length: str) -> str:
    """Return whether a product of doubles that would be a whole number and a half is rounded up.

    Where the error is too small to be seen beside the number, to the even one.
    """
    number = made.add("Add", [as_real(made, below), real(made, 0.5)])
    error = made.add("Gather", [errors, length])
    # The number's leading bit: doubles around it are so many times finer.
    log = made.add("Mul", [made.add("Log", [number]), real(made, 1 / math.log(2))])
    bit = made.add("Pow", [real(made, 2), made.add("Floor", [log])])
    size = made.add("Mul", [made.add("Abs", [error]), number])
    is_seen = made.add("Greater", [size, bit])
    is_odd = made.add("Equal", [divided(made, below, whole(made, 2))[1], whole(made, 1)])
    is_more = made.add("Greater", [error, real(made, 0)])
    by_error = made.add("And", [is_seen, is_more])
    return made.add("Or", [by_error, made.add("And", [made.add("Not", [is_seen]), is_odd])])


def _exceeds(goal: int, scale: int) -> npt.NDArray[np.uint8]:
    """Return whether twice a goal over a scale is more in doubles than it is, by each length.

    Only where it is a whole number, and so would be rounded up to the next.
    """
    lengths = np.arange(1, MAX_SIDE + 1)
    exact, rest = np.divmod(2 * goal * lengths, scale)
    found = 2 * goal / (scale / lengths)
    return np.append(0, (rest == 0) & (found > exact)).astype(np.uint8)


def _errors(scale: int) -> npt.NDArray[np.float32]:
    """Return how far a scale over each length is off in doubles, in shares of 2 to the -53."""
    lengths = np.arange(1, MAX_SIDE + 1, dtype=np.float64)
    quotient = scale / lengths
    high = quotient.astype(np.float32).astype(np.float64)  # so that its product is exact
    error = ((high * lengths - scale) + (quotient - high) * lengths) / scale
    return np.append(0, error * 2.0**53).astype(np.float32)


def nearest_pixels(made: Graph, side: Side) -> str:
    """Return the nearest pixel of the photo to each that is wanted, ``(wanted,)``.

    Pillow adds up the step from pixel to pixel, in doubles. That matters where a centre lies on the
    edge of two pixels, and only there it is done here, too.
    """
    unit = times(made, side.scaled, 2)
    nearest, rest = divided(made, centres(made, side), unit)
    step = made.add("Div", [as_double(made, side.kept), as_double(made, side.scaled)])
    cut = as_double(made, made.add("Sub", [side.length, side.kept]))
    first = made.add("Mul", [made.add("Add", [cut, step]), double(made, 0.5)])
    axis = made.constant(np.array([0], np.int64))
    others = made.add("Unsqueeze", [plus(made, side.scaled, -1), axis])
    others = made.add("Cast", [others], to=TensorProto.INT64)
    steps = [made.add("Unsqueeze", [first, axis]), made.add("Expand", [step, others])]
    added = made.add("CumSum", [made.add("Concat", steps, axis=0), made.scalar(np.int64(0))])
    taken = made.add("Gather", [as_whole(made, added), places(made, side)])
    is_edge = made.add("Equal", [rest, whole(made, 0)])
    return made.add("Where", [is_edge, taken, nearest])
