"""The address at which any photo is tried."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from photograft.interfaces.server.bodies import BodyReader, whole
from photograft.interfaces.server.problems import busy
from photograft.interfaces.studio.asked import json_response
from photograft.interfaces.studio.state import Studio
from photograft.workflows.serving.limits import Limits
from photograft.workflows.studio.intake import MAX_BYTES
from photograft.workflows.studio.trying import BusyError


def routes(studio: Studio) -> list[Route]:
    """Return what answers."""
    bodies = BodyReader(Limits(max_bytes=MAX_BYTES, max_held_bytes=3 * MAX_BYTES))

    async def answer(request: Request) -> Response:
        asked = request.query_params
        with bodies.opened(request) as pieces:
            data = bytes(await whole(pieces))

            def think() -> dict[str, object]:
                return studio.trying.answer(
                    data,
                    heat=asked.get("heat") == "1",
                    neighbours=asked.get("neighbours") == "1",
                    classifier=asked.get("classifier", ""),
                )

            try:
                found = await run_in_threadpool(think)
            except BusyError as error:
                raise busy(str(error), 1) from error
        return json_response(found)

    return [Route("/api/try", answer, methods=["POST"])]
