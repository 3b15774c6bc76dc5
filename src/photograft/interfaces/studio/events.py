"""Server-sent events: what has changed, told to every open page.

Of each kind of event a page that is slow gets the latest only: each says how things are, not what
was added.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator
from typing import Any

#: Seconds between two signs of life.
HEARTBEAT = 15.0


class Events:
    """Tells pages what has changed; `publish` may be called from any thread.

    Args:
        heartbeat: Seconds between two signs of life.
    """

    def __init__(self, heartbeat: float = HEARTBEAT) -> None:
        self._heartbeat = heartbeat
        self._lock = threading.Lock()
        self._pages: set[_Page] = set()
        self._is_closed = False

    def publish(self, event: dict[str, Any]) -> None:
        """Tell an event to all pages.

        Args:
            event: In JSON types, with its `type`.
        """
        with self._lock:
            pages = list(self._pages)
        for page in pages:
            page.put(event)

    async def stream(self) -> AsyncGenerator[bytes]:
        """Yield what a page is sent, until it goes or the studio stops."""
        page = _Page(asyncio.get_running_loop())
        with self._lock:
            if self._is_closed:
                return
            self._pages.add(page)
        try:
            yield b"retry: 1000\n\n"
            while True:
                try:
                    async with asyncio.timeout(self._heartbeat):
                        events = await page.take()
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                for event in events:
                    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
                    yield b"data: " + text.encode("utf-8", "backslashreplace") + b"\n\n"
                if page.is_closed:
                    return
        finally:
            with self._lock:
                self._pages.discard(page)

    def close(self) -> None:
        """End all streams, and those to come."""
        with self._lock:
            self._is_closed = True
            pages = list(self._pages)
        for page in pages:
            page.close()


class _Page:
    """The events that a page was not sent yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._waiting: dict[tuple[Any, Any], dict[str, Any]] = {}
        self._is_there = asyncio.Event()
        self.is_closed = False

    def put(self, event: dict[str, Any]) -> None:
        job = event.get("job")
        key = (event.get("type"), job.get("id") if isinstance(job, dict) else None)
        with self._lock:
            self._waiting.pop(key, None)  # so that the latest stands where it happened
            self._waiting[key] = event
        self._wake()

    def close(self) -> None:
        self.is_closed = True
        self._wake()

    async def take(self) -> list[dict[str, Any]]:
        await self._is_there.wait()
        self._is_there.clear()
        with self._lock:
            events = list(self._waiting.values())
            self._waiting.clear()
        return events

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._is_there.set)
        except RuntimeError:  # the loop has ended, and the page with it
            return
