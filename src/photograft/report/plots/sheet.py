"""A picture that letters and photos are put on.

It is drawn by Pillow: importing Matplotlib took a fifth of a warm training. Lengths are in inches
from the upper left corner, sizes of letters in points.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from photograft.core.look import COMPRESSION, DPI, INK
from photograft.core.text import short_text

#: What a name is never shortened below, in characters.
_LEAST_NAME = 4
#: Height of a line of letters, in parts of their size.
LINE = 1.2

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


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

    def save(self, path: Path) -> None:
        """Write it as PNG."""
        self.image.save(path, "PNG", compress_level=COMPRESSION, dpi=(DPI, DPI))


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


@functools.lru_cache(32)
def _font(size: float, bold: bool) -> Font:
    """Return DejaVu Sans, which comes with Matplotlib, or Pillow's own."""
    found = importlib.util.find_spec("matplotlib")  # which does not import it
    for folder in (found and found.submodule_search_locations) or ():
        path = Path(folder, "mpl-data/fonts/ttf", f"DejaVuSans{'-Bold' * bold}.ttf")
        if path.is_file():
            return ImageFont.truetype(path, size * DPI / 72)
    return ImageFont.load_default(size * DPI / 72)
