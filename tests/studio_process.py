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
    """A studio in a process of its own.

    Attributes:
        process: It.
        way_in: With the token: opens the page once.
        cookie: Of a page that has it open; empty as long as none has.
    """

    process: subprocess.Popen[str]
    way_in: str
    cookie: str = ""

    @property
    def address(self) -> str:
        return self.way_in.partition("/?")[0]

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def enter(self) -> None:
        """Open the page by its address."""
        with contextlib.closing(self.connect()) as connection:
            connection.request("GET", self.way_in.removeprefix(self.address))
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

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Return the exit code, and what was said after the start."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out


@contextlib.contextmanager
def open_studio(folder: Path | None, cache: Path, *arguments: object) -> Iterator[RunningStudio]:
    """Start a studio, at any free port unless the arguments name one, and end it."""
    where = [] if "--port" in arguments else ["--port", "0"]
    command = system.command("studio", *([folder] if folder else []), *arguments, *where)
    process = subprocess.Popen(
        [*command, "--no-browser"],
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
            found = re.search(r"http://\S+token=\S+", line)
        yield RunningStudio(process, found[0])
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


@contextlib.contextmanager
def entered_studio(folder: Path, cache: Path, *arguments: object) -> Iterator[RunningStudio]:
    """Likewise, and open its page."""
    with open_studio(folder, cache, *arguments) as studio:
        studio.enter()
        yield studio
