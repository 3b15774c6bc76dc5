"""A request and its answer, as far as they have come; and what every answer says."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from photograft.interfaces.server.bodies import dropped

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Body:
    """The body of a request, as far as it has come.

    Attributes:
        is_read: Whether all of it has come.
        is_expected: Whether the client waits for a word before it sends it.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        self.is_read, self.is_expected = not has_body, "expect" in headers
        self._receive = receive

    async def receive(self) -> Message:
        """Return the next part of it."""
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            self.is_read = True
        return message


class Answer:
    """The answer to a request, as far as it was sent.

    Args:
        send: What sends it.
        headers: Those that every answer has, unless it says otherwise.

    Attributes:
        status: Of HTTP; 0 as long as nothing was sent.
    """

    def __init__(self, send: Send, headers: Mapping[str, str] = HEADERS) -> None:
        self._send, self._headers = send, headers
        self.status = 0

    async def send(self, message: Message) -> None:
        """Send a part of it."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers.setdefault(name, value)
        await self._send(message)


def name_of(host: str) -> str:
    """Return the name in a header ``Host``, in small letters and without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


async def is_left_unread(scope: Scope, body: Body) -> bool:
    """Take what is left of a body that was refused; return whether there is more than that."""
    if not body.is_read and not body.is_expected:
        await dropped(Request(scope, body.receive))
    return not body.is_read
