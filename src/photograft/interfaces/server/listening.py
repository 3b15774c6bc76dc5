"""What servers of any kind begin and end with: a socket, names, and the signals that stop them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import sys
from collections.abc import Callable, Iterator

import uvicorn

from photograft.core.errors import InputError

#: The names of this machine for itself.
LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


class Server(uvicorn.Server):
    """Leaves signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: see `heed`."""
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


def heed(stop: Callable[[], None]) -> None:
    """Have the signals that end a process stop the server, but those that it was told to ignore."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            continue
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
