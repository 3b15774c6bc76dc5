"""The folds of one candidate as work for an executor: each trains anew, and says what it found.

A fold's outcome follows from the candidate, the photos and the fold alone: where it is tried
decides nothing of it. Sent elsewhere, it finds features, if any are kept, in the same store.
"""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.core.progress import Silent
from photograft.data.splits import Split, make_folds
from photograft.features.calibration import fit_to_photos, goes_by_photos
from photograft.features.settings import ExtractionSettings
from photograft.learning.head.trying import NUM_FOLDS
from photograft.learning.job import Job, needs_features
from photograft.learning.strategies.registry import find_strategy

#: Of a fold's training photos, one in so many is set aside for the training loop to watch.
_WATCHED = 6

_EPSILON = 1e-7


@dataclass(frozen=True)
class Tested:
    """What was found out in one fold.

    Attributes:
        fold: Its number.
        held: The photos that were held out, of those of the job, shape ``(m,)``.
        predicted: Their classes as they were answered, shape ``(m,)``.
        losses: Log loss in nats, shape ``(m,)``.
        learned: Accuracy on the photos learned from.
        seconds: What it took.
        params: Of what was fitted: ``"total"``, ``"trained"``, and the ``"head"``'s.
        layers: That its head sees.
    """

    fold: int
    held: npt.NDArray[np.intp]
    predicted: npt.NDArray[np.int64]
    losses: npt.NDArray[np.float64]
    learned: float
    seconds: float
    params: dict[str, int]
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Folds:
    """A candidate that is trained anew for each of some folds: work for an executor.

    Attributes:
        whole: Has all photos as its training part.
        folds: Of each photo, the fold that it is held out in, shape ``(n,)``.
        seed: Of what is set aside to watch.
        timer: Tells the time in seconds; elsewhere, that of the machine does.
    """

    whole: Job
    folds: npt.NDArray[np.int64]
    seed: int
    timer: Callable[[], float] = time.perf_counter
    _ready: dict[int, Job] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, whole: Job, seed: int, timer: Callable[[], float]) -> Folds:
        """Return the folds of one repeat: the first of those of stored features."""
        parts = whole.labels("train"), whole.groups("train"), whole.digests("train")
        return cls(whole, make_folds(*parts, num_folds=NUM_FOLDS, seed=seed), seed, timer)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is sent elsewhere: nobody there sees how far it is."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        extractor = self.whole.extractor.told(Silent())
        silent = replace(self.whole, extractor=extractor, progress=Silent(), tracking=None)
        return {**own, "whole": silent, "timer": time.perf_counter, "_ready": {}}

    def numbers(self) -> list[int]:
        """Return the numbers of the folds that hold photos out, in order."""
        found: list[int] = np.unique(self.folds).tolist()
        return found

    def job_of(self, fold: int) -> Job:
        """Return what a fold learns from; it is kept until the fold is tested."""
        if fold not in self._ready:
            self._ready[fold] = self._make(fold)
        return self._ready[fold]

    def __call__(self, batch: Sequence[int]) -> list[Tested]:
        """Test folds, one after the other."""
        return [self._test(fold) for fold in batch]

    def stream(self, things: Iterable[int]) -> Generator[tuple[Sequence[int], list[Tested]], None]:
        """Test folds, each when it is asked for."""
        for position, fold in enumerate(things):
            yield [position], [self._test(fold)]

    def _make(self, fold: int) -> Job:
        whole, others = self.whole, np.flatnonzero(self.folds != fold)
        keys = whole.digests("train")
        inner = make_folds(
            whole.labels("train")[others],
            whole.groups("train")[others],
            [keys[i] for i in others],
            num_folds=_WATCHED,
            seed=self.seed,
        )
        held = np.flatnonzero(self.folds == fold)
        job = replace(whole, split=Split(others[inner != 0], others[inner == 0], held))
        # Each fold's own: what is held out has no part in them.
        return _fit_to_photos(job) if goes_by_photos(job.config) else job

    def _test(self, fold: int) -> Tested:
        job = self.job_of(fold)
        del self._ready[fold]
        start = self.timer()
        fitted = find_strategy(job.config.strategy)(job)
        job = fitted.as_seen(job)
        found = job.score(fitted.classifier, "test").astype(np.float64)
        seconds = self.timer() - start
        held, labels = job.split.test, job.labels("test")
        if fitted.history:
            learned = fitted.history.epochs[fitted.history.kept - 1].accuracy
        else:
            said = job.score(fitted.classifier, "train").argmax(axis=1)
            learned = float(np.mean(said == job.labels("train")))
        for leftover in fitted.leftovers:
            shutil.rmtree(leftover, ignore_errors=True)
        own = found[np.arange(len(held)), labels]
        head = fitted.params["total"] - fitted.classifier.backbone.num_params
        return Tested(
            fold,
            held,
            found.argmax(axis=1),
            -np.log(np.clip(own, _EPSILON, 1)),
            float(learned),
            seconds,
            {**fitted.params, "head": head},
            fitted.classifier.layers,
        )


class UnderWay:
    """The folds of a candidate that workers try side by side: since when, and whose turn it is.

    Args:
        timer: Tells the time in seconds.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._folds: deque[int] = deque()
        self._began: dict[int, float] = {}
        self._done: dict[int, Tested] = {}

    def expect(self, folds: Iterable[int]) -> None:
        """Wait for folds, in this order."""
        self._folds.extend(folds)

    def begins(self, folds: Iterable[int]) -> None:
        """Take note that a worker takes up folds."""
        self._began |= dict.fromkeys(folds, self._timer())

    def done(self, tested: Iterable[Tested]) -> Iterator[Tested]:
        """Take note of folds that are done, and yield those whose turn it is."""
        for one in tested:
            self._done[one.fold] = one
            self._began.pop(one.fold, None)
        while self._folds and self._folds[0] in self._done:
            yield self._done.pop(self._folds.popleft())

    def seconds_left(self, seconds: float) -> float:
        """Return how long it takes until the fold is done that is waited for.

        Args:
            seconds: That a fold takes.
        """
        if self._folds and self._folds[0] in self._done:
            return 0.0
        now = self._timer()
        left = {fold: max(0.0, began + seconds - now) for fold, began in self._began.items()}
        if self._folds and self._folds[0] in left:
            return left[self._folds[0]]
        return min(left.values(), default=0.0) + seconds


def _fit_to_photos(job: Job) -> Job:
    """Return a job whose network goes by its training photos."""
    settings = job.config.part(ExtractionSettings)
    extractor = fit_to_photos(job.extractor, job.photos("train"), settings)
    table = None
    if needs_features(job.config):
        table, failures, extractor = extractor.extract(job.dataset.photos)
        for error in failures.values():
            raise error
    return replace(job, extractor=extractor, table=table)
