"""What the tests of the studio share: one in a process of its own, and a page that has it open."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import system_helpers as system


@dataclass
class RunningStudio:
    """A studio in a process of its own, and the cookie of a page that has it open."""

    process: subprocess.Popen[str]
    port: int
    address: str
    cookie: str = ""

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def enter(self) -> None:
        """Open the page by its address."""
        with contextlib.closing(self.connect()) as connection:
            connection.request("GET", self.address.partition(str(self.port))[2])
            reply = connection.getresponse()
            assert reply.status == 303
            self.cookie = reply.headers["Set-Cookie"].partition(";")[0]

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Cookie": self.cookie, "X-Photograft": "studio"}

    def ask(self, place: str, body: bytes | None = None) -> tuple[int, bytes]:
        """GET, or POST where there is a body, on a connection of its own."""
        with contextlib.closing(self.connect()) as connection:
            method = "GET" if body is None else "POST"
            connection.request(method, place, body, dict(self.headers))
            reply = connection.getresponse()
            return reply.status, reply.read()

    def json(self, place: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        status, found = self.ask(place, data)
        assert status == 200, found
        return json.loads(found)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Return the exit code, and what was said after the start."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out


@contextlib.contextmanager
def running_studio(cache: Path, *arguments: object, port: int = 0) -> Iterator[RunningStudio]:
    """Start a studio, open its page, and end it."""
    process = subprocess.Popen(
        system.command("studio", *arguments, "--port", port, "--no-browser"),
        env={**os.environ, "PHOTOGRAFT_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = None
        said = []
        while found is None:
            line = process.stdout.readline()
            said.append(line)
            assert line, said
            found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=\S+", line)
        studio = RunningStudio(process, int(found[1]), found[0])
        studio.enter()
        yield studio
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        if process.stdout is not None:
            process.stdout.close()
