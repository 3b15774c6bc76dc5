"""The page at ``/``: drop a photo, see its probabilities. Nothing in it comes from elsewhere."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FOLDER = Path(__file__).parent / "static"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
#: The addresses of its files, and their types.
_FILES = {
    "/": ("page.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}


def page_routes() -> list[Route]:
    """Return what answers for the page."""
    return [_route(place, name, kind) for place, (name, kind) in _FILES.items()]


def _route(place: str, name: str, kind: str) -> Route:
    content = (_FOLDER / name).read_bytes()

    async def page(request: Request) -> Response:
        headers = {"Content-Security-Policy": _POLICY}
        return Response(content, headers=headers, media_type=kind)

    return Route(place, page)
