"""What a candidate's folds hold out has no part in anything that the candidate goes by."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import photograft
import system_helpers as system
from drawing import draw_folder
from executor_helpers import NEEDS_RAY
from photograft.backbones.settings import Preprocessing
from photograft.core.deadline import BudgetSpentError, Until
from photograft.core.executors.base import Dealing, Done, InProcess
from photograft.core.executors.choosing import executing
from photograft.core.executors.processes import Processes
from photograft.core.progress import Silent, Step
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset, Photo
from photograft.evaluation.comparison import folds
from photograft.evaluation.comparison.candidates import Candidate
from photograft.evaluation.comparison.folds import Folds, UnderWay
from photograft.evaluation.comparison.trials import TrialContext, try_folds
from recording import Recorder
from training_helpers import tiny_config

FEATUREWISE = Preprocessing(input_size=32, center="feature", standardize="feature")


class Watching(Silent):
    """Knows which step is under way."""

    what = ""

    @contextmanager
    def step(self, what: str, total: int, unit: str) -> Iterator[Step]:
        before, self.what = self.what, what
        with super().step(what, total, unit) as step:
            yield step
        self.what = before


@pytest.mark.parametrize("strategy", ["features", "scratch"])
def test_statistics_are_those_of_a_folds_own_photos(
    strategy: str, tmp_path: Path, cache: Path
) -> None:
    progress, measured = Watching(), set()
    dataset = Dataset.load(draw_folder(tmp_path / "photos", system.CLASSES, n=10, size=40))

    def noted(photo: Photo) -> Photo:
        def read() -> bytes:
            if progress.what == "Measuring pixels":
                measured.add(photo.name)
            return photo.read()

        return replace(photo, read=read)

    pool = replace(dataset, photos=tuple(noted(photo) for photo in dataset.photos))
    config = tiny_config(strategy, weights="random", preprocessing=FEATUREWISE)
    candidate = Candidate(config)
    assert not candidate.is_stored
    context = TrialContext(pool, FeatureStore(cache), progress, seed=0)
    known: set[int] = set()
    for number, trial in enumerate(try_folds(context, candidate, None), start=1):
        out = set(np.flatnonzero(trial.predicted[:, 0] >= 0).tolist()) - known
        known |= out
        assert out
        assert measured
        assert not {pool.photos[i].name for i in out} & measured
        measured.clear()
        assert number == len(trial.done)
    assert len(known) == 30


@pytest.mark.parametrize(
    "executor",
    [
        pytest.param("processes", marks=pytest.mark.slow),
        pytest.param("ray", marks=NEEDS_RAY),
    ],
)
def test_folds_side_by_side_are_those_of_this_process(
    executor: str, photos: Path, cache: Path, request: pytest.FixtureRequest
) -> None:
    """Bit for bit, in the same order; a network that is trained, and its frozen features."""
    candidate = Candidate(tiny_config("finetune", weights="random", keep="always"))
    context = TrialContext(Dataset.load(photos), FeatureStore(cache), Silent(), seed=0)
    here = list(try_folds(context, candidate, None))
    with executing(Processes(2) if executor == "processes" else request.getfixturevalue("on_ray")):
        there = list(
            try_folds(replace(context, progress=(recorder := Recorder())), candidate, None)
        )
        rest = list(try_folds(context, candidate, here[2]))
    assert len(here) == len(there) == 5
    for one, other in zip([*here, here[-1]], [*there, rest[-1]], strict=True):
        assert np.array_equal(one.predicted, other.predicted)
        assert np.array_equal(one.losses, other.losses, equal_nan=True)
        assert one.done == other.done
        assert one.train_accuracies == other.train_accuracies
        assert one.costs.keys() == other.costs.keys()
    assert len(rest) == 2
    assert recorder.done["Trying convnet:c8 p c16 p c24 finetune"] == 5


class Clock:
    """Tells the time that it is set to."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def outcome(fold: int) -> folds.Tested:
    nothing = np.zeros(0, np.int64)
    return folds.Tested(fold, nothing, nothing, np.zeros(0), 1.0, 10.0, {}, ())


def test_what_a_further_fold_takes_that_is_under_way() -> None:
    """Two workers, four folds of ten seconds each."""
    clock = Clock()
    under_way = UnderWay(clock)
    assert under_way.seconds_left(10) == 10
    under_way.expect([4, 3, 2, 0])
    under_way.begins([4])
    under_way.begins([3])
    clock.seconds = 8.0
    assert under_way.seconds_left(10) == 2
    assert not [*under_way.done([outcome(3)])]
    under_way.begins([2])
    clock.seconds = 11.0
    assert under_way.seconds_left(10) == 0  # it takes longer than was thought
    found = under_way.done([outcome(4)])
    assert next(found).fold == 4
    assert under_way.seconds_left(10) == 0  # it is there
    assert [one.fold for one in found] == [3]
    assert under_way.seconds_left(10) == 7
    clock.seconds = 15.0
    assert [one.fold for one in under_way.done([outcome(2)])] == [2]
    assert under_way.seconds_left(10) == 10  # it waits for a worker


@dataclass
class Beside(InProcess):
    """Does as if as many workers as there are things had begun at once."""

    is_remote = True

    def run(
        self, work: Any, things: Iterable[Any], dealing: Dealing[Any] | None = None
    ) -> Generator[Done[Any], None, None]:
        assert dealing is not None
        things = list(things)
        dealing.begins([*range(len(things))])
        for position, thing in enumerate(things):
            yield Done([position], work([thing]))


def test_folds_tell_since_when_they_are_under_way(photos: Path, cache: Path) -> None:
    clock = Clock()
    context = TrialContext(Dataset.load(photos), FeatureStore(cache), Silent(), 0, clock)
    under_way = UnderWay(clock)
    with executing(Beside()):
        trials = try_folds(context, Candidate(tiny_config("scratch")), None, under_way)
        clock.seconds = 10.0
        next(trials)
        clock.seconds = 50.0
        assert under_way.seconds_left(60) == 20
        trials.close()


@dataclass(frozen=True)
class Endless:
    """Work that is never done."""

    def __call__(self, batch: object) -> object:
        while True:
            time.sleep(1)

    stream = __call__


def test_the_budget_stops_folds_that_are_tried_elsewhere(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Folds, "__reduce__", lambda folds: (Endless, ()))
    candidate = Candidate(tiny_config("scratch"))
    end = time.monotonic() + 3
    context = TrialContext(Dataset.load(photos), FeatureStore(cache), Silent(), seed=0)
    late = replace(context, progress=Until(Silent(), time.monotonic, end))
    with executing(Processes(1)), pytest.raises(BudgetSpentError):
        list(try_folds(late, candidate, None))
    assert time.monotonic() > end


def test_a_head_on_stored_features_needs_no_folds_of_its_own() -> None:
    assert Candidate(tiny_config("features")).is_stored


@pytest.mark.parametrize("verb", ["doctor", "learning_curve"])
def test_where_photos_are_held_out_in_turn_no_statistics_are_taken(
    verb: str, tmp_path: Path, cache: Path
) -> None:
    source = draw_folder(tmp_path / "photos", n=12, size=40)
    config = tiny_config("features", weights="random", preprocessing=FEATUREWISE)
    plain = replace(config, preprocessing=Preprocessing(input_size=32))
    progress, store = Recorder(), FeatureStore(cache)
    if verb == "doctor":
        found = photograft.doctor(source, config, store=store, progress=progress)
        other = photograft.doctor(source, plain, store=store)
        assert found.diagnosis.findings == other.diagnosis.findings
    else:
        curve = photograft.learning_curve(source, config, seeds=5, store=store, progress=progress)
        same = photograft.learning_curve(source, plain, seeds=5, store=store)
        assert curve.rows() == same.rows()
    assert any("their statistics are not taken" in message for message in progress.said)
