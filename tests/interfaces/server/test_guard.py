"""Who is answered, what is refused, and how each refusal is told."""

from __future__ import annotations

import io
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

import system_helpers as system
from server_helpers import RunningServer, form, png_bomb, serving

pytestmark = pytest.mark.usefixtures("warm_cache")

BEGINNING = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One with a token and narrow limits."""
    run = system.shared_run(tmp_path_factory)
    options = (
        *("--token", "let me in", "--max-bytes", 60_000, "--max-pixels", 100_000),
        *("--max-files", 2, "--max-per-client", 3, "--timeout", 1),
    )
    with serving(system.shared_cache(tmp_path_factory), run, *options) as found:
        yield found


KEY = {"Authorization": "Bearer let me in"}


@pytest.mark.parametrize(
    "shown", ["", "let me in", "Bearer", "Bearer let me i", "Bearer let me in!", "Basic let me in"]
)
@pytest.mark.parametrize("place", ["/v2/models", "/metrics", "/v2", "/predict", "/classifiers"])
def test_a_wrong_token(strict: RunningServer, shown: str, place: str) -> None:
    reply = strict.ask(place, headers={"Authorization": shown})
    assert (reply.status, "Bearer" in reply.detail) == (401, True)
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert "classif" not in reply.body.decode().lower()


def test_the_right_token(strict: RunningServer, photo: bytes) -> None:
    assert strict.send_photo(photo, **KEY).status == 200
    assert strict.ask("/v2/models", headers={"Authorization": "bearer  let me in "}).status == 200


@pytest.mark.parametrize("place", ["/", "/docs", "/openapi.json", "/v2/health/ready"])
def test_what_says_nothing_needs_no_token(strict: RunningServer, place: str) -> None:
    assert strict.ask(place).status == 200


def test_the_token_is_not_said(strict: RunningServer) -> None:
    assert "let me in" not in "\n".join(strict.said)
    assert "Authorization: Bearer TOKEN" in strict.said[-1]


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "LOCALHOST", "[::1]:80"])
def test_names_of_this_machine(server: RunningServer, host: str) -> None:
    assert server.ask("/v2", headers={"Host": host}).status == 200


@pytest.mark.parametrize("host", ["example.org", "localhost.example.org", "127.0.0.1.nip.io", ""])
def test_other_names_are_refused(server: RunningServer, host: str) -> None:
    """A page of another site can have its own name lead here: its browser would say that name."""
    reply = server.ask("/v2", headers={"Host": host})
    assert (reply.status, "Host" in reply.detail) == (400, True)


@pytest.mark.parametrize("origin", ["http://example.org", "null", "https://[", "http://localhost"])
def test_pages_of_other_sites_are_refused(server: RunningServer, origin: str) -> None:
    assert server.ask("/v2", headers={"Origin": origin}).status == 403


def test_the_own_page_is_answered(server: RunningServer) -> None:
    headers = {"Origin": f"http://localhost:{server.port}", "Host": f"localhost:{server.port}"}
    assert server.ask("/v2", headers=headers).status == 200


def test_a_name_that_was_allowed(
    warm_cache: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run, cache = system.shared_run(tmp_path_factory), system.shared_cache(tmp_path_factory)
    with serving(cache, run, "--allow-host", "photos.Example.org") as server:
        assert server.ask("/v2", headers={"Host": "photos.example.org"}).status == 200
        assert server.ask("/v2", headers={"Host": "example.org"}).status == 400


def test_too_many_bytes(strict: RunningServer) -> None:
    reply = strict.send_photo(bytes(60_001), **KEY)
    assert (reply.status, "60,000 bytes" in reply.detail) == (413, True)


def test_too_many_bytes_that_nobody_announced(strict: RunningServer) -> None:
    chunk = b"4000\r\n" + bytes(0x4000) + b"\r\n"
    found = strict.raw(
        BEGINNING + b"Authorization: Bearer let me in\r\nConnection: close\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n",
        *[chunk] * 5,
        b"0\r\n\r\n",
    )
    assert found.startswith(b"HTTP/1.1 413 ")


def test_too_many_pixels(strict: RunningServer) -> None:
    data = io.BytesIO()
    Image.new("L", (1000, 101)).save(data, "PNG")
    reply = strict.send_photo(data.getvalue(), **KEY)
    assert (reply.status, "100,000" in reply.detail) == (413, True)


def test_too_many_files(strict: RunningServer, photo: bytes) -> None:
    body, headers = form(b"a", b"b", b"c")
    reply = strict.ask("/predict", body, {**headers, **KEY})
    assert (reply.status, "2 photos" in reply.detail) == (413, True)


def test_too_many_parts_of_a_form(strict: RunningServer) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x", **KEY}
    assert strict.ask("/predict", part * 100 + b"--x--\r\n", headers).status == 413


def test_too_many_requests_of_one_address(strict: RunningServer) -> None:
    connections = []
    try:
        for _ in range(4):
            connection = socket.create_connection((strict.host, strict.port), timeout=20)
            connections.append(connection)
            connection.sendall(
                BEGINNING + b"Authorization: Bearer let me in\r\nContent-Length: 9\r\n\r\n"
            )
            time.sleep(0.05)
        answers = [connection.recv(200).split(b"\r\n")[0] for connection in connections]
    finally:
        for connection in connections:
            connection.close()
    assert sorted(answer.split()[1] for answer in answers) == [b"408", b"408", b"408", b"429"]


def test_a_head_that_is_too_long(server: RunningServer) -> None:
    begin = b"GET /v2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nA: "
    for sent in ([begin + b"b" * 100_000 + b"\r\n\r\n"], [begin, *[b"b" * 9_000] * 3]):
        found = server.raw(*sent, pause=0.05)
        assert found.startswith(b"HTTP/1.1 431 ")
        assert b"application/problem+json" in found


@pytest.mark.parametrize(
    "sent",
    [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nA b\r\n\r\n", b"\0" * 99],
)
def test_what_is_no_http(server: RunningServer, sent: bytes) -> None:
    found = server.raw(sent + b"\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 400 ")
    body = json.loads(found.split(b"\r\n\r\n", 1)[1])
    assert body["detail"] == "that is no HTTP request"


def test_a_body_that_breaks_off(server: RunningServer, photo: bytes) -> None:
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        connection.sendall(BEGINNING + b"Content-Length: 500\r\n\r\n" + photo[:100])
    assert server.send_photo(photo).status == 200


def test_slow_senders_are_let_go(strict: RunningServer) -> None:
    began = time.monotonic()
    found = strict.raw(
        BEGINNING + b"Authorization: Bearer let me in\r\nContent-Length: 500\r\n\r\n",
        *[b"x"] * 8,
        pause=0.2,
    )
    assert found.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in found.lower()
    assert time.monotonic() - began < 10


def test_bombs_do_not_take_the_memory(server: RunningServer, photo: bytes) -> None:
    """Many at once are decoded a few at a time, in other processes."""
    bomb, larger = png_bomb(3000), png_bomb(7100)
    assert len(bomb) < 100_000
    assert server.send_photo(larger).status == 413
    server.send_photo(bomb)
    before = server.resident_mb()
    with ThreadPoolExecutor(8) as threads:
        statuses = [reply.status for reply in threads.map(server.send_photo, [bomb] * 8)]
    assert statuses == [200] * 8
    assert server.resident_mb() < 1.1 * before
    assert server.send_photo(photo).status == 200


def test_where_there_is_no_room_it_is_said_and_when_there_will_be(
    warm_cache: Path, run_path: Path, photo: bytes
) -> None:
    bomb, body, kind = png_bomb(5000), *form(photo, photo)
    with serving(warm_cache, run_path, "--max-queue", 2) as server, ThreadPoolExecutor(2) as two:
        slow = [two.submit(server.send_photo, bomb) for _ in range(2)]
        deadline = time.monotonic() + 20
        while (ready := server.ask("/v2/health/ready")).status == 200:
            assert time.monotonic() < deadline
        for reply in (ready, server.send_photo(photo), server.ask("/predict", body, kind)):
            assert (reply.status, int(reply.headers["retry-after"]) >= 1) == (503, True)
        assert server.ask("/v2/health/live").status == 200
        assert [task.result().status for task in slow] == [200, 200]
        assert server.ask("/predict", body, kind).status == 200


def test_an_answer_that_takes_too_long(warm_cache: Path, run_path: Path, photo: bytes) -> None:
    with serving(warm_cache, run_path, "--timeout", 0.3) as server:
        reply = server.send_photo(png_bomb(5000))
        assert (reply.status, "no answer within 0.3 seconds" in reply.detail) == (503, True)
        assert int(reply.headers["retry-after"]) >= 1
        deadline = time.monotonic() + 20
        while server.send_photo(photo).status != 200:
            assert time.monotonic() < deadline


def test_a_jpeg_of_countless_scans(server: RunningServer, photo: bytes) -> None:
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    reply = server.send_photo(photo[:-2] + scan * 500 + b"\xff\xd9")
    assert (reply.status, "scans" in reply.detail) == (413, True)


def test_every_answer_forbids_to_guess_and_to_keep(server: RunningServer, photo: bytes) -> None:
    for reply in (server.ask("/"), server.send_photo(photo), server.ask("/nothing")):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cache-control"] == "no-store"
        assert "server" not in reply.headers


def test_other_addresses_and_methods(server: RunningServer) -> None:
    assert server.ask("/nothing").status == 404
    assert server.ask("/v2/models/").status == 404
    reply = server.ask("/predict")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert server.ask("/v2", method="HEAD").status == 200
    assert server.ask("/v2", b"", method="DELETE").status == 405
