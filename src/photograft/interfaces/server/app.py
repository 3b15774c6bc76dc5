"""The application: which address is answered by what."""

from __future__ import annotations

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from photograft.interfaces.server.bodies import BodyReader
from photograft.interfaces.server.description import describe
from photograft.interfaces.server.docs_page import docs_page
from photograft.interfaces.server.guard import Access, Guard
from photograft.interfaces.server.metrics import MEDIA_TYPE, HttpFigures, metrics_text
from photograft.interfaces.server.open_inference import OpenInference
from photograft.interfaces.server.page import PageAPI
from photograft.interfaces.server.predict_api import PredictAPI
from photograft.workflows.serve import Service

#: Of pages that have no script at all.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


def make_app(
    service: Service,
    access: Access | None = None,
    figures: HttpFigures | None = None,
    *,
    log: bool = False,
) -> ASGIApp:
    """Return the application.

    Args:
        service: What classifies; started within the same event loop.
        access: Who may ask.
        figures: Where requests are counted.
        log: Whether each request is logged: its route, status and time, and a digest.
    """
    access, figures = access or Access(), figures or HttpFigures()
    bodies = BodyReader(service.limits)
    photos, protocol = PredictAPI(service, bodies), OpenInference(service, bodies)
    description = describe(
        service.limits, service.models.names, needs_token=access.token is not None
    )

    async def openapi(request: Request) -> Response:
        return Response(json.dumps(description), media_type="application/json")

    async def docs(request: Request) -> Response:
        headers = {"Content-Security-Policy": _POLICY}
        return Response(docs_page(description), headers=headers, media_type="text/html")

    async def metrics(request: Request) -> Response:
        return Response(metrics_text(service, figures), media_type=MEDIA_TYPE)

    routes = [
        *PageAPI(service).routes(),
        Route("/docs", docs),
        Route("/openapi.json", openapi),
        Route("/metrics", metrics),
        Route("/predict", photos.predict, methods=["POST"]),
        Route("/predict/{model}", photos.predict, methods=["POST"]),
        Route("/v2", protocol.server_metadata),
        Route("/v2/health/live", protocol.live),
        Route("/v2/health/ready", protocol.ready),
        Route("/v2/repository/index", protocol.index, methods=["POST"]),
        Route("/v2/models", protocol.models),
        Route("/v2/models/stats", protocol.statistics),
    ]
    for place in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        routes += [
            Route(place, protocol.model_metadata),
            Route(f"{place}/ready", protocol.model_ready),
            Route(f"{place}/config", protocol.model_config),
            Route(f"{place}/stats", protocol.statistics),
            Route(f"{place}/infer", protocol.infer, methods=["POST"]),
        ]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    app.state.log = log

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app
        await app.router(scope, receive, send)  # failures are the guard's to tell

    return Guard(routed, service, access, figures, log=log)
