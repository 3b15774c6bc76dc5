"""What augmentation makes of a photo, as PNG: the photo beside versions that training sees."""

from __future__ import annotations

import hashlib
import math
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from photograft.core.arrays import Pixels
from photograft.core.drawing.sheet import Sheet, fitted, fitting_size, pixels
from photograft.core.errors import InputError
from photograft.core.look import DPI, FAINT, INK
from photograft.core.text import short_text
from photograft.data.images import DEFAULT_MAX_PIXELS, decode
from photograft.features.augmentation import augment, generator
from photograft.features.settings import Augmentation

#: In inches: the longer side of a panel, the space around panels, the room for a panel's words.
_PANEL, _GAP, _WORDS = 2.4, 0.16, 0.26
_TITLE, _LINE = 0.45, 0.2
#: How many letters of a caption go on an inch, and how wide the original's frame is, in pixels.
_LETTERS, _FRAME = 13, 3
_MAX_VIEWS = 100

_FILLS = {
    "nearest": "gaps filled from the edge",
    "reflect": "gaps filled by mirroring",
    "wrap": "gaps filled from the other side",
}


def augmentation_grid(
    read: Callable[[], bytes],
    size: tuple[int, int],
    settings: Augmentation,
    *,
    views: int = 9,
    seed: int,
    path: Path,
    title: str,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> None:
    """Draw a photo beside augmented versions of it: the views that training makes, from the first.

    Args:
        read: Returns the file's bytes.
        size: Height and width that the network takes.
        settings: The augmentation.
        views: Panels in all, the original among them, 2 to 100.
        seed: Of the run.
        path: Where the PNG goes.
        title: Above the panels.
        max_pixels: A photo of more pixels is refused.

    Raises:
        ImageError: The bytes are no usable picture.
        InputError: `views` is out of range, or the user's own function fails.
    """
    if not 2 <= views <= _MAX_VIEWS:
        raise InputError(
            "that can't be the number of panels", expected=f"2 to {_MAX_VIEWS}", got=str(views)
        )
    data = read()
    pixels = np.asarray(decode(data, max_pixels=max_pixels, at_least=max(size)))
    digest = hashlib.sha256(data).digest()
    original = augment(pixels, Augmentation(), generator(seed, digest, 0), size=size)
    changed = [
        augment(pixels, settings, generator(seed, digest, view), size=size)
        for view in range(views - 1)
    ]
    _draw([original, *changed], title, in_words(settings), path)


def in_words(settings: Augmentation) -> str:
    """Return settings as a person would say them, the largest changes first."""
    s, said = settings, []
    if s.min_crop:
        said.append(f"random crops of at least {s.min_crop:.0%} of the area")
    if s.rotation:
        said.append(f"turned by up to {s.rotation:g}°")
    if s.width_shift or s.height_shift:
        said.append(_shifts(s.width_shift, s.height_shift))
    if s.shear:
        said.append(f"sheared by up to {s.shear:g}°")
    if s.zoom:
        each = "" if s.keep_aspect else ", each way by itself"
        said.append(f"zoomed by {_percent(1 - s.zoom)} to {_percent(1 + s.zoom)}{each}")
    if s.horizontal_flip or s.vertical_flip:
        ways = [("left to right", s.horizontal_flip), ("top to bottom", s.vertical_flip)]
        said.append(f"half of them mirrored {' and '.join(way for way, flips in ways if flips)}")
    if s.brightness:
        said.append(f"brightness {_percent(1 - s.brightness)} to {_percent(1 + s.brightness)}")
    if s.channel_shift:
        said.append(f"each colour ±{s.channel_shift:g} of 255")
    if s.rand_augment:
        operations = "operation" if s.rand_augment == 1 else "operations"
        said.append(
            f"{s.rand_augment} {operations} of RandAugment at strength {s.rand_augment_magnitude}"
        )
    if s.function:
        said.append(f"then {s.function}")
    if s.rotation or s.width_shift or s.height_shift or s.shear or s.zoom:
        said.append(_FILLS.get(s.fill_mode, f"gaps filled with level {s.fill_value:g}"))
    return "; ".join(said) or "nothing is changed"


def _shifts(width: float, height: float) -> str:
    if width == height:
        return f"shifted by up to {_percent(width)} both ways"
    ways = (("sideways", width), ("up or down", height))
    said = [f"{_percent(share)} {way}" for way, share in ways if share]
    return f"shifted by up to {' and '.join(said)}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def _draw(panels: list[Pixels], title: str, caption: str, path: Path) -> None:
    columns = math.ceil(math.sqrt(len(panels)))
    rows = math.ceil(len(panels) / columns)
    height, width = panels[0].shape[:2]
    across, down = (_PANEL * side / max(height, width) for side in (width, height))
    # However narrow the panels, there is room for the words.
    wide = max(columns * (across + _GAP) + _GAP, 4.0)
    # Lines break between the changes; a no-break space holds each of them together.
    unbroken = "; ".join(
        part.replace(" ", "\u00a0") for part in short_text(caption, 600).split("; ")
    )
    lines = textwrap.wrap(unbroken, int(wide * _LETTERS))
    foot = _TITLE + rows * (down + _WORDS)
    sheet = Sheet(wide, foot + _LINE * len(lines) + 0.14)
    sheet.write(wide / 2, 0.28, fitted(title, wide - 0.2, 12), 12, anchor="ms")
    margin = (wide - columns * (across + _GAP) + _GAP) / 2
    size = pixels(across), pixels(down)
    for i, panel in enumerate(panels):
        row, column = divmod(i, columns)
        left, top = margin + column * (across + _GAP), _TITLE + row * (down + _WORDS)
        is_first = i == 0
        if is_first:
            frame = Image.new("RGB", (size[0] + 2 * _FRAME, size[1] + 2 * _FRAME), INK)
            sheet.put(left - _FRAME / DPI, top - _FRAME / DPI, frame)
        sheet.put(left, top, Image.fromarray(panel).resize(size, Image.Resampling.BICUBIC))
        sheet.write(
            left + across / 2,
            top + down + 0.12,
            "original" if is_first else f"view {i}",
            8.5,
            INK if is_first else FAINT,
            bold=is_first,
        )
    letters = fitting_size(lines, wide - 0.2, 8.5)
    for number, line in enumerate(lines):
        sheet.write(wide / 2, foot + _LINE * (number + 0.5), line, letters, FAINT)
    sheet.save(path)
