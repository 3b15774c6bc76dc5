"""Work by several threads: in order, in bounded memory, and ended cleanly."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from photograft.core.parallel import in_order, num_cores


def test_order_is_that_of_the_items() -> None:
    def slow_for_even(i: int) -> int:
        time.sleep(0.004 * (i % 2 == 0))
        return i * i

    assert list(in_order(slow_for_even, range(60), num_threads=8)) == [i * i for i in range(60)]


@pytest.mark.parametrize("window", [1, 2, 128])
def test_no_items_and_few_items(window: int) -> None:
    assert list(in_order(str, [], window=window)) == []
    assert list(in_order(str, [1, 2, 3], window=window)) == ["1", "2", "3"]


def test_several_threads_work_at_once() -> None:
    meeting = threading.Barrier(3, timeout=10)
    assert len(list(in_order(lambda _: meeting.wait(), range(3), num_threads=3))) == 3


def test_items_are_read_no_further_ahead_than_the_window() -> None:
    read = 0

    def items() -> Iterator[int]:
        nonlocal read
        for i in range(100):
            read += 1
            yield i

    results = in_order(lambda i: i, items(), window=5, num_threads=2)
    assert read == 0
    for taken, _ in enumerate(results, start=1):
        assert read - taken < 5
        if taken <= 90:
            assert read >= taken + 4, "no look-ahead: the threads would starve"


def test_stopping_early_drops_what_has_not_begun() -> None:
    begun: list[int] = []
    go = threading.Event()
    before = threading.active_count()

    def work(i: int) -> int:
        begun.append(i)
        if i:
            go.wait(10)
        return i

    results = in_order(work, range(1000), window=50, num_threads=2)
    assert next(results) == 0
    threading.Timer(0.05, go.set).start()
    results.close()
    assert len(begun) <= 5
    time.sleep(0.02)
    assert len(begun) <= 5
    assert threading.active_count() <= before + 1  # the timer may be about to end


def test_error_of_the_work_ends_it() -> None:
    def work(i: int) -> int:
        if i == 3:
            raise ValueError("three")
        return i

    results = in_order(work, range(1000), window=4)
    with pytest.raises(ValueError, match="three"):
        list(results)
    assert list(results) == []


def test_error_of_the_items_ends_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(in_order(str, items()))


def test_number_of_cores_is_that_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= num_cores() <= (os.cpu_count() or 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert num_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert num_cores() == 1
