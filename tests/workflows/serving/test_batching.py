"""Batches: what waits goes together, hardly anything waits, failures stay where they are."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from photograft.backbones.running import num_at_once
from photograft.classifier.prediction import Prediction
from photograft.workflows.serving.batching import MAX_WAIT, Batcher
from photograft.workflows.serving.figures import ModelFigures

Pixels = npt.NDArray[np.uint8]


class Engine:
    """Answers with the first value of each photo, and remembers how many came together."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.free = threading.Event()
        self.free.set()

    def __call__(self, pixels: Pixels) -> list[Prediction]:
        self.free.wait(10)
        self.sizes.append(len(pixels))
        if (pixels == 255).any():
            raise RuntimeError("out of order")
        return [Prediction(str(photo.flat[0])) for photo in pixels]


def photo(value: int) -> Pixels:
    return np.full((2, 2, 3), value, np.uint8)


def run(use: Callable[[Batcher, Engine], Awaitable[Any]], max_batch: int = 8) -> Engine:
    engine = Engine()

    async def main() -> None:
        with ThreadPoolExecutor(1) as executor:
            await use(Batcher(engine, executor, ModelFigures(), max_batch), engine)

    asyncio.run(main())
    return engine


def test_each_gets_its_own_answer() -> None:
    async def use(batcher: Batcher, engine: Engine) -> None:
        found = await asyncio.gather(*(batcher.ask(photo(i)) for i in range(50)))
        assert [answer.name for answer in found] == [str(i) for i in range(50)]

    engine = run(use)
    assert sum(engine.sizes) == 50
    assert max(engine.sizes) == 8


def test_what_comes_meanwhile_goes_together_and_fills_the_cores() -> None:
    count = num_at_once() + 1

    async def use(batcher: Batcher, engine: Engine) -> None:
        engine.free.clear()
        asks = [asyncio.create_task(batcher.ask(photo(0)))]
        await asyncio.sleep(0.05)
        asks += [asyncio.create_task(batcher.ask(photo(i))) for i in range(count)]
        await asyncio.sleep(0.05)
        engine.free.set()
        await asyncio.gather(*asks)

    assert run(use, max_batch=64).sizes == [1, num_at_once(), 1]


def test_one_alone_does_not_wait() -> None:
    async def use(batcher: Batcher, engine: Engine) -> None:
        seconds = []
        for _ in range(50):
            began = time.perf_counter()
            await batcher.ask(photo(1))
            seconds.append(time.perf_counter() - began)
        assert min(seconds) < MAX_WAIT

    run(use)


def test_others_that_are_coming_are_waited_for_but_not_long() -> None:
    async def use(batcher: Batcher, engine: Engine) -> None:
        batcher.come(1)
        first = asyncio.create_task(batcher.ask(photo(1)))
        await asyncio.sleep(0.001)
        batcher.come(-1)
        await batcher.ask(photo(2))
        await first
        batcher.come(1)  # and never arrives
        began = time.perf_counter()
        await batcher.ask(photo(3))
        assert time.perf_counter() - began >= MAX_WAIT

    assert run(use).sizes == ([2, 1] if num_at_once() > 1 else [1, 1, 1])


def test_a_failure_is_told_to_those_of_its_batch_only() -> None:
    async def use(batcher: Batcher, engine: Engine) -> None:
        with pytest.raises(RuntimeError, match="out of order"):
            await batcher.ask(photo(255))
        assert (await batcher.ask(photo(7))).name == "7"

    run(use)


def test_who_has_gone_is_left_out() -> None:
    async def use(batcher: Batcher, engine: Engine) -> None:
        engine.free.clear()
        first = asyncio.create_task(batcher.ask(photo(0)))
        await asyncio.sleep(0.05)
        gone = asyncio.create_task(batcher.ask(photo(1)))
        last = asyncio.create_task(batcher.ask(photo(2)))
        await asyncio.sleep(0.05)
        gone.cancel()
        engine.free.set()
        assert [(await ask).name for ask in (first, last)] == ["0", "2"]

    assert sum(run(use).sizes) == 2
