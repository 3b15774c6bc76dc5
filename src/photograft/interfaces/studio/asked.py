"""What a page asks for, as JSON: read within bounds, and each member checked."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from photograft.core.errors import InputError, described
from photograft.interfaces.server.bodies import BodyReader, whole
from photograft.workflows.serving.limits import Limits

#: Bytes of a request in JSON, at most: ids of some 200,000 photos.
_MAX_BYTES = 4_000_000
_READER = BodyReader(Limits(max_bytes=_MAX_BYTES, max_held_bytes=16 * _MAX_BYTES))


class Asked:
    """The members of a request.

    Args:
        members: By name.
    """

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = members

    @classmethod
    async def read(cls, request: Request) -> Self:
        """Read a request's body.

        Raises:
            InputError: It is no JSON object.
            ProblemError: It is too large, or does not come.
        """
        with _READER.opened(request) as pieces:
            data = await whole(pieces)
        try:
            found = json.loads(data or b"{}")
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise InputError("the request is no JSON object")
        return cls(found)

    def ids(self) -> list[str]:
        """Return the photos that it is about."""
        found = self._members.get("ids")
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise _wrong("ids", "a list of photos", found)
        return found

    def text(self, name: str) -> str:
        """Return a member that is text."""
        found = self._members.get(name)
        if not isinstance(found, str):
            raise _wrong(name, "text", found)
        return found

    def text_or_none(self, name: str, *, needed: bool = False) -> str | None:
        """Return a member that is text or null, or is not there, unless it is needed."""
        if needed and name not in self._members:
            raise InputError(f"the request has no {name}")
        return None if self._members.get(name) is None else self.text(name)

    def number_or_none(self, name: str) -> int | None:
        """Return a member that is a whole number or null, or is not there."""
        found = self._members.get(name)
        if found is not None and type(found) is not int:
            raise _wrong(name, "a whole number", found)
        return found

    def flag(self, name: str, *, default: bool | None = None) -> bool:
        """Return a member that is true or false; `default` where it is missing."""
        found = self._members.get(name, default)
        if not isinstance(found, bool):
            raise _wrong(name, "true or false", found)
        return found

    def members(self, name: str) -> Mapping[str, Any]:
        """Return a member that is an object; an empty one where it is not there."""
        found = self._members.get(name) or {}
        if not isinstance(found, dict):
            raise _wrong(name, "an object", found)
        return found

    def path(self, name: str) -> Path:
        """Return a member that is a whole path; ``~`` stands for the user's home."""
        text = self.text(name).strip()
        found = Path(text)
        with contextlib.suppress(RuntimeError):  # there is no such user
            found = found.expanduser()
        if not found.is_absolute() or "\0" in text:
            raise InputError("that is no whole path", expected="one like /home/me/photos", got=text)
        return found


def json_response(data: Any, status: int = 200) -> Response:
    """Return data as an answer."""
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Response(body.encode("utf-8", "backslashreplace"), status, media_type="application/json")


async def told(make: Callable[[], Any]) -> Response:
    """Return as an answer what a call gives, made in another thread."""
    return json_response(await run_in_threadpool(make))


def _wrong(name: str, expected: str, got: object) -> InputError:
    return InputError(f"{name} is wrong", expected=expected, got=described(got))
