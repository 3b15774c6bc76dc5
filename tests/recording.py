"""A progress, and a follower of epochs, that remember what they were told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from photograft.learning.history import Epoch


class Recorder:
    """A `Progress` that remembers its steps, the notes beside them, and what was said."""

    def __init__(self) -> None:
        #: Each step as it was opened: what, how many, of which unit.
        self.opened: list[tuple[str, int, str]] = []
        #: How much of each step was done; of its last time, where it came more than once.
        self.done: dict[str, int] = {}
        self.notes: list[str] = []
        self.said: list[str] = []
        #: Steps that began before the one before them had ended; a terminal draws one at a time.
        self.overlapping: list[str] = []
        self._under_way: list[str] = []

    @property
    def steps(self) -> list[str]:
        """What each step was called, in order."""
        return [what for what, _, _ in self.opened]

    @property
    def totals(self) -> dict[str, int]:
        """How much each step was said to be."""
        return {what: total for what, total, _ in self.opened}

    @contextmanager
    def step(self, what: str, total: int, unit: str) -> Iterator[RecordedStep]:
        assert total >= 0
        assert unit
        if self._under_way:
            self.overlapping.append(what)
        self.opened.append((what, total, unit))
        self.done[what] = 0
        self._under_way.append(what)
        try:
            yield RecordedStep(self, what)
        finally:
            self._under_way.remove(what)

    def say(self, message: str) -> None:
        self.said.append(message)

    def advance(self, what: str, amount: int) -> None:
        """Called whenever a step advances."""
        self.done[what] += amount


class RecordedStep:
    """A step of a `Recorder`."""

    def __init__(self, recorder: Recorder, what: str) -> None:
        self._recorder, self._what = recorder, what

    def advance(self, amount: int = 1) -> None:
        self._recorder.advance(self._what, amount)

    def note(self, text: str) -> None:
        self._recorder.notes.append(text)


class InterruptedByTestError(Exception):
    """Raised by a test in the middle of its work."""


class Interrupting(Recorder):
    """A `Recorder` that raises in the middle of a step: not when it first advances."""

    def __init__(self, in_step: str, error: type[BaseException] = InterruptedByTestError) -> None:
        """Raise `error` in the first step whose name begins with `in_step`."""
        super().__init__()
        self._in_step, self._error = in_step, error

    def advance(self, what: str, amount: int) -> None:
        if what.startswith(self._in_step) and self.done[what]:
            raise self._error
        super().advance(what, amount)


class EpochRecorder:
    """A `Follower` that remembers, and raises after an epoch if it is told to."""

    def __init__(self, *, raise_after: int = 0) -> None:
        self.epochs: list[Epoch] = []
        self._raise_after = raise_after

    def epoch(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)
        if epoch.epoch == self._raise_after:
            raise InterruptedByTestError
