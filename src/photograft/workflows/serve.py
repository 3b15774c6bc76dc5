"""Answering photos as they come, from many at once: what stands behind a server."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograft.classifier.prediction import Prediction
from photograft.core.errors import ImageError, PhotograftError
from photograft.workflows.prediction_counts import sent_away
from photograft.workflows.serving.decoding import Decoders
from photograft.workflows.serving.limits import Limits
from photograft.workflows.serving.model import Model
from photograft.workflows.serving.models import Models, Served
from photograft.workflows.serving.pages import Pages


class OverloadedError(PhotograftError):
    """There is no room for more photos just now.

    Args:
        seconds: After so many it is worth to try again.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"more photos wait than are taken on; try again in {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True)
class PhotoAnswer:
    """What is answered for one photo.

    Attributes:
        prediction: By the rules; with its `error` where the photo can't be read.
        decision: ``"class"``, ``"unknown"``, ``"unsure"`` or ``"unreadable"``.
        reason: Of what can't be read, one of ``images.REASONS``; empty otherwise.
    """

    prediction: Prediction
    decision: str
    reason: str = ""


@dataclass(frozen=True)
class Answers:
    """What is answered to one request.

    Attributes:
        model: What has answered.
        photos: One for each photo, in order.
    """

    model: Model
    photos: tuple[PhotoAnswer, ...]


class Service:
    """Classifiers, what decodes for them and what runs them; within one event loop.

    Args:
        folders: Of classifiers or their runs, by the names that they are asked by.
        asked: Of the rules, as `read_rules` takes them.
        limits: What is refused beyond.
        hands_out: Whether those who may ask get a classifier itself, too, as a page.

    Attributes:
        is_draining: Whether it takes on nothing more.
        num_waiting: Photos that are under way.
        pages: Its classifiers as pages.

    Raises:
        ClassifierError: There is none somewhere, or it is damaged.
        WeightsError: A backbone's weights are not here.
        InputError: A classifier can't tell what is asked.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        asked: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        *,
        hands_out: bool = False,
    ) -> None:
        self.limits = limits or Limits()
        self.is_draining = False
        self.num_waiting = 0
        self._decoders = Decoders(self.limits)  # they start while the classifiers are loaded
        self._engine = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self.pages = Pages(are_had=hands_out)
        self._watch: asyncio.Task[None] | None = None
        try:
            self.models = Models(folders, asked or {}, self._engine)
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Look after changed classifiers from now on, in the running event loop."""
        self._watch = asyncio.create_task(self.models.watch())

    def close(self) -> None:
        """End what was started. What is under way must have ended."""
        if self._watch is not None:
            with suppress(RuntimeError):  # its loop is closed, and it with it
                self._watch.cancel()
        self.pages.close()
        self._decoders.close()
        self._engine.shutdown()

    @property
    def is_ready(self) -> bool:
        """Whether a photo would be answered now."""
        return not self.is_draining and self.num_waiting < self.limits.max_queue

    def retry_after(self) -> int:
        """Return the seconds after which there will be room, from 1 to 60."""
        figures = [served.figures for served in self.models.all()]
        seconds = sum(each.batch_seconds.sum for each in figures)
        photos = sum(each.wait_seconds.count for each in figures)
        return min(max(math.ceil(self.num_waiting * seconds / max(photos, 1)), 1), 60)

    async def answer(self, served: Served, photos: Sequence[bytes | memoryview]) -> Answers:
        """Return what a classifier answers.

        Args:
            served: From `models`.
            photos: Files, at least one, of as many bytes as may be.

        Raises:
            OverloadedError: There is no room for so many just now.
        """
        if self.num_waiting + len(photos) > self.limits.max_queue:
            raise OverloadedError(self.retry_after())
        began = time.perf_counter()
        counted = served.figures.failed
        self.num_waiting += len(photos)
        try:
            found = await asyncio.gather(*(self._one(served, photo) for photo in photos))
            counted = served.figures.succeeded
        finally:
            self.num_waiting -= len(photos)
            counted.add(time.perf_counter() - began)
        served.figures.decisions.update(photo.decision for photo in found)
        return Answers(served.model, tuple(found))

    async def _one(self, served: Served, photo: bytes | memoryview) -> PhotoAnswer:
        began = time.perf_counter()
        served.batcher.come(1)
        try:
            pixels = await asyncio.wrap_future(self._decoders.decode(photo, served.model.record))
        except ImageError as error:
            prediction = Prediction("", error=str(error))
            return PhotoAnswer(prediction, "unreadable", error.reason)
        finally:
            served.batcher.come(-1)
        served.figures.decode_seconds.add(time.perf_counter() - began)
        prediction = await served.batcher.ask(pixels)
        instead = sent_away(prediction.answer, prediction.label or "")
        return PhotoAnswer(prediction, instead or "class")
