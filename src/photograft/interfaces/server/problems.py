"""What a client is told where it gets no answer: problem details as of RFC 9457."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
#: Bytes that a request's head may have.
MAX_HEAD = 16_384


@dataclass(frozen=True)
class Kind:
    """A kind of problem.

    Attributes:
        status: Of HTTP.
        title: The same for all problems of the kind.
        about: When it happens and what helps, for the page of the documentation.
    """

    status: int
    title: str
    about: str


#: By the name under which the documentation has them.
KINDS = {
    "bad-request": Kind(
        400, "Bad request", "The request can't be understood. The detail says where it breaks off."
    ),
    "unauthorized": Kind(
        401,
        "Token missing or wrong",
        "The server was started with a token. Send it as Authorization: Bearer TOKEN.",
    ),
    "other-origin": Kind(
        403,
        "From another site's page",
        "A browser sent it for a page of another site, which may not use this server.",
    ),
    "not-found": Kind(404, "Not found", "There is no such address, or no such classifier."),
    "wrong-method": Kind(405, "Wrong method", "The header Allow says which it takes."),
    "too-slow": Kind(
        408, "Too slow", "The request took too long to arrive. The connection is closed."
    ),
    "too-large": Kind(
        413,
        "Too large",
        "More bytes, pixels or photos than are taken on. The detail says how many may be.",
    ),
    "wrong-type": Kind(
        415,
        "Type or encoding not taken",
        "Send a photo as image/* or application/octet-stream, several as multipart/form-data.",
    ),
    "unreadable": Kind(
        422, "No readable photo", "What was sent is no photo, or damaged, or asks for what is not."
    ),
    "too-many": Kind(
        429,
        "Too many requests at a time",
        "One address has as many requests under way as it may. Wait as Retry-After says.",
    ),
    "headers-too-large": Kind(431, "Headers too large", "The request's head is too long."),
    "failed": Kind(
        500, "The server failed", "It is a fault of the server, and was written to its log."
    ),
    "busy": Kind(
        503,
        "Busy, or stopping",
        "There is no room for more just now. Wait as Retry-After says, and try again.",
    ),
}


class ProblemError(Exception):
    """Why a request is not answered.

    Args:
        kind: A key of `KINDS`.
        detail: What is wrong with this request, for people.
        headers: Headers of the answer.
        more: Further members of the answer.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail = kind, detail
        self.headers, self.more = dict(headers or {}), dict(more or {})

    @property
    def status(self) -> int:
        """The status of HTTP."""
        return KINDS[self.kind].status


def busy(detail: str, seconds: int) -> ProblemError:
    """Return the problem of a request for which there is no room for so many seconds."""
    return ProblemError("busy", detail, headers={"Retry-After": str(seconds)})


def head_too_large() -> ProblemError:
    """Return the problem of a request whose address and headers are too long."""
    return ProblemError("headers-too-large", f"a request's head may have {MAX_HEAD:,} bytes")


def body_of(problem: ProblemError) -> bytes:
    """Return the body of an answer. Clients of the inference protocol read its member `error`."""
    kind = KINDS[problem.kind]
    return json.dumps(
        {
            "type": f"/docs#{problem.kind}",
            "title": kind.title,
            "status": kind.status,
            "detail": problem.detail,
            "error": problem.detail,
            **problem.more,
        },
        ensure_ascii=False,
    ).encode("utf-8", "backslashreplace")


def response_of(problem: ProblemError) -> Response:
    """Return the answer."""
    return Response(
        body_of(problem), problem.status, headers=problem.headers, media_type=MEDIA_TYPE
    )
