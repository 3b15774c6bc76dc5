"""Bodies of requests: read within bounds of bytes, time and memory, and never written to disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from starlette.requests import Request

from photograft.interfaces.server.problems import ProblemError, busy
from photograft.workflows.serving.limits import Limits

#: Seconds in which what is left of a refused body is taken and dropped, so that the client gets to
#: read the answer: what is closed with bytes unread is reset.
_LINGER = 1.0


class Held:
    """Bytes that all requests hold together.

    Args:
        most: How many they may.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.num_bytes = 0

    def take(self, count: int) -> None:
        """Hold so many more.

        Raises:
            ProblemError: There is no room.
        """
        if self.num_bytes + count > self._most:
            raise busy("the photos of other requests take all the memory there is for them", 1)
        self.num_bytes += count

    def give_back(self, count: int) -> None:
        """Hold so many fewer."""
        self.num_bytes -= count


class BodyReader:
    """Reads bodies.

    Args:
        limits: What is refused beyond.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.held = Held(limits.max_held_bytes)

    @contextmanager
    def opened(self, request: Request) -> Iterator[AsyncIterator[bytes]]:
        """Give a request's body in pieces, whose bytes count as held until the end of the block.

        The iteration raises ProblemError where the body is too large or too slow, where it breaks
        off, or there is no room.
        """
        taken = [0]
        try:
            yield self._pieces(request, taken)
        finally:
            self.held.give_back(taken[0])

    async def _pieces(self, request: Request, taken: list[int]) -> AsyncIterator[bytes]:
        most, seconds = self._limits.max_bytes, self._limits.timeout
        if _declared(request) > most:
            raise _too_large(most)
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    message = await request.receive()
            except TimeoutError as error:
                raise ProblemError(
                    "too-slow", f"the body did not arrive within {seconds:g} seconds"
                ) from error
            if message["type"] == "http.disconnect":
                raise ProblemError("bad-request", "the body breaks off")
            piece = message.get("body", b"")
            if piece:
                if taken[0] + len(piece) > most:
                    raise _too_large(most)
                self.held.take(len(piece))
                taken[0] += len(piece)
                yield piece
            if not message.get("more_body"):
                return


async def whole(pieces: AsyncIterator[bytes]) -> bytes:
    """Return all of a body."""
    found = [piece async for piece in pieces]
    return found[0] if len(found) == 1 else b"".join(found)


async def dropped(request: Request) -> None:
    """Take what is left of a body, for a moment, and drop it."""
    try:
        async with asyncio.timeout(_LINGER):
            while (message := await request.receive())["type"] != "http.disconnect":
                if not message.get("more_body"):
                    return
    except TimeoutError:
        return


def _declared(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _too_large(most: int) -> ProblemError:
    return ProblemError("too-large", f"a body may have {most:,} bytes")
