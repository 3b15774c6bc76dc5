"""The OpenAPI document as a page to read, without a script and with nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from photograft.core.html import Html, escaped
from photograft.interfaces.server.problems import KINDS

_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 54rem; padding: 1.5rem 1rem 4rem;
  font: 16px/1.5 system-ui, sans-serif; }
code, pre { font: 0.9em/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid #8886; border-radius: 8px; }
section { border-top: 1px solid #8886; }
h2 { font-size: 1.05rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; }
td, th { text-align: left; padding: 0.15rem 1rem 0.15rem 0; vertical-align: top; }
"""
_EXAMPLES = """\
curl -F file=@photo.jpg http://ADDRESS/predict
curl -F file=@a.jpg -F file=@b.jpg http://ADDRESS/predict
curl http://ADDRESS/v2/models
curl -H 'Authorization: Bearer TOKEN' http://ADDRESS/metrics"""


def docs_page(description: dict[str, Any]) -> str:
    """Return the page.

    Args:
        description: The OpenAPI document.
    """
    return "".join(_parts(description))


def _parts(description: dict[str, Any]) -> Iterator[str]:
    info = description["info"]
    examples = "\n".join(map(escaped, _EXAMPLES.splitlines()))
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Photograft server</title><style>{_STYLE}</style></head><body>"
        f"<h1>Photograft server</h1><p>{escaped(info['description'])} Version "
        f'{escaped(info["version"])}. The same for programs: <a href="/openapi.json">openapi.json'
        f"</a>.</p><pre>{examples}</pre>"
    )
    for place, methods in description["paths"].items():
        for method, operation in methods.items():
            yield _operation(method, place, operation)
    yield "<h1>What went wrong</h1><p>Every failure is answered as application/problem+json.</p>"
    for name, kind in KINDS.items():
        yield (
            f'<section id="{escaped(name)}"><h2>{kind.status} {escaped(kind.title)}</h2>'
            f"<p>{escaped(kind.about)}</p></section>"
        )
    yield "</body></html>"


def _operation(method: str, place: str, operation: dict[str, Any]) -> str:
    about = operation.get("description", "")
    takes = ", ".join(operation.get("requestBody", {}).get("content", {}))
    rows = [
        *([("takes", takes)] if takes else []),
        *((p["name"], f"in the {p['in']}") for p in operation["parameters"]),
        ("answers", ", ".join(sorted(operation["responses"]))),
    ]
    table = "".join(f"<tr><th>{escaped(a)}</th><td>{escaped(b)}</td></tr>" for a, b in rows)
    text = Html(f"<p>{escaped(about)}</p>") if about else Html()
    return (
        f"<section><h2><code>{escaped(method.upper())} {escaped(place)}</code></h2>"
        f"<p>{escaped(operation['summary'])}.</p>{text}<table>{table}</table></section>"
    )
