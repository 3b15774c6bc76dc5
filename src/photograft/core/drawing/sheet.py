"""Paper of pixels, written as PNG: letters, photos, lines and areas.

It is drawn by Pillow. Lengths are in inches from the upper left corner, sizes of letters and widths
of lines in points.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from photograft.core.drawing.paper import Box, Points, Stroke
from photograft.core.look import COMPRESSION, DPI, INK
from photograft.core.text import short_text

#: What a name is never shortened below, in characters.
_LEAST_NAME = 4
#: Height of a line of letters, in parts of their size.
LINE = 1.2
#: Lines and areas are drawn so many times as large, and made small: that is what makes them smooth.
_FINE = 4
_FONTS = Path(__file__).parent / "fonts"


class Sheet:
    """White paper.

    Args:
        width: In inches.
        height: Likewise.

    Attributes:
        image: The picture, RGB.
        boxes: Where each text is, in pixels: what it says, left, top, right, bottom; and whether it
            is slanted.
    """

    def __init__(self, width: float, height: float) -> None:
        self.image = Image.new("RGB", (pixels(width), pixels(height)), "white")
        self.boxes: list[tuple[str, tuple[float, float, float, float], bool]] = []
        self._draw = ImageDraw.Draw(self.image)

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
        """Write a line.

        Args:
            x: Of the anchor.
            y: Likewise.
            text: What to write.
            size: Of the letters.
            colour: Of the letters.
            bold: Whether they are bold.
            anchor: What of the text lies there, as Pillow has it: ``"mm"`` its middle, ``"lm"`` the
                middle of its left side, ``"rm"`` that of its right side, ``"ls"`` the left end of
                its base line.
        """
        font, at = _font(size, bold), (x * DPI, y * DPI)
        self._draw.text(at, text, colour, font, anchor)
        self.boxes.append((text, self._draw.textbbox(at, text, font, anchor), False))

    def write_turned(self, x: float, y: float, text: str, size: float, *, angle: int) -> None:
        """Write a line upwards: by 90 degrees about its middle, or by 45 so that it ends at `x`."""
        font = _font(size, False)
        across, down = pixels(text_width(text, size)) + 2, pixels(size * LINE / 72)
        letters = Image.new("L", (across, down))
        ImageDraw.Draw(letters).text((across / 2, down / 2), text, 255, font, "mm")
        turned = letters.rotate(angle, Image.Resampling.BICUBIC, expand=True)
        left, top = x * DPI - turned.width / 2, y * DPI - turned.height / 2
        if angle == 45:  # the upper right corner of the line lies at x, y
            left, top = x * DPI - turned.width + down * 0.71, y * DPI
        place = (round(left), round(top))
        self.image.paste(INK, place, turned)
        box = (*place, place[0] + turned.width, place[1] + turned.height)
        self.boxes.append((text, box, angle == 45))

    def put(self, x: float, y: float, picture: Image.Image) -> None:
        """Put a picture of its own size where its upper left corner is to be."""
        self.image.paste(picture, (pixels(x), pixels(y)))

    def line(self, points: Points, stroke: Stroke, clip: Box | None = None) -> None:
        """Draw a line through points; one that runs along the rows or columns of pixels is sharp.

        Args:
            points: At least two.
            stroke: How it looks.
            clip: Nothing is drawn outside of this.
        """
        width = stroke.width / 72 * DPI
        (x1, y1), (x2, y2) = points[0], points[-1]
        if len(points) == 2 and not stroke.dashes and (x1 == x2 or y1 == y2):
            half = max(1, round(width)) / 2
            left, right = sorted((x1 * DPI, x2 * DPI))
            top, bottom = sorted((y1 * DPI, y2 * DPI))
            if y1 == y2:
                top = round(top - half)
                bottom = top + 2 * half
            else:
                left = round(left - half)
                right = left + 2 * half
            sharp = (round(left), round(top), round(right) - 1, round(bottom) - 1)
            if sharp[2] >= sharp[0] and sharp[3] >= sharp[1]:
                self._draw.rectangle(sharp, stroke.colour)
            return
        pieces = _dashed(points, [part * stroke.width / 72 for part in stroke.dashes])
        fine = max(1, round(width * _FINE))

        def draw(
            on: ImageDraw.ImageDraw, at: Callable[[Points], list[tuple[float, float]]]
        ) -> None:
            for piece in pieces:
                on.line(at(piece), 255, fine, joint="curve")

        self._ink(draw, points, stroke.width / 72, clip, stroke.colour, stroke.opacity)

    def area(
        self, points: Points, colour: str, *, opacity: float = 1.0, clip: Box | None = None
    ) -> None:
        """Fill what lies between points.

        Args:
            points: Its corners.
            colour: Of all of it.
            opacity: In [0, 1].
            clip: Nothing is drawn outside of this.
        """
        self._ink(lambda on, at: on.polygon(at(points), 255), points, 0, clip, colour, opacity)

    def save(self, path: Path) -> None:
        """Write it as PNG."""
        self.image.save(path, "PNG", compress_level=COMPRESSION, dpi=(DPI, DPI))

    def _ink(
        self,
        draw: Callable[[ImageDraw.ImageDraw, Callable[[Points], list[tuple[float, float]]]], None],
        points: Points,
        margin: float,
        clip: Box | None,
        colour: str,
        opacity: float,
    ) -> None:
        """Lay colour where `draw` draws, on a mask that covers the points and no more."""
        left, top, right, bottom = 0, 0, *self.image.size
        if clip is not None:
            left, top = max(left, round(clip[0] * DPI)), max(top, round(clip[1] * DPI))
            right, bottom = min(right, round(clip[2] * DPI)), min(bottom, round(clip[3] * DPI))
        xs, ys = [x * DPI for x, _ in points], [y * DPI for _, y in points]
        around = margin * DPI
        left, right = (
            max(left, math.floor(min(xs) - around)),
            min(right, math.ceil(max(xs) + around)),
        )
        top, bottom = (
            max(top, math.floor(min(ys) - around)),
            min(bottom, math.ceil(max(ys) + around)),
        )
        if right <= left or bottom <= top:
            return
        mask = Image.new("L", ((right - left) * _FINE, (bottom - top) * _FINE))

        def at(some: Points) -> list[tuple[float, float]]:
            return [((x * DPI - left) * _FINE, (y * DPI - top) * _FINE) for x, y in some]

        draw(ImageDraw.Draw(mask), at)
        mask = mask.reduce(_FINE)
        if opacity < 1:
            mask = mask.point([round(opacity * value) for value in range(256)])
        self.image.paste(colour, (left, top), mask)


def pixels(inches: float) -> int:
    """Return a length in whole pixels, at least one."""
    return max(1, round(inches * DPI))


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return how wide a line is, in inches."""
    return float(_font(size, bold).getlength(text)) / DPI


def fitted(
    text: str, room: float, size: float, *, bold: bool = False, before: str = "", after: str = ""
) -> str:
    """Return text, its middle left out as far as it takes to fit in its place.

    Args:
        text: What may be shortened.
        room: What it all may take, in inches.
        size: Of the letters, in points.
        bold: Whether they are bold.
        before: What stands before it, whole.
        after: What stands behind it, whole.
    """
    most = len(text)
    while True:
        said = before + short_text(text, most) + after
        took = text_width(said, size, bold=bold)
        if took <= room or most <= _LEAST_NAME:
            return said
        most = max(_LEAST_NAME, min(most - 1, int(most * room / took)))


def fitting_size(lines: Sequence[str], room: float, size: float, least: float = 4.0) -> float:
    """Return the size of letters, at most `size`, at which lines fit in so many inches."""
    widest = max(text_width(line, size) for line in lines)
    return max(least, size * min(1.0, room / max(widest, 0.1)))


def _dashed(points: Points, pattern: Sequence[float]) -> list[Points]:
    """Return a line's dashes, given how long a dash and the gap after it are, in inches."""
    if not pattern:
        return [points]
    pieces: list[Points] = []
    piece, left, part = [points[0]], pattern[0], 0
    for (x1, y1), (x2, y2) in itertools.pairwise(points):
        length, done = math.hypot(x2 - x1, y2 - y1), 0.0
        while length - done > left:
            done += left
            at = (x1 + (x2 - x1) * done / length, y1 + (y2 - y1) * done / length)
            if part == 0:
                pieces.append([*piece, at])
            piece, part = [at], 1 - part
            left = pattern[part]
        left -= length - done
        piece.append((x2, y2))
    if part == 0 and len(piece) > 1:
        pieces.append(piece)
    return pieces


@functools.lru_cache(32)
def _font(size: float, bold: bool) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which has the letters of most European languages, and many signs."""
    return ImageFont.truetype(_FONTS / f"DejaVuSans{'-Bold' * bold}.ttf", size * DPI / 72)
