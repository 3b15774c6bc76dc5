"""Work in processes of this machine."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from executor_helpers import (
    Deadly,
    Dividing,
    Killed,
    Locks,
    Squares,
    Unloadable,
    Unreadable,
    Unsendable,
    Where,
    counted,
    results,
)
from photograft.core.errors import InputError
from photograft.core.executors.base import Executor, InProcess
from photograft.core.executors.choosing import current, executing
from photograft.core.executors.processes import Processes
from photograft.core.parallel import num_cores

#: Not to be found by its name.
nameless = lambda: None  # noqa: E731

#: Executors that need nothing but this machine; those of Ray are in `test_ray_cluster`.
LOCAL = [InProcess(), Processes(2)]


@pytest.mark.parametrize("executor", LOCAL, ids=["in-process", "processes"])
def test_each_thing_once(executor: Executor) -> None:
    assert results(executor, Squares(), range(50)) == {i: i * i for i in range(50)}
    assert results(executor, Squares(), []) == {}


@pytest.mark.parametrize("executor", LOCAL, ids=["in-process", "processes"])
def test_what_the_work_raises_ends_it(executor: Executor) -> None:
    with pytest.raises(ZeroDivisionError):
        results(executor, Dividing(0), range(50))


def test_what_cannot_be_sent_is_said() -> None:
    for work, thing in ((Unsendable(), 1), (Squares(), threading.Lock()), (Squares(), nameless)):
        with pytest.raises(
            InputError, match=r"can't be handed to other processes \([Cc]an.*pickle"
        ):
            results(Processes(1), work, [thing])


def test_what_cannot_be_pickled_or_unpickled_ends_it() -> None:
    """At once, as what it is: it is no death."""
    with pytest.raises(RuntimeError, match="UnreadableError: 0 and 0") as caught:
        results(Processes(1), Unreadable(), range(50))
    # The error tells where it was raised.
    assert "executor_helpers.py" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="invalid literal"):
        results(Processes(1), Unloadable(), range(50))
    with pytest.raises(TypeError, match="cannot pickle"):
        results(Processes(1), Locks(), range(50))


def test_each_process_keeps_to_its_cores() -> None:
    places = results(Processes(2), Where(), range(40), 1).values()
    assert os.getpid() not in {process for process, _ in places}
    assert {cores for _, cores in places} == {max(1, num_cores() // 2)}


def test_one_that_dies_costs_its_batch(tmp_path: Path) -> None:
    work = Killed(Squares(), tmp_path, seed=1, kills=3)
    assert results(Processes(2), work, range(100)) == {i: i * i for i in range(100)}


def test_what_ends_each_process_is_told_by_itself(tmp_path: Path) -> None:
    work = Deadly(frozenset({13}), tmp_path / "log")
    found = results(Processes(2), work, range(40))
    assert found == {i: None if i == 13 else i * i for i in range(40)}
    assert (tmp_path / "log").read_text().split().count("13") == 4  # twice with others, and alone


def test_processes_are_gone_when_it_is_stopped() -> None:
    read, before = 0, threading.active_count()

    def note(number: int) -> None:
        nonlocal read
        read = number

    run = Processes(2).run(Where(), counted(range(10_000), note))
    process = next(run).result[0][0]  # type: ignore[index]
    run.close()
    assert read < 1000
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    for _ in range(250):  # their listeners hear of it
        if threading.active_count() <= before:
            break
        time.sleep(0.02)
    assert threading.active_count() <= before


def test_chosen_in_one_place() -> None:
    assert isinstance(current(), InProcess)
    with executing(Processes(1)) as chosen:
        assert current() is chosen
        with executing("off"):  # as it was
            assert current() is chosen
    assert isinstance(current(), InProcess)
