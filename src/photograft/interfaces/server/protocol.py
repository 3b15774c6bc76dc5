"""HTTP on a connection: uvicorn's, with an end to what is slow, too many or too long."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from photograft.interfaces.server.metrics import HttpFigures
from photograft.interfaces.server.problems import (
    KINDS,
    MAX_HEAD,
    MEDIA_TYPE,
    ProblemError,
    body_of,
    busy,
    head_too_large,
)
from photograft.workflows.serving.limits import Limits

#: Seconds that a connection is kept open for another request.
KEEP_ALIVE = 30
#: Seconds in which a client reads what is written before a connection is closed.
_LAST_WORDS = 5


def protocol_of(limits: Limits, figures: HttpFigures) -> type[H11Protocol]:
    """Return the protocol of a server's connections.

    Args:
        limits: What is refused beyond.
        figures: Where connections are counted.
    """

    class Protocol(H11Protocol):
        """A connection. The time for a head begins with its first byte, or with the connection."""

        _timer: asyncio.TimerHandle | None = None
        _patience: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(cast(asyncio.Transport, transport))
            figures.num_connections = len(self.connections)
            if len(self.connections) > limits.max_connections:
                self._tell(busy("there are more connections than are taken on", 1))
            else:
                self._arm()

        def connection_lost(self, exc: Exception | None) -> None:
            self._disarm()
            self._stop_waiting()
            super().connection_lost(exc)
            figures.num_connections = len(self.connections)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._is_within_head():
                self._arm()
            else:
                self._disarm()

        def eof_received(self) -> bool:  # type: ignore[override]
            """Close, unless a whole request has come: its answer can still be read."""
            is_asked = self.cycle is not None and not self.cycle.response_complete
            if is_asked and not self.cycle.more_body:
                self.cycle.keep_alive = False
                return True
            return False

        def pause_writing(self) -> None:
            super().pause_writing()
            self._wait_for_reader(limits.timeout)

        def resume_writing(self) -> None:
            self._stop_waiting()
            super().resume_writing()

        def timeout_keep_alive_handler(self) -> None:
            super().timeout_keep_alive_handler()
            self._wait_for_reader(_LAST_WORDS)

        def send_400_response(self, msg: str) -> None:
            del msg
            if getattr(sys.exception(), "error_status_hint", 400) == 431:
                self._tell(head_too_large())
            else:
                self._tell(ProblemError("bad-request", "that is no HTTP request"))

        def _is_within_head(self) -> bool:
            is_idle = self.cycle is None or self.cycle.response_complete
            return is_idle and self.conn.their_state is h11.IDLE

        def _arm(self) -> None:
            if self._timer is None:
                self._timer = self.loop.call_later(limits.header_seconds, self._end)

        def _disarm(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _wait_for_reader(self, seconds: float) -> None:
            """Give the connection up, if what was written is not read by then."""
            self._stop_waiting()
            self._patience = self.loop.call_later(seconds, self.transport.abort)

        def _stop_waiting(self) -> None:
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None

        def _end(self) -> None:
            self._timer = None
            if not self.transport.is_closing() and self._is_within_head():
                seconds = f"{limits.header_seconds:g}"
                self._tell(
                    ProblemError("too-slow", f"the head did not arrive within {seconds} seconds")
                )

        def _tell(self, problem: ProblemError) -> None:
            """Answer at once, whatever came, and close."""
            kind = KINDS[problem.kind]
            figures.add("none", kind.status, 0.0)
            if self.cycle is None or self.cycle.response_complete:
                body = body_of(problem)
                headers = {
                    "content-type": MEDIA_TYPE,
                    "content-length": str(len(body)),
                    "connection": "close",
                    **problem.headers,
                }
                lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                head = f"HTTP/1.1 {kind.status} {kind.title}\r\n{lines}\r\n"
                self.transport.write(head.encode("latin-1") + body)
            self.transport.close()
            self._wait_for_reader(_LAST_WORDS)

    return Protocol


def protocol_settings() -> dict[str, Any]:
    """Return uvicorn's settings that go with it."""
    return {
        "h11_max_incomplete_event_size": MAX_HEAD,
        "timeout_keep_alive": KEEP_ALIVE,
        "ws": "none",
        "lifespan": "off",
        "access_log": False,
        "log_config": None,
        "log_level": "critical",
        "server_header": False,
        "proxy_headers": False,
        "backlog": 1024,
    }
