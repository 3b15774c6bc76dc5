"""What the page is told where something can't be done: problem details as of RFC 9457."""

from __future__ import annotations

import json
import logging
import traceback

from starlette.exceptions import HTTPException
from starlette.responses import Response

from photograft.core.errors import ImageError, PhotograftError, StorageError, UnknownNameError
from photograft.interfaces.server.problems import MEDIA_TYPE, ProblemError
from photograft.workflows.studio.refusals import BusyError, ChangedError

_LOG = logging.getLogger("photograft")

#: By the status of HTTP, the first words of what is told.
_TITLES = {
    400: "That can't be done",
    401: "This page is not open yet",
    403: "Not from here",
    404: "Not found",
    405: "That can't be done",
    408: "Too slow",
    409: "Something else has changed meanwhile",
    413: "Too large",
    415: "That can't be done",
    422: "That photo can't be used",
    431: "Too large",
    500: "Something went wrong",
    503: "Busy",
    507: "It could not be kept",
}


def problem(status: int, detail: str) -> Response:
    """Return an answer that tells what is wrong.

    Args:
        status: Of HTTP.
        detail: What is wrong and what to do, for people.
    """
    title = _TITLES.get(status, _TITLES[400])
    told = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body = json.dumps(told, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Response(body, status, media_type=MEDIA_TYPE)


def problem_of(error: Exception) -> Response:
    """Return the answer to what failed."""
    if isinstance(error, ProblemError):
        return problem(error.status, error.detail)
    if isinstance(error, HTTPException):
        return problem(error.status_code, "There is no such address here.")
    for kind, status in (
        (BusyError, 503),
        (ChangedError, 409),
        (UnknownNameError, 404),
        (ImageError, 422),
        (StorageError, 507),
        (PhotograftError, 400),
    ):
        if isinstance(error, kind):
            told = problem(status, str(error))
            if status == 503:
                told.headers["Retry-After"] = "1"
            return told
    places = "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("a request failed by %s: %s at\n%s", type(error).__name__, error, places)
    return problem(
        500, f"{type(error).__name__}: {error}. Nothing was lost; the terminal says where."
    )
