"""Work on many things at once, in order and in bounded memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


#: Cores that this process keeps to, where others work beside it.
_KEPT_TO: list[int] = []


def num_cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        there = len(os.sched_getaffinity(0))
    else:
        there = os.cpu_count() or 1
    return min([there, *_KEPT_TO])


def keep_to(num: int) -> None:
    """Use no more cores than these from now on: others of our own processes use the rest."""
    _KEPT_TO[:] = [num]


def in_order(
    work: Callable[[T], R], items: Iterable[T], *, window: int = 128, num_threads: int | None = None
) -> Generator[R, None, None]:
    """Yield ``work(item)`` for each item, in the order of the items, done by several threads.

    Args:
        work: Must not raise: what it raises ends the iteration.
        items: Read no further ahead than `window`.
        window: The most items that are under way or waiting to be yielded.
        num_threads: As many as there are cores where not given.
    """
    executor = ThreadPoolExecutor(num_threads or num_cores())
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(executor.submit(work, item))
            if len(pending) >= window:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        # Also on Ctrl-C and when the consumer stops early: drop what has not begun.
        executor.shutdown(wait=True, cancel_futures=True)
