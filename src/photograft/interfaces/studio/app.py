"""The application: which address is answered by what."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from photograft.interfaces.studio import learning_api, page, photo_api, run_api, try_api
from photograft.interfaces.studio.guard import Guard
from photograft.interfaces.studio.sessions import Sessions
from photograft.interfaces.studio.state import Studio

#: Where a page begins.
FIRST_PLACE = "/photos"

_SPENT = (
    "This address has opened the page already, and works once only. Use the browser that has it "
    "open, or stop the studio (Ctrl-C) and start it again: it shows a new address."
)


def make_app(studio: Studio, sessions: Sessions) -> ASGIApp:
    """Return the application.

    Args:
        studio: What it is about.
        sessions: Who may use it.
    """

    async def way_in(request: Request) -> Response:
        if sessions.spend(request.query_params.get("token", "")):
            return RedirectResponse(FIRST_PLACE, 303, headers={"Set-Cookie": sessions.cookie()})
        if sessions.has_cookie(request.headers.get("cookie", "")):
            return RedirectResponse(FIRST_PLACE, 303)
        return page.not_open(_SPENT)

    app = Starlette(
        routes=[
            Route("/", way_in),
            *page.routes(studio),
            *photo_api.routes(studio),
            *learning_api.routes(studio),
            *run_api.routes(studio),
            *try_api.routes(studio),
        ]
    )
    app.router.redirect_slashes = False

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app
        await app.router(scope, receive, send)  # failures are the guard's to tell

    return Guard(routed, sessions)
