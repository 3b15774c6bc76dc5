"""Small pieces of HTML for notebooks: escaped, without a style sheet, readable in light and dark.

Colours are the notebook's own, lines a grey that shows on either ground. Styles stand on the
elements: a style sheet would reach out of its cell.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Sequence

from photograft.core.text import shown

_LINE = "border:0;border-bottom:1px solid rgba(128,128,128,0.4)"
_CELL = f"{_LINE};padding:3px 12px 3px 0;vertical-align:top;background:none"


class Html(str):
    """Text that is HTML already, and is not escaped any more."""

    __slots__ = ()


def escaped(text: object) -> Html:
    """Return text as HTML in which it looks as it is; what is `Html` stays as it is.

    >>> escaped("<script>"), escaped(escaped("a & b"))
    ('&lt;script&gt;', 'a &amp; b')
    """
    return text if isinstance(text, Html) else Html(html.escape(shown(text)))


def fragment(*parts: Html) -> str:
    """Return all of what a notebook shows of one thing."""
    style = "max-width:62em;overflow-x:auto;font:14px/1.45 system-ui,sans-serif"
    return f'<div style="{style}">{"".join(parts)}</div>'


def heading(text: object, aside: object = "") -> Html:
    """Return what a thing is called, and beside it, fainter, where it is."""
    beside = Html(f" {faint(aside)}") if aside else Html()
    # No heading to HTML: notebooks would put it into their tables of contents.
    return Html(
        f'<p style="margin:0 0 6px"><strong style="font-size:1.15em">{escaped(text)}</strong>'
        f"{beside}</p>"
    )


def paragraph(*parts: object) -> Html:
    """Return a paragraph of text and pieces of HTML."""
    return Html(f'<p style="margin:6px 0">{"".join(map(escaped, parts))}</p>')


def strong(text: object) -> Html:
    """Return text that stands out."""
    return Html(f"<strong>{escaped(text)}</strong>")


def faint(text: object) -> Html:
    """Return text that stands back."""
    return Html(f'<span style="opacity:0.7">{escaped(text)}</span>')


def below(first: object, second: object) -> Html:
    """Return two lines."""
    return Html(f"{escaped(first)}<br>{escaped(second)}")


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: Collection[int] = (),
    most: int = 20,
) -> Html:
    """Return a table.

    Args:
        header: The names of the columns.
        rows: A cell for each column, as text or `Html`.
        numbers: Which columns hold numbers, from 0: they are set to the right, and not broken.
        most: So many rows are shown; how many more there are is said below.

    >>> "&lt;b&gt;" in table(["class"], [["<b>"]]), "1 more" in table(["n"], [[1], [2]], most=1)
    (True, True)
    """
    listed = list(rows)
    more = len(listed) - most
    sides = ["right" if i in numbers else "left" for i in range(len(header))]

    def line(opening: str, cells: Sequence[object]) -> str:
        tag = opening.partition(" ")[0]
        whole = {"right": ";white-space:nowrap" if tag == "td" else ""}
        return "".join(
            f'<{opening} style="{_CELL};text-align:{side}{whole.get(side, "")}">'
            f"{escaped(cell)}</{tag}>"
            for side, cell in zip(sides, cells, strict=True)
        )

    head = line('th scope="col"', header)
    body = "".join(f'<tr style="background:none">{line("td", row)}</tr>' for row in listed[:most])
    end = paragraph(faint(f"and {more:,} more")) if more > 0 else ""
    return Html(
        '<table style="border-collapse:collapse;border:0;margin:8px 0;font-size:inherit">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{end}"
    )
