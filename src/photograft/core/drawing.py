"""What Matplotlib's pictures have in common: colours, text that fits, saving without a display."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from photograft.core.look import COMPRESSION, DPI

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


def plain_text(text: str) -> str:
    """Return `text` such that Matplotlib draws it and does not read it as mathematics."""
    return text.replace("$", r"\$")
