"""What every request passes: who may ask, how much at a time; and how every failure is told."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
import traceback
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from photograft.interfaces.server.exchange import Answer, Body, is_left_unread, name_of
from photograft.interfaces.server.listening import LOOPBACK
from photograft.interfaces.server.metrics import HttpFigures
from photograft.interfaces.server.problems import (
    MAX_HEAD,
    ProblemError,
    busy,
    head_too_large,
    response_of,
)
from photograft.workflows.serve import Service

_LOG = logging.getLogger("photograft")

#: What answers without the token: it says nothing of the classifiers.
OPEN = frozenset(("/", "/docs", "/openapi.json", "/v2/health/live", "/v2/health/ready"))
#: What Starlette says of what it does not know.
_KINDS = {404: "not-found", 405: "wrong-method"}


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Attributes:
        token: What has to be shown; None where nothing has.
        hosts: The names by which the server may be called; None for any. Without them, a page of
            another site could have its own name lead to this server, and read its answers.
    """

    token: str | None = None
    hosts: Collection[str] | None = LOOPBACK


class Guard:
    """Stands before the application.

    Args:
        app: The application.
        service: What it asks.
        access: Who may ask.
        figures: Where requests are counted.
        log: Whether each request is logged: nothing of its client but a digest of what it sent.
    """

    def __init__(
        self, app: ASGIApp, service: Service, access: Access, figures: HttpFigures, *, log: bool
    ) -> None:
        self._app, self._service, self._access = app, service, access
        self._figures, self._log = figures, log
        self._digest = _sha256(access.token) if access.token else b""
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        body = Body(scope, receive)
        answer = Answer(send)
        self._figures.in_flight += 1
        try:
            await self._answered(scope, body, answer)
        except Exception as error:
            problem = _problem_of(error)
            # Kept by a circle with this frame, what it came through would hold the body for long.
            problem.__traceback__ = problem.__context__ = problem.__cause__ = None
            if answer.status:  # it had begun: nothing can be told any more
                raise
            if await is_left_unread(scope, body):
                problem.headers["Connection"] = "close"
            await response_of(problem)(scope, receive, answer.send)
        finally:
            self._figures.in_flight -= 1
            seconds = time.perf_counter() - began
            route = getattr(scope.get("endpoint"), "__name__", "none")
            self._figures.add(route, answer.status, seconds)
            if self._log:
                digest = scope.get("photo_digest", "-")
                _LOG.warning("%s %d %.1f ms %s", route, answer.status, seconds * 1000, digest)

    async def _answered(self, scope: Scope, body: Body, answer: Answer) -> None:
        headers = Headers(scope=scope)
        self._check(scope, headers)
        if scope["method"] != "POST":
            await self._app(scope, body.receive, answer.send)
            return
        if self._service.is_draining:
            raise busy("the server is stopping", 5)
        client = (scope.get("client") or ("",))[0]
        if self._under_way[client] >= self._service.limits.max_per_client:
            raise ProblemError(
                "too-many",
                f"an address may have {self._service.limits.max_per_client} requests at a time",
                headers={"Retry-After": str(self._service.retry_after())},
            )
        self._under_way[client] += 1
        try:
            await self._app(scope, body.receive, answer.send)
        finally:
            self._under_way[client] -= 1
            if not self._under_way[client]:
                del self._under_way[client]

    def _check(self, scope: Scope, headers: Headers) -> None:
        # What comes in one piece is read whole, however long it is.
        lines = [(scope["raw_path"], scope["query_string"]), *scope["headers"]]
        if sum(len(name) + len(value) + 4 for name, value in lines) > MAX_HEAD:
            raise head_too_large()
        host, hosts = headers.get("host", ""), self._access.hosts
        if hosts is not None and name_of(host) not in hosts:
            raise ProblemError(
                "bad-request", "the header Host names another server; see --allow-host"
            )
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            raise ProblemError("other-origin", "only pages of this server may use it")
        if self._digest and scope["path"] not in OPEN:
            scheme, _, shown = headers.get("authorization", "").partition(" ")
            is_right = hmac.compare_digest(_sha256(shown.strip()), self._digest)
            if scheme.lower() != "bearer" or not is_right:
                raise ProblemError(
                    "unauthorized",
                    "send the header Authorization: Bearer TOKEN",
                    headers={"WWW-Authenticate": 'Bearer realm="photograft"'},
                )


def _problem_of(error: Exception) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, HTTPException):
        kind = _KINDS.get(error.status_code, "bad-request")
        detail = "there is no such address; see /docs" if kind == "not-found" else error.detail
        return ProblemError(kind, detail, headers=error.headers)
    # Without its message, which may quote what was sent.
    places = "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("a request failed by %s at\n%s", type(error).__name__, places)
    return ProblemError("failed", "the server failed; its log says where")


def _sha256(text: Any) -> bytes:
    return hashlib.sha256(str(text).encode("utf-8", "surrogateescape")).digest()
