"""How far a training is, told by another process, and heard in this one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Self

from photograft.core.progress import Progress, Step
from photograft.learning.history import Epoch, Follower

#: Seconds: no more often is it told how far a step is.
_EVERY = 0.3


class Telling:
    """A `Progress` and a `Follower` that tells what it is told.

    Args:
        tell: Takes an event that `Heard` understands.
    """

    def __init__(self, tell: Callable[[object], None]) -> None:
        self._tell = tell
        self._amount, self._text, self._told = 0, "", 0.0

    @contextmanager
    def step(self, what: str, total: int, unit: str) -> Iterator[Step]:
        """Tell that a step is begun, how far it is, and that it is over."""
        self._tell(("step", what, total, unit))
        yield self
        self.flush()
        self._tell(("end",))

    def advance(self, amount: int = 1) -> None:
        """Tell that more is done, soon."""
        self._amount += amount
        if time.monotonic() - self._told > _EVERY:
            self.flush()

    def note(self, text: str) -> None:
        """Tell some words, soon."""
        self._text = text

    def say(self, message: str) -> None:
        """Tell a line."""
        self._tell(("say", message))

    def epoch(self, epoch: Epoch) -> None:
        """Tell of an epoch."""
        self._tell(("epoch", epoch))

    def flush(self) -> None:
        """Tell what has not been told yet."""
        if self._amount or self._text:
            self._tell(("more", self._amount, self._text))
        self._amount, self._text, self._told = 0, "", time.monotonic()


class Heard:
    """Passes on what `Telling` has told, a context manager.

    Args:
        followers: Told of each epoch.
        progress: Told how far it is.
    """

    def __init__(self, followers: Sequence[Follower], progress: Progress) -> None:
        self._followers, self._progress = followers, progress
        self._open: AbstractContextManager[Step] | None = None
        self._step: Step | None = None
        self._last = 0

    def __call__(self, event: Any) -> None:
        """Pass an event on."""
        kind, *rest = event
        if kind == "step":
            self._close()  # of a worker that died in the middle of it
            self._open = self._progress.step(*rest)
            self._step = self._open.__enter__()
        elif kind == "more" and self._step is not None:
            self._step.advance(rest[0])
            if rest[1]:
                self._step.note(rest[1])
        elif kind == "say":
            self._progress.say(*rest)
        elif kind == "epoch":
            self._epoch(*rest)
        elif kind == "end":
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _epoch(self, epoch: Epoch) -> None:
        """Pass an epoch on, once: where a worker died, all before are told anew."""
        if epoch.epoch <= self._last:
            return
        self._last = epoch.epoch
        for follower in self._followers:
            follower.epoch(epoch)

    def _close(self) -> None:
        if self._open is not None:
            self._open.__exit__(None, None, None)
        self._open = self._step = None
