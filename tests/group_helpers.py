"""Several workers that train together, as threads of one process."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

R = TypeVar("R")


class ThreadGroup:
    """One of a `Group` of threads; adds up in the order of their ranks."""

    def __init__(self, rank: int, size: int, shared: dict[str, Any]) -> None:
        self.rank, self.size, self._shared = rank, size, shared

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        own = [tensor.detach().clone() for tensor in tensors]
        everyone = self._gather(own)
        with torch.no_grad():
            for place, tensor in enumerate(tensors):
                tensor.copy_(sum(theirs[place] for theirs in everyone))

    def same(self, value: R) -> R:
        found: R = copy.deepcopy(self._gather(value)[0])  # as if it were sent
        return found

    def _gather(self, value: Any) -> list[Any]:
        values, barrier = self._shared["values"], self._shared["barrier"]
        values[self.rank] = value
        barrier.wait()
        everyone = list(values)
        barrier.wait()
        return everyone


def in_threads(size: int, work: Callable[[ThreadGroup], R]) -> list[R]:
    """What a work gave in each of several threads; raises what the first that failed did."""
    barrier = threading.Barrier(size, timeout=120)
    shared: dict[str, Any] = {"values": [None] * size, "barrier": barrier}
    results: list[Any] = [None] * size
    errors: list[BaseException] = []

    def one(rank: int) -> None:
        try:
            results[rank] = work(ThreadGroup(rank, size, shared))
        except BaseException as error:
            errors.append(error)
            shared["barrier"].abort()

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
