"""Photos that wait, answered together: as many as are there, and hardly waiting for others.

The engine runs a photo on each core, so a batch is no faster than its photos one after the other;
what is gained is that no core is idle. So a batch is begun as soon as the engine is free. Only
where fewer photos wait than there are cores, and others are being decoded, it waits for those, for
`MAX_WAIT` at most.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from photograft.backbones.running import num_at_once
from photograft.classifier.prediction import Prediction
from photograft.core.arrays import Pixels
from photograft.workflows.serving.figures import ModelFigures

#: Seconds that a photo waits for others at most, while the engine is idle.
MAX_WAIT = 0.005


@dataclass(frozen=True)
class _Waiting:
    pixels: Pixels
    answer: asyncio.Future[Prediction]
    since: float = field(default_factory=time.perf_counter)


class Batcher:
    """What answers for one classifier.

    Args:
        answer: Returns predictions for pixels ``(n, height, width, 3)``.
        engine: Runs it, one batch at a time.
        figures: Where batches are counted.
        max_batch: Photos of a batch at most: those behind it wait no longer than for so many.
    """

    def __init__(
        self,
        answer: Callable[[Pixels], list[Prediction]],
        engine: Executor,
        figures: ModelFigures,
        max_batch: int,
    ) -> None:
        self._answer, self._engine, self._figures = answer, engine, figures
        self._max_batch = max_batch
        self._at_once = min(num_at_once(), max_batch)
        self._waiting: deque[_Waiting] = deque()
        self._changed = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        #: Photos that are on their way here.
        self.coming = 0

    async def ask(self, pixels: Pixels) -> Prediction:
        """Return the prediction of one photo, shape ``(height, width, 3)``."""
        answer: asyncio.Future[Prediction] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(pixels, answer))
        self._changed.set()
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._run())
        return await answer

    def come(self, change: int) -> None:
        """Say that so many photos more, or fewer, are on their way here."""
        self.coming += change
        self._changed.set()

    async def _run(self) -> None:
        """Answer until nobody waits."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            await self._wait_for_others()
            batch = self._next()
            if not batch:  # all have gone away
                continue
            began = time.perf_counter()
            try:
                pixels = np.stack([photo.pixels for photo in batch])
                answers = await loop.run_in_executor(self._engine, self._answer, pixels)
            except Exception as error:
                for photo in batch:
                    if not photo.answer.done():
                        photo.answer.set_exception(error)
                continue
            self._count(batch, began)
            for photo, answer in zip(batch, answers, strict=True):
                if not photo.answer.done():
                    photo.answer.set_result(answer)

    async def _wait_for_others(self) -> None:
        deadline = self._waiting[0].since + MAX_WAIT
        while self.coming and len(self._waiting) < self._at_once:
            left = deadline - time.perf_counter()
            if left <= 0:
                return
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)

    def _next(self) -> list[_Waiting]:
        """Return the next batch: a multiple of what runs at once, where more than that wait."""
        while self._waiting and self._waiting[0].answer.done():
            self._waiting.popleft()
        size = min(len(self._waiting), self._max_batch)
        if size > self._at_once:
            size -= size % self._at_once
        taken = [self._waiting.popleft() for _ in range(size)]
        return [photo for photo in taken if not photo.answer.done()]

    def _count(self, batch: list[_Waiting], began: float) -> None:
        figures = self._figures
        figures.latest = time.time()
        figures.batches.add(len(batch))
        figures.batch_seconds.add(time.perf_counter() - began)
        for photo in batch:
            figures.wait_seconds.add(began - photo.since)
