"""The server as a process: its start, and its end in good order."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn

from photograft.interfaces.server.app import make_app
from photograft.interfaces.server.guard import Access
from photograft.interfaces.server.listening import Server, heed
from photograft.interfaces.server.memory import collect_garbage_often, give_memory_back
from photograft.interfaces.server.metrics import HttpFigures
from photograft.interfaces.server.protocol import protocol_of, protocol_settings
from photograft.workflows.serve import Service
from photograft.workflows.serving.limits import Limits

#: Seconds that requests have to be finished, once the server was told to stop.
_GRACE = 60


def run_server(
    folders: Mapping[str, Path],
    asked: Mapping[str, Any],
    limits: Limits,
    access: Access,
    listening: socket.socket,
    *,
    say: Callable[[Service], None],
    log: bool = False,
    hands_out: bool = False,
) -> None:
    """Serve until SIGTERM or Ctrl-C; then finish what is under way.

    Args:
        folders: As in `Service`.
        asked: Likewise.
        limits: Likewise.
        access: Who may ask.
        listening: From `open_socket`.
        say: Called once photos would be answered.
        log: Whether each request is logged.
        hands_out: As in `Service`.
    """
    give_memory_back()
    service = functools.partial(Service, folders, asked, limits, hands_out=hands_out)
    asyncio.run(_serve(service, limits, access, listening, say, log))


async def _serve(
    open_service: Callable[[], Service],
    limits: Limits,
    access: Access,
    listening: socket.socket,
    say: Callable[[Service], None],
    log: bool,
) -> None:
    service = open_service()
    try:
        figures = HttpFigures()
        app = make_app(service, access, figures, log=log)
        server = Server(
            uvicorn.Config(
                app,
                http=protocol_of(limits, figures),
                loop="asyncio",
                timeout_graceful_shutdown=_GRACE,
                **protocol_settings(),
            )
        )

        def stop() -> None:
            # The second time: at once.
            server.force_exit = service.is_draining
            service.is_draining = server.should_exit = True

        heed(stop)
        service.start()
        collect_garbage_often()
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        if not serving.done():
            say(service)
        await serving
    finally:
        service.close()
