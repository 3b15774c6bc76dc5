"""Addresses of what was trained: what it says of itself, why, and what leaves the project."""

from __future__ import annotations

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from photograft.core.errors import UnknownNameError
from photograft.interfaces.studio.asked import told
from photograft.interfaces.studio.state import Studio

#: Pages that Photograft wrote carry all that they need; they are kept apart from the studio's own.
_APART = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; base-uri 'none'; "
    "form-action 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob: data:; "
    "style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src blob:; font-src data:; connect-src data: blob:; "
    "worker-src blob: data:"
)


def routes(studio: Studio) -> list[Route]:
    """Return what answers."""
    api = RunAPI(studio)
    return [
        Route("/api/run", api.run),
        Route("/api/run/cell", api.cell),
        Route("/api/explain/{id}", api.explain),
        Route("/heat/{id}", api.heat_map),
        Route("/run/report.html", api.report),
        Route("/api/hand-over", api.hand_over),
        Route("/exports/{name}", api.table),
        Route("/exports/{name}/{page}", api.page),
    ]


class RunAPI:
    """Answers.

    Args:
        studio: What is asked.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def run(self, request: Request) -> Response:
        """Tell what is known of the latest run."""
        return await told(lambda: self._studio.learning.understanding.facts())

    async def cell(self, request: Request) -> Response:
        """Tell the photos behind a cell of the confusion matrix."""
        asked = request.query_params
        actual, predicted = asked.get("actual", ""), asked.get("predicted", "")
        return await told(lambda: self._studio.learning.understanding.cell(actual, predicted))

    async def explain(self, request: Request) -> Response:
        """Tell why a photo is taken for what it is."""
        photo_id = request.path_params["id"]
        return await told(lambda: self._studio.learning.trying.explain(photo_id))

    async def heat_map(self, request: Request) -> Response:
        """Send where in a photo the evidence is."""
        photo_id = request.path_params["id"]
        picture = await run_in_threadpool(lambda: self._studio.learning.trying.heat_map(photo_id))
        if picture is None:
            raise UnknownNameError("heat map", photo_id, ())
        return Response(picture, media_type="image/png")

    async def report(self, request: Request) -> Response:
        """Send the run's own page."""
        return _apart(await run_in_threadpool(lambda: self._studio.learning.understanding.page()))

    async def hand_over(self, request: Request) -> Response:
        """Tell what was exported, and how to do the same elsewhere."""
        return await told(lambda: self._studio.learning.handing_over.facts())

    async def table(self, request: Request) -> Response:
        """Send a table of predictions."""
        name = request.path_params["name"]
        file = await self._file(name)
        if file is None:
            raise UnknownNameError("table", name, ())
        return FileResponse(file, media_type="text/csv", filename=name)

    async def page(self, request: Request) -> Response:
        """Send a page of an export."""
        name, page = request.path_params["name"], request.path_params["page"]
        file = await self._file(name, page)
        if file is None:
            raise UnknownNameError("page", f"{name}/{page}", ())
        return _apart(file)

    async def _file(self, name: str, page: str = "") -> Path | None:
        return await run_in_threadpool(lambda: self._studio.learning.handing_over.file(name, page))


def _apart(file: Path) -> Response:
    headers = {"Content-Security-Policy": _APART}
    return FileResponse(file, media_type="text/html; charset=utf-8", headers=headers)
