"""Trying candidates: the cheap ones first, dearer ones only while they can still win.

Looks at a photo (`photograft.learning.looks`), strategies (``--strategy auto``) and all that a
comparison compares are candidates of this one scheduler. What differs is what a stage of a trial
is: an audition on a sample before all photos are looked at, one fold after another, or all at once.
What is common is here. Before each stage a candidate is asked, in this order:

1. May it still win? Who is behind beyond noise is tried no further (a race: Maron & Moore,
   "Hoeffding races", 1994).
2. Can it be paid for? In work that is counted, which is the same on every machine, or in time.

What was begun and is stopped when the time is spent keeps what it has done; which one is kept in
the end is said by `photograft.learning.scheduling.judging`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from photograft.core.deadline import BudgetSpentError, Until
from photograft.core.progress import Progress
from photograft.core.text import rough_duration

_SPENT = "the budget was spent in the middle of it: with a larger one it goes on from there"


class Price(NamedTuple):
    """What the next stage of a trial is thought to take.

    Attributes:
        work: Counted, as a multiple of the first candidate's.
        seconds: By what is known of such work on this machine; 0 where nobody can tell.
        what: It is, in words.
    """

    work: float = 0.0
    seconds: float = 0.0
    what: str = "it"


class Budget:
    """What may be spent: work, time, or both.

    Args:
        work: Counted, as in `Price`.
        seconds: From now on.
        timer: Tells the time in seconds.
    """

    def __init__(
        self,
        *,
        work: float = math.inf,
        seconds: float = math.inf,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.work_left = work
        self.was_spent = False
        self._timer = timer
        self._end = math.inf if math.isinf(seconds) else timer() + seconds

    @property
    def seconds_left(self) -> float:
        """How much time is left; below 0 where it is spent."""
        return self._end if math.isinf(self._end) else self._end - self._timer()

    def pay(self, work: float) -> None:
        """Take work off that was done."""
        self.work_left -= work

    def refusal(self, price: Price) -> str:
        """Return why something can't be paid for; or nothing."""
        if price.work > self.work_left:
            return (
                f"{price.what} would take {price.work:.1f} times the work of the first, with "
                f"{self.work_left:.1f} left"
            )
        left = self.seconds_left
        if price.seconds <= left:
            return ""
        self.was_spent = True
        if not price.seconds:
            return "the budget was spent before its turn"
        rest = f"with {rough_duration(left)} left" if left > 0 else "and the budget is spent"
        return f"{price.what} would take about {rough_duration(price.seconds)}, {rest}"

    def watch(self, progress: Progress) -> Progress:
        """Return a progress that stops the work when the time is spent."""
        if math.isinf(self._end):
            return progress
        return Until(progress, self._timer, self._end)


class Entry(Protocol):
    """A candidate, asked anew before each stage of its trial."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def order(self) -> tuple[float, ...]:
        """Return its place: the least is tried first. Of candidates in one stage, by cost."""
        ...

    def hopeless(self) -> str:
        """Return why it can't win any more, or not so as to be worth more; or nothing."""
        ...

    def price(self) -> Price:
        """Return what its next stage takes."""
        ...

    def advance(self, budget: Budget) -> bool:
        """Do its next stage; return whether that was the last.

        Args:
            budget: Whose `watch` stops it.

        Raises:
            BudgetSpentError: It was stopped.
        """
        ...


def run(
    entries: Sequence[Entry],
    budget: Budget,
    *,
    is_any_done: Callable[[], bool] = lambda: True,
    begin: Callable[[int, Entry], object] = lambda number, entry: None,
) -> dict[str, str]:
    """Try candidates until all are tried, can't win any more, or can't be paid for.

    Args:
        entries: The candidates; of equals the first is tried first.
        budget: What may be spent on them.
        is_any_done: Whether there is something to keep already. Until there is, nothing is refused
            and nothing stopped: what comes first is tried at any cost.
        begin: Told of each that is begun, and which one of all it is, from 1 on.

    Returns:
        By name, why a candidate was not tried, or not to the end.
    """
    left, begun, reasons = list(entries), set[str](), dict[str, str]()
    while left:
        entry = min(left, key=lambda one: one.order())
        is_free = not is_any_done()
        why = entry.hopeless() or ("" if is_free else budget.refusal(entry.price()))
        if not why:
            if entry.name not in begun:
                begun.add(entry.name)
                begin(len(entries) - len(left) + 1, entry)
            # Here, and only here, candidates are tried: those that stand side by side in `left`
            # ask nothing of each other before a stage is done.
            try:
                if not entry.advance(Budget() if is_free else budget):
                    continue
            except BudgetSpentError:
                budget.was_spent, why = True, _SPENT
        left.remove(entry)
        if why:
            reasons[entry.name] = why
    return reasons
