"""What the tests of the server share: one in a process of its own, and ways to ask it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import system_helpers as system


@dataclass(frozen=True)
class Reply:
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.json
        assert problem["status"] == self.status
        assert problem["type"].startswith("/docs#")
        return str(problem["detail"])


@dataclass
class RunningServer:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    host: str
    port: int
    said: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def ask(
        self,
        place: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        method: str = "",
    ) -> Reply:
        """GET, or POST where there is a body, on a connection of its own."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(
                method or ("GET" if body is None else "POST"), place, body, dict(headers or {})
            )
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, found, response.read())

    def send_photo(self, body: bytes, place: str = "/predict", **headers: str) -> Reply:
        return self.ask(place, body, {"Content-Type": "image/jpeg", **headers})

    def raw(self, *parts: bytes, pause: float = 0.0, wait: float = 30.0) -> bytes:
        """Send bytes as they are and return all that comes until the server closes."""
        with socket.create_connection((self.host, self.port), timeout=wait) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for part in parts:
                    connection.sendall(part)
                    time.sleep(pause)
            found = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(65536):
                    found += piece
            return found

    def resident_mb(self) -> float:
        """Return the memory of all its processes; Linux only."""
        pages = 0
        for number in (self.process.pid, *children_of(self.process.pid)):
            pages += int(Path(f"/proc/{number}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Return the exit code, and what was said after the start."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@contextlib.contextmanager
def serving(
    cache: Path, *arguments: object, env: Mapping[str, str] | None = None
) -> Iterator[RunningServer]:
    """Start a server on any free port, and end it."""
    with running(system.command("serve", *arguments, "--port", "0"), cache, env) as found:
        yield found


@contextlib.contextmanager
def running(
    command: Sequence[str], cache: Path, env: Mapping[str, str] | None = None
) -> Iterator[RunningServer]:
    """Start what says when it serves, and end it."""
    process = subprocess.Popen(
        command,
        env={**os.environ, "PHOTOGRAFT_CACHE": str(cache), **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said: list[str] = []
        while not said or not said[-1].startswith("Try it:"):
            line = process.stdout.readline()
            assert line, process.communicate()
            said.append(line.rstrip("\n"))
        found = re.search(r"http://([\d.]+):(\d+)", "\n".join(said))
        assert found is not None
        yield RunningServer(process, found[1], int(found[2]), said)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def form(*files: bytes, boundary: str = "limit") -> tuple[bytes, dict[str, str]]:
    """Return the body of a form that holds files, and its headers."""
    parts = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{i}.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n".encode()
        + data
        + b"\r\n"
        for i, data in enumerate(files)
    )
    return (
        parts + f"--{boundary}--\r\n".encode(),
        {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )


def children_of(process_id: int) -> set[int]:
    """Return the processes that a process has started, by any of its threads; Linux only."""
    tasks = Path(f"/proc/{process_id}/task").glob("*/children")
    return {int(number) for task in tasks for number in task.read_text().split()}


def python(code: str, *arguments: str) -> str:
    """Run code in a fresh interpreter, with no warning turned into an error; return its output."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def png_bomb(side: int) -> bytes:
    """A PNG of so many pixels a side, all of them in few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    packer = zlib.compressobj(9)
    row = bytes(1 + side * 3)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
