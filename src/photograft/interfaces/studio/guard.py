"""What every request passes: who may ask, and from where; and how every failure is told."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from photograft.interfaces.server.exchange import HEADERS, Answer, Body, is_left_unread, name_of
from photograft.interfaces.server.listening import LOOPBACK
from photograft.interfaces.server.problems import MAX_HEAD, ProblemError, head_too_large
from photograft.interfaces.studio.page import PLACES, not_open
from photograft.interfaces.studio.problems import problem_of
from photograft.interfaces.studio.sessions import Sessions

#: What the pages may load and do: what comes from here.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
#: The header, and its value, that the pages put on what changes something: a page of another origin
#: can't without asking first, and is refused.
MARK = ("x-photograft", "studio")

_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
#: What needs no cookie: the way in, which takes the token, and files that say nothing.
_WAY_IN, _STATIC = "/", "/static/"
_NOT_OPEN = (
    "Open the address that the terminal shows. It works once; after that, this browser is known. "
    "In another browser: stop the studio (Ctrl-C) and start it again."
)


class Guard:
    """Stands before the application.

    Args:
        app: The application.
        sessions: Tells who may use it.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app, self._sessions = app, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        body, answer = Body(scope, receive), Answer(send, _HEADERS)
        try:
            headers = Headers(scope=scope)
            self._check(scope, headers)
            if self._is_open(scope["path"], headers):
                await self._app(scope, body.receive, answer.send)
            elif scope["path"].removeprefix("/") in PLACES:
                await not_open(_NOT_OPEN)(scope, receive, answer.send)
            else:
                raise ProblemError("unauthorized", _NOT_OPEN)
        except Exception as error:
            if answer.status:  # it had begun: nothing can be told any more
                raise
            response = problem_of(error)
            if await is_left_unread(scope, body):
                response.headers["Connection"] = "close"
            await response(scope, receive, answer.send)

    def _is_open(self, path: str, headers: Headers) -> bool:
        is_for_all = path == _WAY_IN or path.startswith(_STATIC)
        return is_for_all or self._sessions.has_cookie(headers.get("cookie", ""))

    def _check(self, scope: Scope, headers: Headers) -> None:
        lines = [(scope["raw_path"], scope["query_string"]), *scope["headers"]]
        if sum(len(name) + len(value) + 4 for name, value in lines) > MAX_HEAD:
            raise head_too_large()
        if "\0" in scope["path"]:  # which is no file's name, and an error to whoever looks for one
            raise ProblemError("not-found", "There is no such address here.")
        host = headers.get("host", "")
        if name_of(host) not in LOOPBACK:
            raise ProblemError("other-origin", "The studio answers at 127.0.0.1 only.")
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            raise ProblemError("other-origin", "Only the studio's own pages may use it.")
        is_visit = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not is_visit:
            raise ProblemError("other-origin", "Only the studio's own pages may use it.")
        if scope["method"] not in ("GET", "HEAD"):
            name, value = MARK
            if headers.get(name) != value:
                raise ProblemError("other-origin", f"The header {name}: {value} is missing.")
