"""What charts are drawn on, whatever it becomes; lengths in inches, from the upper left corner."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from photograft.core.look import INK

Points = Sequence[tuple[float, float]]
#: Left, top, right, bottom.
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Stroke:
    """How a line looks.

    Attributes:
        colour: As ``"#rrggbb"``.
        width: In points.
        dashes: How long dashes and gaps are, in widths; empty for a whole line.
        opacity: In [0, 1].
    """

    colour: str
    width: float
    dashes: tuple[float, float] | tuple[()] = ()
    opacity: float = 1.0


class Paper(Protocol):
    """White paper: `Sheet` of pixels, `SvgSheet` of SVG's elements."""

    def write(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: str = INK,
        *,
        bold: bool = False,
        anchor: str = "mm",
    ) -> None:
        """Write a line, as `Sheet.write` says."""

    def line(self, points: Points, stroke: Stroke, clip: Box | None = None) -> None:
        """Draw a line through at least two points, and nothing of it outside of `clip`."""

    def area(
        self, points: Points, colour: str, *, opacity: float = 1.0, clip: Box | None = None
    ) -> None:
        """Fill what lies between points, and nothing outside of `clip`."""

    def save(self, path: Path) -> None:
        """Write it."""


@dataclass(frozen=True)
class Marker:
    """A small sign at a place.

    Attributes:
        shape: Of `SHAPES`.
        size: Across, in points.
        face: Its colour.
        edge: The colour of a line around it.
        edge_width: In points; 0 for none.
        opacity: Of the face, in [0, 1].
    """

    shape: str
    size: float
    face: str
    edge: str = "#ffffff"
    edge_width: float = 0.0
    opacity: float = 1.0

    def draw(self, paper: Paper, x: float, y: float) -> None:
        """Draw it with its middle at a place."""
        if self.edge_width:
            self._fill(paper, x, y, self.size + self.edge_width, self.edge, 1.0)
        self._fill(paper, x, y, self.size - self.edge_width, self.face, self.opacity)

    def _fill(
        self, paper: Paper, x: float, y: float, size: float, colour: str, opacity: float
    ) -> None:
        inches = size / 72
        corners = [(x + inches * a, y + inches * b) for a, b in SHAPES[self.shape]]
        paper.area(corners, colour, opacity=opacity)


def _round(corners: int, radii: Sequence[float] = (0.5,), turn: float = 0.0) -> Points:
    """Return places around a middle, at these distances in turn, the first above it."""
    angles = [2 * math.pi * (i / corners + turn) for i in range(corners)]
    return [
        (radii[i % len(radii)] * math.sin(angle), -radii[i % len(radii)] * math.cos(angle))
        for i, angle in enumerate(angles)
    ]


_CROSS = [(-0.17, -0.5), (0.17, -0.5), (0.17, -0.17), (0.5, -0.17), (0.5, 0.17), (0.17, 0.17),
          (0.17, 0.5), (-0.17, 0.5), (-0.17, 0.17), (-0.5, 0.17), (-0.5, -0.17),
          (-0.17, -0.17)]  # fmt: skip
#: Corners of signs of size 1, around their middle.
SHAPES: dict[str, Points] = {
    "circle": _round(32),
    "square": [(-0.45, -0.45), (0.45, -0.45), (0.45, 0.45), (-0.45, 0.45)],
    "triangle": [(0, -0.5), (0.5, 0.45), (-0.5, 0.45)],
    "diamond": _round(4, (0.6,)),
    "down": [(0, 0.5), (0.5, -0.45), (-0.5, -0.45)],
    "plus": _CROSS,
    "cross": [(0.75 * (x - y), 0.75 * (x + y)) for x, y in _CROSS],
    "star": _round(10, (0.6, 0.25)),
}
