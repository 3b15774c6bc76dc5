"""The address at which any photo is tried."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from photograft.interfaces.server.bodies import BodyReader, whole
from photograft.interfaces.studio.asked import told
from photograft.interfaces.studio.state import Studio
from photograft.workflows.serving.limits import Limits
from photograft.workflows.studio.intake import MAX_BYTES


def routes(studio: Studio) -> list[Route]:
    """Return what answers."""
    bodies = BodyReader(Limits(max_bytes=MAX_BYTES, max_held_bytes=3 * MAX_BYTES))

    async def answer(request: Request) -> Response:
        asked = request.query_params
        with bodies.opened(request) as pieces:
            data = bytes(await whole(pieces))

            def think() -> dict[str, Any]:
                return studio.learning.trying.answer(
                    data,
                    heat=asked.get("heat") == "1",
                    neighbours=asked.get("neighbours") == "1",
                    classifier=asked.get("classifier", ""),
                )

            return await told(think)

    return [Route("/api/try", answer, methods=["POST"])]
