"""Whole numbers in an ONNX graph, as every runtime has them: of 32 bits, divided exactly."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from photograft.backbones.graphs import Graph


def whole(made: Graph, value: int) -> str:
    """Keep a whole number; return its name."""
    return made.scalar(np.int32(value))


def real(made: Graph, value: float) -> str:
    """Keep a float32; return its name."""
    return made.scalar(np.float32(value))


def double(made: Graph, value: float) -> str:
    """Keep a float64; return its name."""
    return made.scalar(np.float64(value))


def axis(made: Graph, value: int) -> str:
    """Keep the number of an axis; return its name."""
    return made.constant(np.array([value], np.int64))


def times(made: Graph, x: str, factor: int) -> str:
    """Add a product of whole numbers; return its name."""
    return made.add("Mul", [x, whole(made, factor)])


def plus(made: Graph, x: str, more: int) -> str:
    """Add a sum of whole numbers; return its name."""
    return made.add("Add", [x, whole(made, more)])


def as_real(made: Graph, x: str) -> str:
    """Return numbers as float32."""
    return made.add("Cast", [x], to=TensorProto.FLOAT)


def as_double(made: Graph, x: str) -> str:
    """Return numbers as float64."""
    return made.add("Cast", [x], to=TensorProto.DOUBLE)


def as_whole(made: Graph, x: str) -> str:
    """Return numbers cut to whole ones."""
    return made.add("Cast", [x], to=TensorProto.INT32)


def rounded(made: Graph, x: str) -> str:
    """Return float32 rounded to the nearest whole number, still float32."""
    return made.add("Floor", [made.add("Add", [x, real(made, 0.5)])])


def divided(made: Graph, x: str, by: str) -> tuple[str, str]:
    """Return the quotient of whole numbers, rounded down, and the remainder.

    Some runtimes divide whole numbers as float32. So that is taken as a guess, and put right: the
    quotient has to be below a million.

    Args:
        made: Is added to.
        x: The name of the dividend.
        by: That of the divisor, positive.
    """
    guess = made.add("Floor", [made.add("Div", [as_real(made, x), as_real(made, by)])])
    quotient = as_whole(made, guess)
    rest = made.add("Sub", [x, made.add("Mul", [quotient, by])])
    more = made.add("GreaterOrEqual", [rest, by])
    less = made.add("Less", [rest, whole(made, 0)])
    right = made.add("Sub", [as_whole(made, more), as_whole(made, less)])
    quotient = made.add("Add", [quotient, right])
    return quotient, made.add("Sub", [x, made.add("Mul", [quotient, by])])


def within(made: Graph, x: str, first: str, end: str) -> str:
    """Return whether whole numbers are at least one and below another."""
    return made.add("And", [made.add("GreaterOrEqual", [x, first]), made.add("Less", [x, end])])
