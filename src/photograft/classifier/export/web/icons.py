"""The icon of a page that classifies: a leaf grafted on a stem, drawn in the page's two colours."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from photograft.core.palette import LIGHT

#: Sides of the icons that installing a page asks for, in pixels.
SIDES = (192, 512)

#: In hundredths of a side. All lies in the middle: systems cut icons round.
_STEM = ((50, 80), (50, 46))
_LEAVES = ((50, 62, 1), (50, 46, -1))
_LEAF = (24, 15)
_SMOOTH = 4


def icon_png(side: int) -> bytes:
    """Return the icon as a PNG of so many pixels a side."""
    size = side * _SMOOTH
    image = Image.new("RGB", (size, size), LIGHT["accent"])
    draw = ImageDraw.Draw(image)
    unit = size / 100
    width = round(5 * unit)
    (x0, y0), (x1, y1) = _STEM
    draw.line((x0 * unit, y0 * unit, x1 * unit, y1 * unit), LIGHT["on-accent"], width)
    for x, y, turn in _LEAVES:
        points = [(px * unit, py * unit) for px, py in _outline(x, y, turn)]
        draw.polygon(points, LIGHT["on-accent"])
    buffer = io.BytesIO()
    image.resize((side, side), Image.Resampling.LANCZOS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def icon_svg() -> str:
    """Return the icon as SVG."""
    (x0, y0), (x1, y1) = _STEM
    leaves = "".join(
        f'<path fill="{LIGHT["on-accent"]}" d="M'
        + "L".join(f"{px:.1f} {py:.1f}" for px, py in _outline(x, y, turn))
        + 'Z"/>'
        for x, y, turn in _LEAVES
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">'
        f'<rect width="100" height="100" rx="18" fill="{LIGHT["accent"]}"/>'
        f'<path stroke="{LIGHT["on-accent"]}" stroke-width="5" d="M{x0} {y0}L{x1} {y1}"/>'
        f"{leaves}</svg>"
    )


def _outline(x: float, y: float, turn: int) -> list[tuple[float, float]]:
    """Return the outline of a leaf that begins at a point and goes up, to one side."""
    length, breadth = _LEAF
    steps = [i / 16 for i in range(17)]
    upper = [(t * length, -breadth * 2 * t * (1 - t) ** 0.6 - 20 * t) for t in steps]
    lower = [(t * length, -20 * t + breadth * t * (1 - t)) for t in reversed(steps)]
    return [(x + turn * px, y + py) for px, py in upper + lower]
