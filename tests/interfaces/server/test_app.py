"""The application by itself: what happens where something within it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from photograft.interfaces.server.app import make_app
from photograft.workflows.serve import Service

pytestmark = pytest.mark.usefixtures("warm_cache")


def asked(run_path: Path, ask: Callable[[httpx.AsyncClient, Service], Awaitable[Any]]) -> Any:
    """Return what came of asking an application in this process."""

    async def main() -> Any:
        service = Service({"x": run_path})
        try:
            transport = httpx.ASGITransport(make_app(service))
            base = "http://localhost"
            async with httpx.AsyncClient(transport=transport, base_url=base) as client:
                return await ask(client, service)
        finally:
            service.close()

    return asyncio.run(main())


def test_a_fault_is_told_without_what_was_sent(
    run_path: Path, photo: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Service, served: object, photos: list[bytes]) -> None:
        raise KeyError(photos[0])

    monkeypatch.setattr(Service, "answer", fail)

    async def ask(client: httpx.AsyncClient, service: Service) -> httpx.Response:
        kind = {"Content-Type": "image/jpeg"}
        return await client.post("/predict", content=b"secret", headers=kind)

    with caplog.at_level(logging.WARNING):
        reply = asked(run_path, ask)
    assert (reply.status_code, reply.json()["type"]) == (500, "/docs#failed")
    [record] = caplog.records
    assert "a request failed by KeyError" in record.getMessage()
    assert "secret" not in caplog.text + reply.text


def test_who_comes_while_it_stops_is_sent_away(run_path: Path, photo: bytes) -> None:
    async def ask(client: httpx.AsyncClient, service: Service) -> list[httpx.Response]:
        service.is_draining = True
        kind = {"Content-Type": "image/jpeg"}
        return [
            await client.post("/predict", content=photo, headers=kind),
            await client.get("/v2/health/ready"),
            await client.get("/v2/health/live"),
        ]

    replies = asked(run_path, ask)
    assert [reply.status_code for reply in replies] == [503, 503, 200]
    assert all("retry-after" in reply.headers for reply in replies[:2])
