"""The colours of a page, light and dark, as CSS variables; and how well they can be told apart.

Blue is for what is right and for the one accent, brown for mistakes: that pair is told apart with
any kind of colour vision. Shades are mixed here, not by the browser: so their contrast is known.
"""

from __future__ import annotations

from typing import Final

#: Names of colours: what they are is in their use in ``page.css``.
LIGHT: Final = {
    "ground": "#f5f6f8",
    "surface": "#ffffff",
    "ink": "#18212b",
    "faint": "#55606d",
    "line": "#dce1e7",
    "accent": "#1d5bb8",
    "on-accent": "#ffffff",
    "wrong": "#9a4310",
    "tile": "#e9edf1",
}
DARK: Final = {
    "ground": "#10151b",
    "surface": "#19202a",
    "ink": "#e9edf2",
    "faint": "#a6b1be",
    "line": "#303a47",
    "accent": "#86b3f7",
    "on-accent": "#0f1a2a",
    "wrong": "#f0a06b",
    "tile": "#252e3a",
}

#: How much of its colour each shade of a cell has, the lightest first.
SHADES: Final = (0.07, 0.16, 0.30, 0.50, 0.92)


def variables(theme: dict[str, str]) -> str:
    """Return a theme as CSS declarations: each colour, and the shades of cells with their text."""
    names = [f"--{name}:{value}" for name, value in theme.items()]
    for kind, colour in (("right", theme["accent"]), ("wrong", theme["wrong"])):
        for step, share in enumerate(SHADES, start=1):
            shade = mix(theme["surface"], colour, share)
            text = max((theme["ink"], theme["surface"]), key=lambda t: contrast(t, shade))
            names += [f"--{kind}-{step}:{shade}", f"--on-{kind}-{step}:{text}"]
    return ";".join(names)


def shade_of(share: float) -> int:
    """Return the shade, 1 to ``len(SHADES)``, for a share in (0, 1]."""
    return 1 + min(int(share * len(SHADES)), len(SHADES) - 1)


def mix(first: str, second: str, share: float) -> str:
    """Return a colour between two, ``"#rrggbb"``, with this share of the second.

    >>> mix("#000000", "#ffffff", 0.5)
    '#808080'
    """
    pairs = zip(_channels(first), _channels(second), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21, as WCAG 2.2 defines it.

    >>> contrast("#000000", "#ffffff")
    21.0
    """
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def _luminance(colour: str) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (channel / 255 for channel in _channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
