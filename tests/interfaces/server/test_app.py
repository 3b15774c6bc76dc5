"""The application by itself: what happens where something within it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from photograft.interfaces.server.app import make_app
from photograft.workflows.serve import Service
from photograft.workflows.serving.model import Model
from photograft.workflows.serving.pages import (
    PageBusyError,
    PageError,
    PageFailedError,
    Pages,
)

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


def test_no_page_is_made_while_it_stops(run_path: Path) -> None:
    async def ask(client: httpx.AsyncClient, service: Service) -> httpx.Response:
        service.is_draining = True
        return await client.get("/classifiers/x/page")

    reply = asked(run_path, ask)
    assert (reply.status_code, reply.json()["detail"]) == (503, "the server is stopping")
    assert "retry-after" in reply.headers


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (PageError("it has a ViT"), 404, "there is no page of it: it has a ViT"),
        (PageBusyError("the classifier is being changed"), 503, "the classifier is being changed"),
        (PageFailedError("no room"), 500, "making the page failed; the log says why"),
        (None, 202, "the page is still being made"),
    ],
    ids=["not-found", "busy", "failed", "slow"],
)
def test_why_there_is_no_page(
    run_path: Path,
    caplog: pytest.LogCaptureFixture,
    error: PageError | None,
    status: int,
    said: str,
) -> None:
    class Hindered(Pages):
        async def get(self, model: Model) -> Path:
            if error is not None:
                raise error
            await asyncio.sleep(60)
            raise AssertionError

    async def ask(client: httpx.AsyncClient, service: Service) -> httpx.Response:
        service.pages = Hindered(are_had=True)
        service.limits = replace(service.limits, timeout=0.05)
        return await client.get("/classifiers/x/page")

    reply = asked(run_path, ask)
    assert (reply.status_code, reply.json()["detail"]) == (status, said)
    assert ("retry-after" in reply.headers) == (status in (202, 503))
    assert ("no room" in caplog.text) == (status == 500)


def test_what_the_page_is_told_is_found_out_once_for_each_classifier(run_path: Path) -> None:
    looked: list[str] = []

    class Counted(Pages):
        def hindrance(self, model: Model) -> str:
            looked.append(model.checksum)
            return f"hindered {len(looked)}"

    async def ask(client: httpx.AsyncClient, service: Service) -> list[str]:
        async def hindrance() -> str:
            (told,) = (await client.get("/classifiers")).json()["classifiers"]
            return str(told["page"]["hindered_by"])

        service.pages = Counted(are_had=True)
        found = [await hindrance(), await hindrance()]
        (served,) = service.models.all()
        changed = replace(served, model=replace(served.model, checksum="another"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(service.models, "all", lambda: [changed])
            return [*found, await hindrance()]

    assert asked(run_path, ask) == ["hindered 1", "hindered 1", "hindered 2"]
    assert looked[1] == "another"
