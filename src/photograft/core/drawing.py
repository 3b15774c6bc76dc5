"""What Matplotlib's pictures have in common: colours, text that fits, saving without a display."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.text import Text

INK, FAINT = "#1f2933", "#52606d"
#: Pixels per inch of what is saved, and how hard a PNG is compressed: more takes longer than it is
#: worth.
DPI, COMPRESSION = 130, 2
#: What a name is never shortened below, in characters.
_LEAST_NAME = 4
#: Colours that stay apart for the colour-blind (Okabe & Ito, 2008), without the yellow, which is
#: too pale on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
GRID = "#e4e7eb"
#: An accuracy axis shows at least this much: a hair's breadth must not look like a mile.
LEAST_SPAN = 0.04


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as the kind of picture that its path names."""
    with boxes_for_letters():
        figure.savefig(path, dpi=DPI, pil_kwargs={"compress_level": COMPRESSION})


@contextlib.contextmanager
def boxes_for_letters() -> Iterator[None]:
    """Let a name in a script that the font lacks be drawn as boxes: no reason to alarm anyone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing", UserWarning)
        yield


def short_text(text: str, most: int) -> str:
    """Return `text`, its middle left out where it is too long."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    if len(text) <= most:
        return text
    tail = (most - 1) * 2 // 3
    return text[: most - 1 - tail] + "…" + text[-tail:]


def fill(
    figure: Figure, written: Text, text: str, width: float, *, before: str = "", after: str = ""
) -> None:
    """Say something in a text of a figure, its middle left out as far as it takes to fit.

    Args:
        figure: The figure.
        written: The text, in its place and style.
        text: What it is to say, which may be shortened.
        width: What it all may take, in inches.
        before: What stands before it, whole.
        after: What stands behind it, whole.
    """
    most = len(text)
    while True:
        written.set_text(plain_text(before + short_text(text, most) + after))
        with boxes_for_letters():
            took = written.get_window_extent().width / figure.dpi
        if took <= width or most <= _LEAST_NAME:
            return
        most = max(_LEAST_NAME, min(most - 1, int(most * width / took)))


def plain_text(text: str) -> str:
    """Return `text` such that Matplotlib draws it and does not read it as mathematics."""
    return text.replace("$", r"\$")
