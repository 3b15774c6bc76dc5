"""Which candidate is taken where several can't be told apart, and what is said of it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest

from photograft.evaluation.comparison.candidates import Candidate
from photograft.evaluation.comparison.choice import choose
from photograft.evaluation.comparison.leaderboard import make_rows
from photograft.evaluation.comparison.trial_store import Trial
from photograft.learning.settings import TrainConfig

NUM_PHOTOS = 1000


@dataclass(frozen=True)
class Tried:
    """What a candidate is like."""

    accuracy: float
    adds: int = 100_000_000
    size: int = 400_000
    ms: float = 10.0
    seconds: float = 5.0
    loss: float = 0.1
    epochs: int = 0


def chosen(tried: dict[str, Tried], prefer: str = "speed") -> tuple[str, str]:
    """Choose among candidates, ``BACKBONE STRATEGY`` each."""
    hard = np.random.default_rng(0).random(NUM_PHOTOS)
    candidates, trials = [], {}
    for name, own in tried.items():
        backbone, strategy = name.split()
        config = TrainConfig(backbone=backbone, strategy=strategy)
        if own.epochs:
            config = replace(config, training=replace(config.loop, epochs=own.epochs))
        candidates.append(Candidate(config))
        predicted = np.where(hard < own.accuracy, 0, 1)[:, None].repeat(2, axis=1)
        trials[name] = Trial(
            predicted=predicted,
            losses=np.full(predicted.shape, own.loss),
            done=tuple(itertools.product(range(2), range(5))),
            wanted=10,
            train_accuracies=(1.0,),
            seconds=own.seconds,
            costs={
                "ms_per_photo": own.ms,
                "multiply_adds": own.adds,
                "num_bytes": own.size,
                "train_seconds": own.seconds,
            },
        )
    labels = np.zeros(NUM_PHOTOS, np.int64)
    rows = make_rows(candidates, trials, {}, labels, np.arange(NUM_PHOTOS))
    winner, words = choose(rows, prefer, candidates)
    backwards, others = choose(rows, prefer, candidates[::-1])
    assert (backwards["id"], others) == (winner["id"], words), "nothing hangs on the order"
    return str(winner["id"]), words


THREE = {
    "small features": Tried(0.95, adds=50, size=900, ms=5),
    "large features": Tried(0.952, adds=200, size=800, ms=20),
    "poor features": Tried(0.80, adds=10, size=100, ms=1),
}


def test_cheapest_of_the_ties_is_chosen() -> None:
    name, words = chosen(THREE)
    assert name == "small features"
    assert "held-out photos right, the fastest to predict of 2 that can't be told apart" in words
    assert "large features had the most right" in words
    assert "5.0 ms a photo to 20.0 ms" in words


def test_some_bytes_of_head_break_no_tie() -> None:
    """The dearer strategy's head happened to be smaller, by less than anybody would notice."""
    name, words = chosen(
        {
            "net features": Tried(0.95, size=13_656_460, seconds=5.5, loss=0.035),
            "net features+augment": Tried(0.948, size=13_655_948, seconds=50, loss=0.042),
        }
    )
    assert name == "net features"
    assert "the simplest strategy of 2 that can't be told apart" in words
    assert "it had the most right" in words


@pytest.mark.parametrize("prefer", ["speed", "size"])
def test_simpler_strategies_come_first_among_equals(prefer: str) -> None:
    strategies = ("features", "features+augment", "finetune", "scratch")
    for simple, dear in itertools.pairwise(strategies):
        name, words = chosen(
            {
                # The dearer one has the most right, is a little cheaper in use, and is surer.
                f"net {dear}": Tried(0.952, adds=97_000_000, size=390_000, seconds=60, loss=0.01),
                f"net {simple}": Tried(0.95, seconds=6, loss=0.1),
            },
            prefer,
        )
        assert name == f"net {simple}"
        assert "they cost the same in use, and it is trained in 6.0 s to 1 min 0 s" in words


def test_cost_in_use_comes_before_the_strategy() -> None:
    name, words = chosen(
        {
            "large features": Tried(0.952, adds=400_000_000),
            "small features+augment": Tried(0.951, ms=3),
            "small finetune": Tried(0.951, ms=3, epochs=5),
        }
    )
    assert name == "small features+augment"
    assert "the fastest to predict, and of 2 as fast the simplest strategy, of 3 that" in words


def test_shorter_training_then_log_loss_decide() -> None:
    one, other = Tried(0.95, epochs=5, loss=0.05), Tried(0.952, epochs=20, loss=0.02)
    name, words = chosen({"a finetune": one, "b finetune": other})
    assert name == "a finetune"
    assert "the shortest to train of 2" in words
    name, words = chosen({"a finetune": one, "b finetune": replace(other, epochs=5)})
    assert name == "b finetune"
    assert "the least log loss of 2" in words


def test_measured_times_choose_nothing() -> None:
    """They are not the same tomorrow: neither those to predict nor those to train."""
    tried = {
        "a features": Tried(0.95, ms=9.0, seconds=90, loss=0.05),
        "b features": Tried(0.952, ms=3.0, seconds=9, loss=0.06),
    }
    assert chosen(tried)[0] == "a features"


def test_times_that_contradict_the_choice_are_not_its_reason() -> None:
    name, words = chosen(
        {
            "small features": Tried(0.95, ms=9.0, adds=10**8),
            "large features": Tried(0.952, ms=3.0, adds=10**9),
        }
    )
    assert name == "small features"
    assert "100 million multiply-adds a photo to 1,000 million" in words


def test_preferences() -> None:
    name, words = chosen(THREE, "accuracy")
    assert name == "large features"
    assert "the most of all; one other can't be told from it" in words
    name, words = chosen(THREE, "size")
    assert name == "large features"
    assert "the smallest of 2" in words


def test_clear_winner() -> None:
    tried = {"good features": Tried(0.95, size=9), "poor features": Tried(0.80, adds=1, size=1)}
    name, words = chosen(tried)
    assert name == "good features"
    assert "better than every other beyond noise (poor features comes next" in words
    assert "only candidate" in chosen({"good features": Tried(0.95)})[1]
