"""Paper of SVG's elements, in points: text stays text, in whatever fonts a viewer has for it."""

from __future__ import annotations

from html import escape
from pathlib import Path

from photograft.core.drawing.paper import Box, Points, Stroke
from photograft.core.look import INK

#: Where a text's anchor is along its line, and how far below it the base line is, in sizes.
_ALONG = {"l": "start", "m": "middle", "r": "end"}
_BELOW = {"m": 0.35, "s": 0.0}


class SvgSheet:
    """White paper; what is drawn is the same, byte for byte, whenever it is drawn.

    Args:
        width: In inches.
        height: Likewise.
    """

    def __init__(self, width: float, height: float) -> None:
        self._size = width, height
        self._parts: list[str] = []
        self._clips: dict[Box, str] = {}

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
        weight = ' font-weight="bold"' if bold else ""
        self._parts.append(
            f'<text x="{_points(x)}" y="{_points(y + _BELOW[anchor[1]] * size / 72)}" '
            f'font-size="{size:g}" fill="{colour}" text-anchor="{_ALONG[anchor[0]]}"{weight}>'
            f"{escape(text)}</text>"
        )

    def line(self, points: Points, stroke: Stroke, clip: Box | None = None) -> None:
        """Draw a line through points, as `Sheet.line` does."""
        dashes = " ".join(f"{part * stroke.width:g}" for part in stroke.dashes)
        self._parts.append(
            f'<path d="{_path(points)}" fill="none" stroke="{stroke.colour}" '
            f'stroke-width="{stroke.width:g}" stroke-linejoin="round"'
            + (f' stroke-dasharray="{dashes}"' if dashes else "")
            + (f' stroke-opacity="{stroke.opacity:g}"' if stroke.opacity < 1 else "")
            + f"{self._clipped(clip)}/>"
        )

    def area(
        self, points: Points, colour: str, *, opacity: float = 1.0, clip: Box | None = None
    ) -> None:
        """Fill what lies between points."""
        faint = f' fill-opacity="{opacity:g}"' if opacity < 1 else ""
        self._parts.append(
            f'<path d="{_path(points)}Z" fill="{colour}"{faint}{self._clipped(clip)}/>'
        )

    def save(self, path: Path) -> None:
        """Write it as SVG."""
        width, height = (_points(side) for side in self._size)
        clips = "".join(
            f'<clipPath id="{name}"><rect x="{_points(left)}" y="{_points(top)}" '
            f'width="{_points(right - left)}" height="{_points(bottom - top)}"/></clipPath>'
            for (left, top, right, bottom), name in self._clips.items()
        )
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}pt" height="{height}pt" font-family="DejaVu Sans, Verdana, sans-serif">'
            f'<defs>{clips}</defs><rect width="{width}" height="{height}" fill="#ffffff"/>'
        )
        path.write_text("\n".join([head, *self._parts, "</svg>\n"]), encoding="utf-8")

    def _clipped(self, clip: Box | None) -> str:
        if clip is None:
            return ""
        return f' clip-path="url(#{self._clips.setdefault(clip, f"clip{len(self._clips)}")})"'


def _points(inches: float) -> str:
    return f"{72 * inches:.6g}"


def _path(points: Points) -> str:
    return "M" + "L".join(f"{_points(x)} {_points(y)}" for x, y in points)
