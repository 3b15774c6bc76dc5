"""The page at ``/``: the web export's, answered by this server; and each classifier as an export.

Nothing in it comes from elsewhere, and without the token it says nothing of the classifiers.
"""

from __future__ import annotations

import asyncio
import json
import logging

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from photograft.interfaces.server.predict_api import served_by
from photograft.interfaces.server.problems import ProblemError, busy
from photograft.workflows.serve import Service
from photograft.workflows.serving.models import Served
from photograft.workflows.serving.pages import PageError, build_served_page, facts_of

_LOG = logging.getLogger("photograft")

#: Seconds after which it is worth to ask again for a page that is being made.
_AGAIN = 2


class PageAPI:
    """Answers for the page.

    Args:
        service: What the page asks.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        page, policy = build_served_page()
        self._page = page.encode()
        #: By the classifier's name: its checksum, and what is told of it.
        self._told: dict[str, tuple[str, dict[str, object]]] = {}
        self._headers = {"Content-Security-Policy": f"{policy}; frame-ancestors 'none'"}

    def routes(self) -> list[Route]:
        """Return what answers for the page."""
        return [
            Route("/", self.page),
            Route("/classifiers", self.classifiers),
            Route("/classifiers/{model}/page", self.alone),
        ]

    async def page(self, request: Request) -> Response:
        """Answer the page."""
        return Response(self._page, headers=self._headers, media_type="text/html")

    async def classifiers(self, request: Request) -> Response:
        """Answer what the page shows of the classifiers."""
        found = [await asyncio.to_thread(self._facts, each) for each in self._service.models.all()]
        text = json.dumps({"classifiers": found}, ensure_ascii=False)
        return Response(text.encode("utf-8", "backslashreplace"), media_type="application/json")

    def _facts(self, served: Served) -> dict[str, object]:
        model, pages = served.model, self._service.pages
        checksum, told = self._told.get(model.name, ("", {}))
        if checksum == model.checksum:
            return told
        page = {
            "is_had": pages.are_had,
            "hindered_by": pages.hindrance(model) if pages.are_had else "",
            "address": f"/classifiers/{model.name}/page",
        }
        told = {**facts_of(model), "page": page}
        self._told[model.name] = model.checksum, told
        return told

    async def alone(self, request: Request) -> Response:
        """Answer a classifier as a page that needs no server."""
        served = served_by(self._service, request.path_params["model"])
        if self._service.is_draining:
            raise busy("the server is stopping", _AGAIN)
        try:
            async with asyncio.timeout(self._service.limits.timeout):
                path = await self._service.pages.get(served.model)
        except PageError as error:
            if error.kind == "busy":
                raise busy(str(error), _AGAIN) from error
            if error.kind == "failed":
                _LOG.error("the page of %s could not be made: %s", served.model.name, error)
                raise ProblemError("failed", "making the page failed; the log says why") from error
            raise ProblemError("not-found", f"there is no page of it: {error}") from error
        except TimeoutError:
            text = json.dumps({"detail": "the page is still being made"})
            again = {"Retry-After": str(_AGAIN)}
            return Response(text, 202, headers=again, media_type="application/json")
        return FileResponse(path, media_type="text/html", filename=f"{served.model.name}.html")
