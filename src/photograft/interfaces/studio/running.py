"""The studio as a process: its start, and its end in good order."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn

from photograft.interfaces.server.listening import Server, heed
from photograft.interfaces.server.memory import collect_garbage_often, give_memory_back
from photograft.interfaces.server.metrics import HttpFigures
from photograft.interfaces.server.protocol import protocol_of, protocol_settings
from photograft.interfaces.studio.app import make_app
from photograft.interfaces.studio.sessions import Sessions, key_of
from photograft.interfaces.studio.state import Studio
from photograft.workflows.serving.limits import Limits
from photograft.workflows.studio.project import Project

#: Seconds that requests have to be finished, once the studio was told to stop.
_GRACE = 5


def run_studio(project: Project, listening: socket.socket, say: Callable[[str], None]) -> None:
    """Serve a project until SIGTERM or Ctrl-C; it is closed then.

    Args:
        project: Open.
        listening: A socket of this machine alone.
        say: Called with the address that opens the page, once it would be answered.
    """
    give_memory_back()
    asyncio.run(_serve(project, listening, say))


async def _serve(project: Project, listening: socket.socket, say: Callable[[str], None]) -> None:
    studio = Studio(project)
    try:
        host, port = listening.getsockname()[:2]
        sessions = Sessions(key_of(project.folder), port)
        server = Server(
            uvicorn.Config(
                make_app(studio, sessions),
                http=protocol_of(Limits(timeout=120), HttpFigures()),
                loop="asyncio",
                timeout_graceful_shutdown=_GRACE,
                **protocol_settings(),
            )
        )

        def stop() -> None:
            server.force_exit = server.should_exit  # the second time: at once
            server.should_exit = True
            studio.stop_telling()

        heed(stop)
        place = f"http://{host}:{port}"
        project.lock.tell(place)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        if not serving.done():
            say(f"{place}/?token={sessions.token}")
            studio.start()
            collect_garbage_often()
        await serving
    finally:
        studio.close()
