"""Batches dealt to workers that may die: what is lost with one is given to another.

A batch whose worker died is tried once more, alone on a worker. If that dies as well, the batch is
taken apart, and each of its things is tried alone, twice at most: so that one thing that kills
whatever touches it costs a handful of workers, and its neighbours nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from photograft.core.errors import WorkersLostError
from photograft.core.executors.base import Dealing, Done

T = TypeVar("T")
R = TypeVar("R")
W = TypeVar("W", bound=Hashable)

#: Batches that a worker holds: one that it is at, and one so that it need not wait.
_DEPTH = 2
#: Deaths of a worker at the same batch that are put down to it.
_DEATHS = 2
#: Seconds to wait for an answer before anything else is seen to.
WAIT = 1.0
#: Bytes of a batch, at most, unless one thing has more.
_MOST_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Answer(Generic[W]):
    """What a worker says: that it is ready, or what came of the first of the batches it holds.

    Attributes:
        worker: The worker.
        is_ready: Whether it is there, and may be given batches.
        died: Whether it is gone, and all that it held with it.
        result: What the work gave.
        error: What the work raised.
        place: The machine.
    """

    worker: W
    is_ready: bool = False
    died: bool = False
    result: object = None
    error: Exception | None = None
    place: str = ""


class Workers(Protocol[W]):
    """Workers that do batches, each in the order in which it is given them.

    Attributes:
        size: How many there should be.
    """

    size: int

    def hire(self) -> W:
        """Start another worker; once it is ready, it says so in an answer."""
        ...

    def give(self, worker: W, batch: Sequence[object]) -> None:
        """Hand a batch to a worker; one that is dead says so in its answer."""
        ...

    def answers(self) -> list[Answer[W]]:
        """Wait a second for answers, and return those that came, one a worker at most."""
        ...


@dataclass(frozen=True)
class _Batch(Generic[T]):
    positions: tuple[int, ...]
    things: tuple[T, ...]
    deaths: int = 0
    is_suspect: bool = False


def deal(
    workers: Workers[W], things: Iterable[T], dealing: Dealing[T]
) -> Generator[Done[object], None, None]:
    """Have workers do things, and yield what is done, in the order in which it is.

    Every position comes up exactly once.

    Args:
        workers: None hired yet.
        things: Read no further ahead than the workers hold.
        dealing: How.

    Raises:
        WorkersLostError: They die one after another.
        Exception: What the work raised, or `Dealing.check`.
    """
    fresh = _batches(things, dealing)
    again: deque[_Batch[T]] = deque()
    held: dict[W, deque[_Batch[T]]] = {}
    coming: set[W] = set()
    deaths, has_done = 0, False
    while True:
        _top_up(workers, held, len(coming), fresh, again, dealing)
        _hire(workers, len(held), coming, fresh, again)
        if not again and not any(held.values()):
            return
        dealing.check()
        for answer in workers.answers():
            coming.discard(answer.worker)
            if answer.error is not None:
                raise answer.error
            if answer.is_ready:
                held[answer.worker] = deque()
                continue
            if not answer.died:
                deaths, has_done = 0, True
                own = held[answer.worker]
                done = own.popleft()
                if own:
                    dealing.begins(own[0].positions)
                yield Done(done.positions, answer.result, answer.place)
                continue
            lost = held.pop(answer.worker, ())
            deaths += 1
            if deaths > (100 if has_done else 6 + 2 * workers.size):
                raise WorkersLostError(
                    f"{deaths} workers died one after another, and nothing was done",
                    fix="They may lack memory: give fewer workers, or smaller photos.",
                )
            # It does one batch after another: the first is what it was at.
            for batch in reversed([*lost][1:]):
                again.appendleft(batch)
            if lost:
                more = _after_a_death(lost[0])
                again.extend(more)
                if not more:
                    yield Done(lost[0].positions, None)


def _top_up(
    workers: Workers[W],
    held: dict[W, deque[_Batch[T]]],
    num_coming: int,
    fresh: Iterator[_Batch[T]],
    again: deque[_Batch[T]],
    dealing: Dealing[T],
) -> None:
    """Hand out batches: to all workers one before any gets a second, those that come as well."""
    for depth in range(_DEPTH):
        for worker, own in held.items():
            if len(own) != depth:
                continue
            batch = _next(own, fresh, again, num_coming if depth else 0)
            if batch is not None:
                own.append(batch)
                workers.give(worker, batch.things)
                if not depth:
                    dealing.begins(batch.positions)


def _hire(
    workers: Workers[W],
    num_ready: int,
    coming: set[W],
    fresh: Iterator[_Batch[T]],
    again: deque[_Batch[T]],
) -> None:
    """Start as many workers as there should be, each for a batch that waits.

    Nothing waits for one of them: on a cluster that has become smaller it may never be there.
    """
    while num_ready + len(coming) < workers.size:
        if len(again) <= len(coming):
            batch = next(fresh, None)
            if batch is None:
                return
            again.append(batch)
        coming.add(workers.hire())


def _next(
    own: deque[_Batch[T]], fresh: Iterator[_Batch[T]], again: deque[_Batch[T]], left_over: int
) -> _Batch[T] | None:
    """Return what is next for a worker; a suspect comes and stays alone.

    Args:
        own: What it holds.
        fresh: What nobody was given yet.
        again: What waits.
        left_over: How much of that is to be left for others.
    """
    if own and own[0].is_suspect:
        return None
    if len(again) > left_over:
        return None if own and again[0].is_suspect else again.popleft()
    return next(fresh, None)


def _after_a_death(batch: _Batch[T]) -> list[_Batch[T]]:
    """Return what to do of a batch whose worker died; nothing where it is one thing, and guilty."""
    deaths = batch.deaths + 1
    if deaths < _DEATHS:
        return [replace(batch, deaths=deaths, is_suspect=True)]
    if len(batch.things) == 1:
        return []
    pairs = zip(batch.positions, batch.things, strict=True)
    return [_Batch((position,), (thing,), is_suspect=True) for position, thing in pairs]


def _batches(things: Iterable[T], dealing: Dealing[T]) -> Iterator[_Batch[T]]:
    positions: list[int] = []
    batch: list[T] = []
    size = 0
    for position, thing in enumerate(things):
        own = dealing.num_bytes(thing)
        if batch and size + own > _MOST_BYTES:
            yield _Batch(tuple(positions), tuple(batch))
            positions, batch, size = [], [], 0
        positions.append(position)
        batch.append(thing)
        size += own
        if len(batch) == dealing.batch_size:
            yield _Batch(tuple(positions), tuple(batch))
            positions, batch, size = [], [], 0
    if batch:
        yield _Batch(tuple(positions), tuple(batch))
