"""Batches dealt to workers that die: nothing twice, nothing lost, and the guilty found."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence

import pytest

from photograft.core.errors import WorkersLostError
from photograft.core.executors.base import Dealing
from photograft.core.executors.dealing import Answer, deal


class Imagined:
    """Workers that are none: each answer is that of some worker, by lot."""

    def __init__(
        self, size: int = 3, *, seed: int = 0, kill: float = 0, deadly: Sequence[int] = ()
    ) -> None:
        self.size = size
        self._random = random.Random(seed)
        self._kill, self._deadly = kill, set(deadly)
        self._coming: list[int] = []
        self.held: dict[int, deque[Sequence[object]]] = {}
        #: Workers that are hired, and never come.
        self.never: set[int] = set()
        self.hired = 0
        self.most_held = 0
        self.begun: list[Sequence[object]] = []

    def hire(self) -> int:
        self.hired += 1
        self._coming.append(self.hired)
        assert len(self.held) + len(self._coming) <= self.size
        return self.hired

    def give(self, worker: int, batch: Sequence[object]) -> None:
        self.held[worker].append(batch)
        self.most_held = max(self.most_held, len(self.held[worker]))

    def answers(self) -> list[Answer[int]]:
        busy = [w for w, held in self.held.items() if held]
        if self._coming and (not busy or self._random.random() < 0.5):
            worker = self._coming.pop(0)
            if worker in self.never:
                return self.answers()
            self.held[worker] = deque()
            return [Answer(worker, is_ready=True)]
        worker = self._random.choice(busy)
        batch = self.held[worker][0]
        self.begun.append(batch)
        if self._deadly & set(batch) or self._random.random() < self._kill:
            del self.held[worker]
            return [Answer(worker, died=True)]
        self.held[worker].popleft()
        return [Answer(worker, result=list(batch), place=f"node {worker % 2}")]


def everything(workers: Imagined, count: int, size: int = 4) -> tuple[list[int], list[int]]:
    """The positions that were done, and those that ended workers."""
    done: list[int] = []
    guilty: list[int] = []
    for found in deal(workers, range(count), Dealing(size)):
        if found.result is None:
            guilty += found.positions
        else:
            assert found.result == list(found.positions)
            done += found.positions
    return done, guilty


@pytest.mark.parametrize("count", [0, 1, 4, 5, 50])
def test_each_is_done_once(count: int) -> None:
    workers = Imagined()
    done, guilty = everything(workers, count)
    assert (sorted(done), guilty) == (list(range(count)), [])
    assert workers.hired == min(3, -(-count // 4))
    assert workers.most_held <= 2


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_nor_done_twice_though_workers_die(seed: int) -> None:
    done, guilty = everything(Imagined(seed=seed, kill=0.1), 100)
    assert sorted(done + guilty) == list(range(100))
    assert len(guilty) <= 1  # killed twice by chance while it was alone


@pytest.mark.parametrize("seed", range(10))
def test_what_ends_workers_is_found_and_its_neighbours_are_done(seed: int) -> None:
    workers = Imagined(seed=seed, deadly=[5, 6, 40])
    done, guilty = everything(workers, 60)
    assert sorted(guilty) == [5, 6, 40]
    assert sorted(done) == [i for i in range(60) if i not in (5, 6, 40)]
    # Two batches of them: each twice as a whole, and then each of the three twice alone.
    assert sum(bool({5, 6, 40} & set(batch)) for batch in workers.begun) == 2 + 2 + 6


def test_a_suspect_is_alone_on_its_worker() -> None:
    """Else what waits behind it would be taken for guilty, too."""

    class Watching(Imagined):
        def give(self, worker: int, batch: Sequence[object]) -> None:
            if any(5 in begun for begun in self.begun):
                assert not (5 in batch and self.held[worker])
                assert not any(5 in held for held in self.held[worker])
            super().give(worker, batch)

    assert everything(Watching(deadly=[5]), 60)[1] == [5]


def test_nothing_waits_for_a_worker_that_never_comes() -> None:
    workers = Imagined()
    workers.never = {2, 3}
    done, guilty = everything(workers, 50)
    assert (sorted(done), guilty) == (list(range(50)), [])


@pytest.mark.parametrize("seed", range(5))
def test_who_is_there_first_leaves_something_for_those_that_come(seed: int) -> None:
    """Else few things that take long are done one after another, with workers that have none."""

    class Watching(Imagined):
        def give(self, worker: int, batch: Sequence[object]) -> None:
            assert not (self.held[worker] and self._coming)
            super().give(worker, batch)

    assert everything(Watching(seed=seed), 12)[0]


@pytest.mark.parametrize("kill", [0.0, 0.2])
def test_what_begins_is_told(kill: float) -> None:
    """Each batch as its worker has nothing before it, and once more where that one dies."""
    begun: list[Sequence[int]] = []
    workers = Imagined(seed=3, kill=kill)
    for _ in deal(workers, range(60), Dealing(4, begins=begun.append)):
        assert len(begun) - len(workers.begun) <= workers.size
    assert sorted(map(str, map(list, begun))) == sorted(map(str, map(list, workers.begun)))


def test_workers_that_die_whatever_they_are_given_end_it() -> None:
    with pytest.raises(WorkersLostError, match="died one after another"):
        everything(Imagined(kill=1), 1000)


def test_things_are_read_only_a_little_ahead() -> None:
    read = 0

    def things() -> object:
        nonlocal read
        for i in range(1000):
            read += 1
            yield i

    done = 0
    for found in deal(Imagined(), things(), Dealing(4)):  # type: ignore[arg-type]
        done += len(found.positions)
        assert read - done <= 3 * 2 * 4
    assert done == 1000


def test_batches_are_bounded_in_bytes() -> None:
    workers = Imagined()
    for _ in deal(workers, range(30), Dealing(8, num_bytes=lambda i: 5 * 2**20)):
        pass
    assert {len(batch) for batch in workers.begun} == {3}


def test_the_error_of_the_work_is_raised() -> None:
    class Failing(Imagined):
        def answers(self) -> list[Answer[int]]:
            return [Answer(1, error=ZeroDivisionError())]

    with pytest.raises(ZeroDivisionError):
        everything(Failing(), 10)
