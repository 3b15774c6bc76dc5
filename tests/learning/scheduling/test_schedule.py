"""The one scheduler: the cheap first, nothing that can't win or be paid for, and who is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from photograft.core.deadline import BudgetSpentError
from photograft.core.progress import Silent
from photograft.learning.scheduling.judging import Gain, can_be_beaten, cheapest_of_ties
from photograft.learning.scheduling.schedule import Budget, Entry, Price, run


@dataclass
class Candidate:
    """One of some stages; what it does is written down."""

    name: str
    cost: float
    done: list[str]
    stages: int = 1
    why: Callable[[], str] = lambda: ""
    takes: Price = field(default_factory=Price)
    spoils: bool = False

    def order(self) -> tuple[float, ...]:
        return (self.cost,)

    def hopeless(self) -> str:
        return self.why()

    def price(self) -> Price:
        return self.takes

    def advance(self, budget: Budget) -> bool:
        self.done.append(self.name)
        if self.spoils:
            raise BudgetSpentError
        budget.pay(self.takes.work)
        self.stages -= 1
        return not self.stages


class Clock:
    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_the_cheap_come_first_and_each_is_told_of_once() -> None:
    done, begun = list[str](), list[tuple[int, str]]()
    entries: list[Entry] = [
        Candidate("dear", 3, done, stages=2),
        Candidate("cheap", 1, done),
        Candidate("hopeless", 2, done, why=lambda: "it is behind"),
    ]
    reasons = run(entries, Budget(), begin=lambda n, entry: begun.append((n, entry.name)))
    assert done == ["cheap", "dear", "dear"]
    assert begun == [(1, "cheap"), (3, "dear")]
    assert reasons == {"hopeless": "it is behind"}


def test_who_falls_behind_is_tried_no_further() -> None:
    done = list[str]()
    late = Candidate("late", 1, done, stages=5, why=lambda: "behind" if len(done) > 1 else "")
    assert run([late], Budget()) == {"late": "behind"}
    assert done == ["late", "late"]


def test_work_is_counted() -> None:
    done = list[str]()
    entries: list[Entry] = [
        Candidate("large", 2, done, takes=Price(work=3.0)),
        Candidate("small", 1, done, takes=Price(work=2.0)),
    ]
    budget = Budget(work=4.0)
    reasons = run(entries, budget)
    assert done == ["small"]
    assert reasons == {"large": "it would take 3.0 times the work of the first, with 2.0 left"}
    assert budget.work_left == 2
    assert not budget.was_spent


@pytest.mark.parametrize(
    ("passed", "seconds", "why"),
    [
        (10.0, 120.0, "a fold would take about 2 min, with 90 s left"),
        (200.0, 120.0, "a fold would take about 2 min, and the budget is spent"),
        (200.0, 0.0, "the budget was spent before its turn"),
    ],
)
def test_time_is_spent(passed: float, seconds: float, why: str) -> None:
    clock, done = Clock(), list[str]()
    budget = Budget(seconds=99.9, timer=clock)
    clock.now = passed
    one = Candidate("one", 1, done, takes=Price(seconds=seconds, what="a fold"))
    assert run([one], budget) == {"one": why}
    assert not done
    assert budget.was_spent


def test_what_is_first_is_tried_at_any_cost() -> None:
    """And whatever comes after it only where that can be paid for."""
    clock, done = Clock(), list[str]()
    budget = Budget(seconds=1, timer=clock)
    clock.now = 5
    entries = [Candidate(n, i, done, takes=Price(seconds=9)) for i, n in enumerate(("a", "b"))]
    reasons = run(entries, budget, is_any_done=lambda: bool(done))
    assert done == ["a"]
    assert list(reasons) == ["b"]


def test_what_is_stopped_in_the_middle_is_told_of() -> None:
    done = list[str]()
    reasons = run([Candidate("one", 1, done, spoils=True)], budget := Budget())
    assert "goes on from there" in reasons["one"]
    assert budget.was_spent


def test_a_budget_stops_work_that_tells_how_far_it_is() -> None:
    clock = Clock()
    watched = Budget(seconds=1, timer=clock).watch(Silent())
    with watched.step("Working", 2, "steps") as step:
        step.advance()
        clock.now = 2
        with pytest.raises(BudgetSpentError):
            step.advance()
    silent = Silent()
    assert Budget(work=1).watch(silent) is silent


# Who is better


def test_a_gain_is_real_beyond_the_noise_of_the_difference() -> None:
    """Two that differ by a little on every photo are told apart, however hard the photos are."""
    rng = np.random.default_rng(0)
    before = rng.exponential(1.0, 200)
    steady = Gain.of(before, before - 0.01)
    assert steady.is_real
    assert steady.promise == pytest.approx(0.01)
    noise = rng.normal(0, 1, 200)
    noisy = Gain.of(before, before - 0.01 + noise - noise.mean())
    assert not noisy.is_real
    negligible = Gain.of(before, before - 0.001)
    assert not negligible.is_real
    assert negligible.promise == 0
    assert not Gain.of(before, before + 0.1).is_real


def test_a_promise_is_half_way_to_a_gain() -> None:
    differences = np.array([0.0, 1.0] * 8) - 0.35
    gain = Gain.of(differences, np.zeros(16))
    assert gain.noise / 2 < gain.mean < 2 * gain.noise
    assert gain.promise == gain.mean
    assert Gain(0.4 * gain.noise, gain.noise).promise == 0


def test_photos_count_by_their_shares() -> None:
    shares = np.array([0.5, 0.5, 0.0])
    gain = Gain.of(np.array([1.0, 1.0, 9.0]), np.zeros(3), shares)
    assert gain == Gain(1.0, 0.0)


def test_the_cheapest_of_ties_is_kept() -> None:
    def better(one: float, other: float) -> bool:
        return one > other + 1

    assert cheapest_of_ties([3.0, 3.9, 3.5], better) == 3.0
    assert cheapest_of_ties([3.0, 4.5, 5.0], better) == 4.5
    assert cheapest_of_ties([3.0], better) == 3.0


def test_where_nothing_is_lost_nothing_is_to_be_gained() -> None:
    assert can_be_beaten(0.1)
    assert not can_be_beaten(0.001)
