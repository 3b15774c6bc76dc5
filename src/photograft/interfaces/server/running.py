"""The server as a process: its socket, its start, and its end in good order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import uvicorn

from photograft.core.errors import InputError
from photograft.interfaces.server.app import make_app
from photograft.interfaces.server.guard import LOOPBACK, Access
from photograft.interfaces.server.memory import collect_garbage_often, give_memory_back
from photograft.interfaces.server.metrics import HttpFigures
from photograft.interfaces.server.protocol import protocol_of, protocol_settings
from photograft.workflows.serve import Service
from photograft.workflows.serving.limits import Limits

#: Seconds that requests have to be finished, once the server was told to stop.
_GRACE = 60


class _Server(uvicorn.Server):
    """Leaves signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound.

    Args:
        host: An address or a name of this machine.
        port: 0 for any that is free.

    Raises:
        InputError: The port is taken, or the address is none of this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InputError(
            f"there is no address {host!r} ({error.strerror})", fix="Choose another --host."
        ) from error
    try:
        if sys.platform != "win32":  # there it would let two servers share a port
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.setblocking(False)
    except OSError as error:
        found.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"port {port} of {host} is taken",
                fix="Choose another --port (0: any that is free), or stop what listens there.",
            ) from error
        raise InputError(
            f"{host}:{port} can't be listened on ({error.strerror})",
            fix="Choose another --host or --port.",
        ) from error
    return found


def hosts_of(host: str, allowed: tuple[str, ...]) -> frozenset[str] | None:
    """Return the names by which a server may be called; None for any.

    Args:
        host: Where it listens.
        allowed: Names that were allowed beside.
    """
    names = frozenset(name.lower() for name in allowed)
    if host.lower() in LOOPBACK or host.startswith("127."):
        return LOOPBACK | {host.lower()} | names
    return names | LOOPBACK | {host.lower()} if names else None


def run_server(
    folders: Mapping[str, Path],
    asked: Mapping[str, Any],
    limits: Limits,
    access: Access,
    listening: socket.socket,
    *,
    say: Callable[[Service], None],
    log: bool = False,
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
    """
    give_memory_back()
    asyncio.run(_serve(folders, asked, limits, access, listening, say, log))


async def _serve(
    folders: Mapping[str, Path],
    asked: Mapping[str, Any],
    limits: Limits,
    access: Access,
    listening: socket.socket,
    say: Callable[[Service], None],
    log: bool,
) -> None:
    service = Service(folders, asked, limits)
    try:
        figures = HttpFigures()
        app = make_app(service, access, figures, log=log)
        server = _Server(
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

        _heed(stop)
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


def _heed(stop: Callable[[], None]) -> None:
    """Have the signals that end a process stop the server, but those that it was told to ignore."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            continue
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
