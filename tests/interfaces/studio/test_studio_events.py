"""Events: each page is told the latest of each kind, signs of life, and when it is over."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

from photograft.interfaces.studio.events import Events


def told(part: bytes) -> Any:
    return json.loads(part.decode().removeprefix("data: "))


def test_a_slow_page_gets_the_latest_of_each_kind() -> None:
    async def listen() -> list[Any]:
        events = Events()
        stream = events.stream()
        await anext(stream)  # it is there from now on
        for revision in range(1000):
            events.publish({"type": "project", "revision": revision})
        for done in range(100):
            events.publish({"type": "job", "job": {"id": "a", "done": done}})
            events.publish({"type": "job", "job": {"id": "b", "done": done}})
        found = [told(await anext(stream)) for _ in range(3)]
        events.close()
        assert [part async for part in stream] == []
        return found

    assert asyncio.run(listen()) == [
        {"type": "project", "revision": 999},
        {"type": "job", "job": {"id": "a", "done": 99}},
        {"type": "job", "job": {"id": "b", "done": 99}},
    ]


def test_from_any_thread_to_every_page() -> None:
    async def listen() -> list[Any]:
        events = Events()
        streams = [events.stream(), events.stream()]
        for stream in streams:
            await anext(stream)
        thread = threading.Thread(target=events.publish, args=({"type": "live", "ä": "\n\n"},))
        thread.start()
        found = [told(await asyncio.wait_for(anext(stream), 10)) for stream in streams]
        thread.join()
        for stream in streams:
            await stream.aclose()
        events.publish({"type": "live"})  # nobody is there any more
        return found

    assert asyncio.run(listen()) == [{"type": "live", "ä": "\n\n"}] * 2


def test_signs_of_life() -> None:
    async def listen() -> bytes:
        stream = Events(heartbeat=0.01).stream()
        await anext(stream)
        found = await anext(stream)
        await stream.aclose()
        return found

    assert asyncio.run(listen()).startswith(b":")


def test_no_page_begins_to_listen_once_it_is_over() -> None:
    async def listen() -> list[bytes]:
        events = Events()
        events.close()
        return [part async for part in events.stream()]

    assert asyncio.run(listen()) == []
