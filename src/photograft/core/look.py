"""How all pictures look, whoever draws them."""

from __future__ import annotations

#: Colours of what is written, of what is written small, of axes and of the lines behind a chart.
INK, FAINT, AXIS, GRID = "#1f2933", "#52606d", "#9aa5b1", "#e4e7eb"
#: Colours that stay apart for the colour-blind (Okabe & Ito, 2008), without the yellow, which is
#: too pale on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
#: Pixels per inch of what is saved, and how hard a PNG is compressed: more takes longer than it is
#: worth.
DPI, COMPRESSION = 130, 2
