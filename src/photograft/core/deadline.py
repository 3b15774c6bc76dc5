"""Work that is stopped when its time is spent; what is kept by then is found again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from photograft.core.progress import Progress, Step


class BudgetSpentError(Exception):
    """The budget was spent in the middle of something."""


@dataclass(frozen=True)
class Until:
    """A `Progress` that stops the work at some time.

    Attributes:
        progress: Told how far it is.
        timer: Tells the time in seconds.
        end: From then on, work that tells how far it is raises `BudgetSpentError`.
    """

    progress: Progress
    timer: Callable[[], float]
    end: float

    @contextmanager
    def step(self, what: str, total: int, unit: str) -> Iterator[Step]:
        """Open a step, if there is time left."""
        self.check()
        with self.progress.step(what, total, unit) as step:
            yield _Step(step, self)

    def say(self, message: str) -> None:
        """Tell the user something in passing."""
        self.progress.say(message)

    def check(self) -> None:
        """Raise `BudgetSpentError` where the time is spent."""
        if self.timer() > self.end:
            raise BudgetSpentError


@dataclass(frozen=True)
class _Step:
    step: Step
    until: Until

    def advance(self, amount: int = 1) -> None:
        self.step.advance(amount)
        self.until.check()

    def note(self, text: str) -> None:
        self.step.note(text)
