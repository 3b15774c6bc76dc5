"""The page, the documentation and the counts: whole, offline, and true."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from photograft.interfaces.server.problems import KINDS
from photograft.interfaces.server.schemas import schemas
from server_helpers import RunningServer

pytestmark = pytest.mark.usefixtures("warm_cache")


@pytest.mark.parametrize("place", ["/", "/docs"])
def test_pages_load_nothing_from_elsewhere(server: RunningServer, place: str) -> None:
    reply = server.ask(place)
    assert reply.status == 200
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in re.sub(r"style-src [^;]*", "", policy)
    text = reply.body.decode()
    assert not re.search(r"(?:src=|href=|url\(|import |fetch\()[\"'`]?(?:https?:)?//", text)
    assert not re.search(r"<script src|\son\w+=\"|javascript:", text)


def test_the_documentation_says_every_address_and_problem(server: RunningServer) -> None:
    text = html.unescape(server.ask("/docs").body.decode())
    document = server.ask("/openapi.json").json
    for place in document["paths"]:
        assert place in text
    for name, kind in KINDS.items():
        assert f'id="{name}"' in text
        assert kind.title in text


def test_the_description_is_of_what_there_is(server: RunningServer) -> None:
    document = server.ask("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    for place, methods in document["paths"].items():
        address = place.replace("{model}", "shapes").replace("{version}", "x")
        for method in ("get", "post"):
            reply = server.ask(address, b"" if method == "post" else None)
            assert (reply.status == 405) == (method not in methods), (method, place)
            if method in methods:
                assert str(reply.status) in methods[method]["responses"], (method, place)
    named = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert named == set(schemas())


def test_prometheus_reads_the_counts(server: RunningServer, photo: bytes) -> None:
    before = counts(server)
    assert server.send_photo(photo).status == 200
    assert server.send_photo(b"").status == 422
    after = counts(server)

    def more(name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return after[key] - before.get(key, 0)

    assert more("photograft_requests_total", route="predict", status="200") == 1
    assert more("photograft_requests_total", route="predict", status="422") == 1
    assert more("photograft_request_seconds_count", route="predict") == 2
    assert more("photograft_batch_photos_count", classifier="shapes") == 1
    assert more("photograft_batch_photos_sum", classifier="shapes") == 1
    assert more("photograft_batch_seconds_bucket", classifier="shapes", le="+Inf") == 1
    assert more("photograft_decisions_total", classifier="shapes", decision="unreadable") == 1
    assert after["photograft_queue_photos", ()] == 0
    assert after["photograft_requests_in_flight", ()] == 1
    assert after["photograft_ready", ()] == 1


def counts(server: RunningServer) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    reply = server.ask("/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(reply.body.decode())
        for sample in family.samples
    }


def test_it_needs_no_torch(server: RunningServer) -> None:
    assert "libtorch" not in Path(f"/proc/{server.process.pid}/maps").read_text()
