"""The best of all strategies: the cheap one at any cost, dearer ones within the budget."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import system_helpers as system
from drawing import draw_folder
from photograft.learning.job import Job
from photograft.learning.strategies import auto, features_augment
from photograft.learning.strategies.features_augment import choose_augmented, choose_plain
from training_helpers import make_job, tiny_config


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("photos"), system.CLASSES, n=16, size=48)


class Clock:
    """Jumps by so many seconds each time it is looked at, from some look on."""

    def __init__(self, jump: float, start: int = 0) -> None:
        self.jump, self.left, self.now = jump, start, 0.0

    def __call__(self) -> float:
        self.left -= 1
        if self.left < 0:
            self.now += self.jump
        return self.now


def job_of(photos: Path, cache: Path, **changes: object) -> Job:
    loop = {"epochs": 1}
    return make_job(photos, tiny_config("auto", weights="random", loop=loop, **changes), cache)


def test_a_budget_that_is_spent_leaves_the_dearer_ones_out(photos: Path, cache: Path) -> None:
    job = job_of(photos, cache, budget=10.0)
    fitted = auto.fit(job, timer=Clock(60.0))
    assert fitted.strategy == "features"
    assert fitted.history is None
    said = [note for note in fitted.notes if "was not tried to the end" in note]
    assert [note.partition(" ")[0] for note in said] == ["features+augment", "finetune"]
    assert all("budget was spent" in note for note in said)
    assert "augmented" not in fitted.selection
    # It has learned from all photos that may be learned from, as any other that is frozen.
    assert fitted.has_learned_validation


def test_a_budget_ends_a_training_in_the_middle(photos: Path, tmp_path: Path) -> None:
    looks = 0

    def count() -> float:
        nonlocal looks
        looks += 1
        return 0.0

    auto.fit(job_of(photos, tmp_path / "whole", budget=10.0), timer=count)
    # The last look at the clock is in the training.
    job = job_of(photos, tmp_path / "cut", budget=10.0)
    fitted = auto.fit(job, timer=Clock(60.0, looks - 2))
    (note,) = [note for note in fitted.notes if "was not tried to the end" in note]
    assert note.startswith("finetune")
    assert "goes on from there" in note
    assert "augmented" in fitted.selection
    assert not fitted.classifier.is_trained


def test_a_budget_that_is_not_spent_changes_nothing(photos: Path, cache: Path) -> None:
    without, within = (auto.fit(job_of(photos, cache, budget=b)) for b in (0.0, 3600.0))
    assert without.selection == within.selection
    assert without.notes == within.notes
    assert without.history is not None
    for name, weights in without.classifier.head.tensors().items():
        assert np.array_equal(weights, within.classifier.head.tensors()[name])


def test_plain_features_are_compared_on_the_photos_of_all_views(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where views are so many that a choice is made on a part of the photos, on the same part."""
    monkeypatch.setattr("photograft.learning.head.trying.SELECTION_ROWS", 90)
    job = job_of(photos, cache, views=2, validation=0.0)
    job = replace(job, config=replace(job.config, strategy="features+augment"))
    plain, augmented = choose_plain(job), choose_augmented(job)
    assert plain.num_photos == augmented.num_photos < len(job.split.train)
    assert features_augment.fit(job).strategy in ("features", "features+augment")
