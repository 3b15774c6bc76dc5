"""A server in a process of its own, for benchmarks: started, watched and ended."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Server:
    """One that answers.

    Attributes:
        process: Of it.
        host: Where it listens.
        port: Likewise.
        seconds_to_ready: From its start until it says that it answers.
        log: What it has said on standard error, a file.
    """

    process: subprocess.Popen[str]
    host: str
    port: int
    seconds_to_ready: float
    log: Path

    def resident_mb(self) -> float:
        """Return the memory of all its processes; Linux only."""
        pages = 0
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        children = [number for task in tasks for number in task.read_text().split()]
        for number in (self.process.pid, *children):
            with contextlib.suppress(OSError):
                pages += int(Path(f"/proc/{number}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def started(folder: Path, *arguments: object) -> Iterator[Server]:
    """Start ``photograft serve`` on any free port, and end it.

    Args:
        folder: For its log.
        arguments: Of the command, the classifiers first.
    """
    command = [sys.executable, "-m", "photograft", "serve", *map(str, arguments), "--port", "0"]
    log = folder / "server.log"
    with log.open("w") as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            assert process.stdout is not None
            found = None
            while found is None:
                line = process.stdout.readline()
                if not line:
                    raise RuntimeError(log.read_text())
                found = re.match(r"Serving at http://([\d.]+):(\d+)", line)
            seconds = time.perf_counter() - begin
            yield Server(process, found[1], int(found[2]), seconds, log)
        finally:
            process.terminate()
            process.communicate(timeout=90)
