"""Work to be done by executors, some of which ends the process that does it."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from photograft.core.executors.base import Dealing, Done, Executor
from photograft.core.parallel import num_cores

#: What a test is marked with that works on Ray; the fixture `on_ray` is the cluster that all share.
NEEDS_RAY = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed"),
    # Ray's own processes outlive the objects that stand for them.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]


def end() -> None:
    """End this process as a crash does."""
    os.kill(os.getpid(), signal.SIGKILL)


class Streaming:
    """Work that is done thing by thing where it is done in this process."""

    def __call__(self, batch: Sequence[Any]) -> list[Any]:
        return [self.one(thing) for thing in batch]

    def one(self, thing: Any) -> Any:
        raise NotImplementedError

    def stream(self, things: Iterable[Any]) -> Generator[tuple[Sequence[int], Any], None, None]:
        for i, thing in enumerate(things):
            yield [i], self([thing])


class Squares(Streaming):
    """Squares numbers."""

    def one(self, thing: int) -> int:
        return thing * thing


class Slow(Streaming):
    """Takes a while."""

    def one(self, thing: int) -> int:
        time.sleep(0.005)
        return thing


class Where(Streaming):
    """Tells which process does it, and on how many cores."""

    def one(self, thing: object) -> tuple[int, int]:
        return os.getpid(), num_cores()


@dataclass(frozen=True)
class Dividing(Streaming):
    """Divides a number: by zero it raises."""

    by: int

    def one(self, thing: int) -> float:
        return thing / self.by


class UnreadableError(Exception):
    """Can be pickled, and not unpickled."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


class Unreadable(Streaming):
    """Raises what can't be unpickled."""

    def one(self, thing: int) -> int:
        raise UnreadableError(thing, thing)


class Unsendable(Streaming):
    """Work that can't be pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


class Locks(Streaming):
    """Gives what can't be pickled."""

    def one(self, thing: int) -> object:
        return threading.Lock()


class Unloadable(Streaming):
    """Work that can't be unpickled where it is to be done."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


@dataclass(frozen=True)
class Deadly(Streaming):
    """Squares numbers, but ends the process at some, and notes what it began."""

    ends_at: frozenset[int]
    log: Path

    def one(self, thing: int) -> int:
        with self.log.open("a") as file:
            file.write(f"{thing}\n")
        if thing in self.ends_at:
            end()
        return thing * thing


@dataclass(frozen=True)
class Killed:
    """Work whose processes are killed some time into a batch, so many times in all."""

    work: Any
    folder: Path
    seed: int
    kills: int

    def __call__(self, batch: Sequence[Any]) -> Any:
        for number in range(self.kills):
            try:
                (self.folder / f"{self.seed}-{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            delay = random.Random(f"{self.seed} {number}").uniform(0, 0.3)
            threading.Timer(delay, end).start()
            break
        return self.work(batch)

    def stream(self, things: Iterable[Any]) -> Generator[tuple[Sequence[int], Any], None, None]:
        yield from self.work.stream(things)


@dataclass(frozen=True)
class Sabotaged:
    """An executor whose workers are killed; see `Killed`."""

    executor: Executor
    folder: Path
    seed: int
    kills: int
    is_remote = True

    def run(
        self, work: Any, things: Iterable[Any], dealing: Dealing[Any] | None = None
    ) -> Generator[Done[Any], None, None]:
        work = Killed(work, self.folder, self.seed, self.kills)
        yield from self.executor.run(work, things, dealing)

    def close(self) -> None:
        self.executor.close()


def results(executor: Executor, work: Any, things: Iterable[Any], size: int = 4) -> dict[int, Any]:
    """What became of each thing, by its position: its result, or None where it ended workers."""
    found: dict[int, Any] = {}
    for done in executor.run(work, things, Dealing(size)):
        values = [None] * len(done.positions) if done.result is None else done.result
        for position, value in zip(done.positions, values, strict=True):
            assert position not in found, "a thing was done twice"
            found[position] = value
    return found


def counted(things: Iterable[Any], note: Callable[[int], object]) -> Iterable[Any]:
    """Yield things, and tell how many were asked for."""
    for number, thing in enumerate(things, 1):
        note(number)
        yield thing


def listening(processes: set[str]) -> Iterator[str]:
    """The addresses that processes of this machine listen on, as Linux has them."""
    sockets = set()
    for process in processes:
        for descriptor in Path(f"/proc/{process}/fd").glob("*"):
            try:
                name = os.readlink(descriptor)
            except OSError:
                continue
            if name.startswith("socket:["):
                sockets.add(name[8:-1])
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                raw = bytes.fromhex(fields[1].partition(":")[0])
                words = [raw[i : i + 4][::-1] for i in range(0, len(raw), 4)]
                yield socket.inet_ntop(family, b"".join(words))
