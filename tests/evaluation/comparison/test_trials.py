"""What a candidate's folds hold out has no part in anything that the candidate goes by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import photograft
import system_helpers as system
from drawing import draw_folder
from photograft.backbones.settings import Preprocessing
from photograft.core.progress import Silent, Step
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset, Photo
from photograft.evaluation.comparison.candidates import Candidate
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
