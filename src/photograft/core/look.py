"""How all pictures look, whoever draws them."""

from __future__ import annotations

#: Colours of what is written, and of what is written small.
INK, FAINT = "#1f2933", "#52606d"
#: Pixels per inch of what is saved, and how hard a PNG is compressed: more takes longer than it is
#: worth.
DPI, COMPRESSION = 130, 2
