"""Hostile requests to a server, and many: ``python -m benchmarks.serving_fuzz RUN --count 100000``.

Each is drawn by its number and the seed from the kinds in `hostile`. What must hold: no answer of
5xx but 503 with ``Retry-After``, none that takes long, and memory that ends where it was once all
kinds had come. `serving_soak` sends well meant ones.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import re
import socket
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.common import report
from benchmarks.hostile import draw
from benchmarks.hostile_parts import Attack, photo, request
from benchmarks.server import started

#: Seconds after which an answer is a hang: more than the server gives any request.
HANG = 25.0
#: Of the server under attack.
OPTIONS = ("--timeout", 2, "--max-per-client", 32)
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")


@dataclass
class Tally:
    """What came of the requests.

    Attributes:
        statuses: How many answers of each, 0 where the server closed without one.
        by_kind: Statuses by kind of request.
        faults: What must not be.
        slowest: Seconds of the slowest answer.
        memory_mb: Of the server, as requests went by.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    by_kind: Counter[tuple[str, int]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0
    memory_mb: list[tuple[int, float]] = field(default_factory=list)


class Target(Protocol):
    """What is attacked: a server's address, and what its processes take."""

    @property
    def host(self) -> str:
        """Where it listens."""
        ...

    @property
    def port(self) -> int:
        """Likewise."""
        ...

    def resident_mb(self) -> float:
        """Return the memory of all its processes."""
        ...


def attack(server: Target, count: int, seed: int, num_threads: int = 24) -> Tally:
    """Send hostile requests and return what came of them.

    Args:
        server: Any.
        count: How many.
        seed: What they are drawn by.
        num_threads: Senders at a time.
    """
    tally, lock = Tally(), threading.Lock()
    numbers = iter(range(count))
    look = max(count // 40, 1)

    def work() -> None:
        while True:
            with lock:
                number = next(numbers, None)
                if number is not None and number % look == 0:
                    tally.memory_mb.append((number, round(server.resident_mb(), 1)))
            if number is None:
                return
            chosen = draw(random.Random(f"{seed} {number}"))
            began = time.perf_counter()
            found = _exchange(server, chosen)
            seconds = time.perf_counter() - began
            with lock:
                judge(tally, f"{chosen.kind} {number}", chosen.kind, found, seconds)

    threads = [threading.Thread(target=work) for _ in range(num_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.memory_mb.append((count, round(server.resident_mb(), 1)))
    return tally


def judge(tally: Tally, name: str, kind: str, found: bytes, seconds: float) -> None:
    """Add what came of one request to the others.

    Args:
        tally: Of the others.
        name: Of the request, for what must not be.
        kind: Of the request.
        found: All that was answered.
        seconds: Until then.
    """
    answers = [int(status) for status in _STATUS.findall(found)] or [0]
    tally.statuses.update(answers)
    tally.by_kind.update((kind, status) for status in answers)
    tally.slowest = max(tally.slowest, seconds)
    if any(status >= 500 and status != 503 for status in answers):
        tally.faults.append(f"{name}: {found[:300]!r}")
    if 503 in answers and b"retry-after" not in found.lower():
        tally.faults.append(f"{name}: 503 without Retry-After")
    if seconds > HANG:
        tally.faults.append(f"{name}: {seconds:.0f} seconds")


def _exchange(server: Target, chosen: Attack) -> bytes:
    found = b""
    try:
        with socket.create_connection((server.host, server.port), timeout=HANG) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for i, part in enumerate(chosen.parts):
                    time.sleep(chosen.pause if i else 0)
                    connection.sendall(part)
                if chosen.ends:
                    connection.shutdown(socket.SHUT_WR)
            while chosen.reads and (piece := connection.recv(65536)):
                found += piece
    except (ConnectionResetError, BrokenPipeError):
        pass
    except TimeoutError:
        found += b"HTTP/1.1 599 hang"
    return found


def still_answers(server: Target) -> bool:
    """Return whether a photo is answered now."""
    return b" 200 " in _exchange(server, Attack("", (request(photo()),)))[:20]


def growth(tally: Tally) -> float:
    """Return memory at the end over what it was after a fifth of the requests."""
    curve = [memory for _, memory in tally.memory_mb]
    return curve[-1] / curve[len(curve) // 5]


def main() -> None:
    """Attack a server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with started(Path(folder), f"m={options.run}", *OPTIONS) as server:
            begin = time.perf_counter()
            tally = attack(server, options.count, options.seed)
            seconds = time.perf_counter() - begin
            answers = still_answers(server)
        log = server.log.read_text()
        code = server.process.returncode
    report(
        "serving_fuzz",
        seed=options.seed,
        num_requests=options.count,
        requests_per_second=options.count / seconds,
        statuses={str(status): count for status, count in sorted(tally.statuses.items())},
        num_faults=len(tally.faults),
        faults=tally.faults[:10],
        slowest_seconds=tally.slowest,
        memory_growth=growth(tally),
        memory_mb=tally.memory_mb,
        answers_afterwards=answers,
        exit_code=code,
        lines_logged=len(log.splitlines()),
        logged=log[-2000:],
    )


if __name__ == "__main__":
    main()
