"""Connections that are slow, too many, or never read: each has an end."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import system_helpers as system
from server_helpers import RunningServer, running

CODE = """
import sys
from pathlib import Path
from photograft.interfaces.server.guard import Access
from photograft.interfaces.server.listening import open_socket
from photograft.interfaces.server.running import run_server
from photograft.workflows.serving.limits import Limits

limits = Limits(header_seconds=0.5, timeout=0.5, max_connections=5)
with open_socket("127.0.0.1", 0) as listening:
    def say(service):
        print("at http://%s:%d" % listening.getsockname())
        print("Try it:", flush=True)
    run_server({"x": Path(sys.argv[1])}, {}, limits, Access(), listening, say=say)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One that has no patience."""
    run = system.shared_run(tmp_path_factory)
    command = [sys.executable, "-c", CODE, str(run)]
    with running(command, system.shared_cache(tmp_path_factory)) as found:
        yield found


def connections(server: RunningServer) -> int:
    [line] = [
        line
        for line in server.ask("/metrics").body.decode().splitlines()
        if line.startswith("photograft_connections ")
    ]
    return int(line.split()[1])


def wait_until_alone(server: RunningServer) -> None:
    deadline = time.monotonic() + 20
    while connections(server) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("sent", [b"", b"G", b"GET /v2 HTTP/1.1\r\nHost: loc"])
def test_a_head_that_does_not_come(server: RunningServer, sent: bytes) -> None:
    began = time.monotonic()
    assert server.raw(sent).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 5


def test_a_head_that_comes_byte_by_byte(server: RunningServer) -> None:
    head = b"GET /v2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert server.raw(*(bytes([byte]) for byte in head), pause=0.05).startswith(b"HTTP/1.1 408 ")


def test_the_second_request_of_a_connection_has_its_own_time(server: RunningServer) -> None:
    head = b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        for _ in range(3):
            connection.sendall(head)
            found = b""
            while not found.endswith(b"}"):
                found += connection.recv(65536)
            assert found.startswith(b"HTTP/1.1 200 ")
            time.sleep(0.4)
        connection.sendall(head[:20])
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_more_connections_than_may_be(server: RunningServer) -> None:
    wait_until_alone(server)
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(socket.create_connection((server.host, server.port), timeout=20))
        reply = server.ask("/v2")
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert reply.detail
    wait_until_alone(server)
    assert server.ask("/v2").status == 200


def test_who_asks_and_never_reads_is_let_go(server: RunningServer) -> None:
    """What waits to be read would be kept for as long as the client stays."""
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000
    with socket.create_connection((server.host, server.port), timeout=5) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(asked)
        wait_until_alone(server)
    assert server.ask("/v2").status == 200


def test_who_has_said_all_is_still_answered(server: RunningServer, photo: bytes) -> None:
    head = (
        "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
        f"Content-Length: {len(photo)}\r\n\r\n"
    )
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        connection.sendall(head.encode() + photo)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while piece := connection.recv(65536):
            found += piece
    assert found.startswith(b"HTTP/1.1 200 ")
    wait_until_alone(server)


def test_nothing_is_said_of_it(server: RunningServer) -> None:
    code, out, err = server.stop()
    assert (code, out, err) == (0, "", "")
    assert not Path(f"/proc/{server.process.pid}").exists()
