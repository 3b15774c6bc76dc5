"""A page from its template: all of it in one file, nothing from elsewhere, no script but ours."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photograft._version import __version__
from photograft.core import palette
from photograft.core import text as wording
from photograft.core.files import new_file

if TYPE_CHECKING:
    import jinja2

#: Characters that could end a script's text or make a line of it, as JSON writes them.
_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def write_page(path: Path, template: str, context: dict[str, Any]) -> None:
    """Render a template and write the page, whole or not at all.

    Args:
        path: Of the HTML file.
        template: Its name.
        context: What it is filled with. All text is escaped but ``Markup``.

    Raises:
        StorageError: It can't be written.
    """
    page = render(template, context)
    with new_file(path, fix="Choose another file with --output.") as partial:
        partial.write_bytes(page.encode("utf-8"))  # with the same ends of lines everywhere


def render(template: str, context: dict[str, Any]) -> str:
    """Return a page's HTML."""
    from markupsafe import Markup

    style, script = page_style(), _own_file("page.js")
    return (
        _environment()
        .get_template(template)
        .render(
            **context,
            version=__version__,
            policy=policy(style, script),
            # Our own files; nothing of the user's is in them.
            style=Markup(style),  # noqa: S704
            script=Markup(script),  # noqa: S704
        )
    )


@functools.cache  # most of the time that a page takes is the compiling of its templates
def _environment() -> jinja2.Environment:
    import jinja2  # slow to import

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("photograft", "report/templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("shown", "short", "percent", "number", "count", "brief", "size", "duration"):
        environment.filters[name] = getattr(wording, name)
    return environment


def page_style() -> str:
    """Return the style sheet, the colours of both themes included."""
    light, dark = palette.variables(palette.LIGHT), palette.variables(palette.DARK)
    # On screens only: paper is light.
    query = "@media screen and (prefers-color-scheme:dark)"
    return f":root{{{light}}}\n{query}{{:root{{{dark}}}}}\n" + _own_file("page.css")


def policy(style: str, script: str) -> str:
    """Return the content security policy that lets in this style, this script, embedded pictures.

    Args:
        style: The text of the one ``style`` element.
        script: The text of the one ``script`` element.
    """
    return (
        "default-src 'none'; img-src data:; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def script_json(data: Any) -> str:
    """Return JSON that may stand inside a ``script`` element, whatever its texts hold."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES)


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


def _own_file(name: str) -> str:
    return resources.files("photograft").joinpath("report", "templates", name).read_text("utf-8")
