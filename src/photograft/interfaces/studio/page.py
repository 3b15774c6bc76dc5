"""The page: a shell with its texts filled in, and the files that it is made of.

There is no build step: what lies in ``static`` is what the browser gets. All texts are in
``static/texts.json``; the colours come from the palette that reports have, too.
"""

from __future__ import annotations

import hashlib
import html
import json
import mimetypes
import re
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from photograft.core.palette import DARK, LIGHT, contrast, mix, variables

#: The places, in the order of the work; each has an address of its name.
PLACES = ("photos", "health", "train", "understand", "try", "hand-over")

#: The colour of lines round what can be used.
_EDGE = "edge"

_HOLE = re.compile(r"\{\{ ([\w.]+) \}\}")
_STATIC = resources.files(__package__) / "static"
_TYPES = {".js": "text/javascript", ".json": "application/json", ".svg": "image/svg+xml"}


def routes(_studio: object = None) -> list[Route]:
    """Return the routes of the places and of the files that they load."""
    return [
        *(Route(f"/{place}", _shell, methods=["GET"]) for place in PLACES),
        Route("/static/{path:path}", _file, methods=["GET"]),
    ]


def shell() -> str:
    """Return the page that all places share, as HTML."""
    texts = json.loads(_read("texts.json"))
    values = {
        **_flat(texts),
        "light_ground": LIGHT["surface"],
        "dark_ground": DARK["surface"],
    }
    return _HOLE.sub(lambda hole: html.escape(values[hole[1]]), _read("index.html").decode())


def not_open(detail: str) -> Response:
    """Return the page for a browser that may not see the studio; says what to do."""
    values = {**_flat(json.loads(_read("texts.json"))), "detail": detail}
    text = _HOLE.sub(lambda hole: html.escape(values[hole[1]]), _read("not_open.html").decode())
    return Response(text, 401, media_type="text/html", headers={"Cache-Control": "no-store"})


def palette() -> str:
    """Return both themes as a style sheet; edges of what can be used stand out 3 to 1."""
    light, dark = (f"{variables(theme)};--{_EDGE}:{_edge(theme)}" for theme in (LIGHT, DARK))
    return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"


def _edge(theme: Mapping[str, str]) -> str:
    steps = (mix(theme["line"], theme["faint"], k / 10) for k in range(11))
    return next(c for c in steps if min(contrast(c, theme[g]) for g in ("surface", "ground")) >= 3)


def _shell(_request: Request) -> Response:
    return Response(shell(), media_type="text/html", headers={"Cache-Control": "no-store"})


def _file(request: Request) -> Response:
    path = request.path_params["path"]
    try:
        data = palette().encode() if path == "palette.css" else _read(path)
    except (OSError, ValueError):
        return Response(status_code=404)
    tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    headers = {"Cache-Control": "no-cache", "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    suffix = path[path.rfind(".") :]
    kind = _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    return Response(data, media_type=kind, headers=headers)


def _read(path: str) -> bytes:
    """Return a file of ``static``; raise ``FileNotFoundError`` for all else."""
    found: Traversable = _STATIC
    for part in path.split("/"):
        # With a colon, Windows takes it for another drive.
        if part in ("", ".", "..") or "\\" in part or ":" in part:
            raise FileNotFoundError(path)
        found = found / part
    return found.read_bytes()


def _flat(texts: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return texts by their names with dots."""
    flat: dict[str, str] = {}
    for key, value in texts.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
