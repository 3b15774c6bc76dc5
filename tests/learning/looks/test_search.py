"""The search for looks: it keeps what helps, drops what does not, and stays within its plan."""

from __future__ import annotations

import dataclasses
import html
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import photograft
from photograft.backbones.costs import costs_of
from photograft.backbones.get import get_backbone
from photograft.backbones.settings import Preprocessing
from photograft.core.errors import InputError
from photograft.core.progress import Progress, Silent
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.splits import make_split
from photograft.features.opening import extractor_for
from photograft.learning.head.selection import to_json
from photograft.learning.job import Job
from photograft.learning.looks import plan
from photograft.learning.looks.plan import PLANS, Plan, plan_for
from photograft.learning.looks.search import Found, Search, search
from photograft.learning.looks.steps import Step, told
from photograft.learning.options import read_settings
from photograft.learning.settings import TrainConfig
from photograft.learning.strategies import features
from recording import InterruptedByTestError, Interrupting, Recorder
from system_helpers import read_json

#: The first look, one that sees what it can't, and one that sees even less.
FIRST, SHARP, BLURRED = (f"efficientnet_lite0@{size}" for size in (32, 96, 16))

CONFIG = TrainConfig(precision="fp32", validation=0.0, test=0.2)


@pytest.fixture(scope="module")
def striped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos whose class is in stripes so fine that they are grey when seen small."""
    root = tmp_path_factory.mktemp("striped")
    for number, name in enumerate(("across", "down")):
        (root / name).mkdir()
        for i in range(24):
            rng = np.random.default_rng([number, i])
            stripes = np.where(np.arange(96) // 2 % 2, -12.0, 12.0) + rng.normal(0, 20, (96, 96))
            shade = rng.uniform(90, 160, 3)
            pixels = (stripes.T if number else stripes)[..., None] + shade
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """One for all tests here: each look looks once."""
    return FeatureStore(tmp_path_factory.mktemp("store"))


def job_of(
    photos: Path,
    store: FeatureStore,
    *,
    first: str = FIRST,
    progress: Progress | None = None,
    config: TrainConfig = CONFIG,
) -> Job:
    dataset = Dataset.load(photos)
    split = make_split(dataset, validation=config.validation or 0.0, test=config.test, seed=0)
    extractor = extractor_for(
        get_backbone(first), config, store=store, progress=progress or Silent()
    )
    table, _, extractor = extractor.extract(dataset.photos)
    return Job(dataset, split, extractor, table, config, progress or Silent())


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, [SHARP, BLURRED])


def allow(
    monkeypatch: pytest.MonkeyPatch, looks: Sequence[str], most: float = 99.0, kept: int = 2
) -> None:
    """Let standard effort try some looks."""
    monkeypatch.setitem(PLANS, "standard", Plan(tuple(looks), most, kept))


def told_of(found: Found) -> dict[str, object]:
    return to_json(found.selection)


def names(found: Found) -> list[str]:
    return [look.name for look in found.extractor.backbone.looks]


def kept(found: Found) -> list[str]:
    return [step.look for step in found.steps if step.kept]


@pytest.mark.usefixtures("planned")
def test_a_look_that_helps_is_kept(striped: Path, store: FeatureStore) -> None:
    found = search(job_of(striped, store))
    assert kept(found) == [FIRST, SHARP]
    assert [step.replaced for step in found.steps if step.kept] == [True, False]
    assert BLURRED in {step.look for step in found.steps}
    # It tells all that the first one does: together they are no better, and take longer.
    assert names(found) == [SHARP]
    first, second, *_ = found.steps
    assert (first.cost, first.promised) == (1.0, None)
    assert first.accuracy is not None
    assert second.accuracy is not None
    assert second.accuracy > first.accuracy + 0.1
    assert second.promised is not None
    assert second.promised > 0
    assert found.selection.accuracy == second.accuracy
    assert found.selection.log_loss == second.log_loss
    note = next(note for note in found.notes if SHARP in note)
    assert "is kept" in note
    assert f"{second.cost:.1f} times the work" in note
    json.dumps([step.to_json() for step in found.steps], allow_nan=False)


class Clock:
    """Each look at it takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize("budget", [0.5, 3.0, 8.0])
def test_a_budget_that_is_spent(striped: Path, tmp_path: Path, budget: float) -> None:
    """Whenever that is: what was kept by then is a classifier, and looks at photos as any other."""
    config = dataclasses.replace(CONFIG, budget=budget)
    job = job_of(striped, FeatureStore(tmp_path), config=config)
    found = search(job, timer=Clock())
    assert names(found) == [FIRST]
    (note,) = [note for note in found.notes if "--budget" in note]
    assert "was spent before all looks were tried" in note
    assert found.extractor.extract(job.dataset.photos[:2])[1] == {}
    alone = search(dataclasses.replace(job, config=dataclasses.replace(config, effort="quick")))
    assert told_of(found) == told_of(alone)


@pytest.mark.usefixtures("planned")
def test_a_budget_that_is_not_spent_changes_nothing(striped: Path, store: FeatureStore) -> None:
    without = search(job_of(striped, store))
    found = search(job_of(striped, store, config=dataclasses.replace(CONFIG, budget=3600.0)))
    assert names(found) == names(without) == [SHARP]
    assert told_of(found) == told_of(without)
    assert not any("budget" in note for note in found.notes)


def test_a_budget_is_time() -> None:
    assert read_settings(budget="5m").budget == 300
    assert read_settings(budget=5).budget == 5
    for wrong in ("soon", -1):
        with pytest.raises(InputError, match="budget"):
            read_settings(budget=wrong)


def test_a_look_that_does_not_help_is_dropped(
    striped: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, [BLURRED])
    job = job_of(striped, store)
    found = search(job)
    assert names(found) == kept(found) == [FIRST]
    assert [step.look for step in found.steps[:1]] == [FIRST]
    assert BLURRED in {step.look for step in found.steps} or any(
        "promised anything" in note for note in found.notes
    )
    # Nothing is other than where nothing else was tried.
    alone = search(job.with_config(effort="quick"))
    assert found.selection.log_loss == alone.selection.log_loss
    assert np.array_equal(found.selection.columns, alone.selection.columns)


@pytest.mark.usefixtures("planned")
def test_features_are_those_of_the_looks_that_are_kept(striped: Path, store: FeatureStore) -> None:
    job = job_of(striped, store)
    found = search(job)
    digests = [photo.digest for photo in job.dataset.photos]
    again = found.extractor.extract(job.dataset.photos)[0]
    assert found.table.rows(digests).tobytes() == again.rows(digests).tobytes()
    assert found.table.num_features == found.extractor.backbone.num_features
    assert found.selection.columns.max() < found.table.num_features
    known = {layer.name for layer in found.extractor.backbone.layers}
    assert set(found.selection.layers) <= known
    assert {name for member in found.selection.members for name in member.layers} <= known


def test_it_stays_within_its_plan(
    striped: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, sharp = (costs_of(get_backbone(name))[0] for name in (FIRST, SHARP))
    allow(monkeypatch, [SHARP, BLURRED], most=1 + 0.99 * sharp / first)
    found = search(job_of(striped, store))
    assert SHARP not in {step.look for step in found.steps}
    allow(monkeypatch, [SHARP, BLURRED], most=1 + 1.01 * sharp / first)
    found = search(job_of(striped, store))
    assert kept(found) == [FIRST, SHARP]
    on_all = sum(step.cost for step in found.steps if step.accuracy is not None)
    assert on_all <= 1 + 1.01 * sharp / first


def test_no_more_are_kept_than_planned(
    striped: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, [SHARP, f"{SHARP},mirror", "efficientnet_lite0@64"], kept=2)
    found = search(job_of(striped, store))
    assert len(names(found)) <= 2


def test_where_all_are_right_nothing_is_tried(
    photos: Path, warm_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing that another look could mend."""
    allow(monkeypatch, [SHARP])
    recorder = Recorder()
    found = search(
        job_of(photos, FeatureStore(warm_cache), first="efficientnet_lite0", progress=recorder)
    )
    assert found.selection.accuracy == 1
    assert len(found.steps) == 1
    assert not any(step.startswith(("Trying", "Looking again")) for step in recorder.steps)


@pytest.mark.usefixtures("planned")
def test_quick_looks_once(striped: Path, store: FeatureStore) -> None:
    recorder = Recorder()
    job = job_of(striped, store, progress=recorder).with_config(effort="quick")
    found = search(job)
    assert names(found) == [FIRST]
    assert len(found.steps) == 1
    assert found.notes == ()
    assert not any(step.startswith(("Trying", "Looking again")) for step in recorder.steps)


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": "efficientnet_lite1"},
        {"weights": "mine.safetensors"},
        {"pooling": "flatten"},
        {"preprocessing": Preprocessing(input_size=160)},
        {"precision": "int8"},
        {"test_views": "flip"},
    ],
)
def test_what_the_user_names_is_taken_alone(changes: dict[str, object]) -> None:
    config = TrainConfig(effort="thorough")
    assert plan_for(config) == PLANS["thorough"]
    assert plan_for(dataclasses.replace(config, **changes)) == PLANS["quick"]  # type: ignore[arg-type]
    assert PLANS["quick"].looks == ()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Striped photos whose shade tells the class in training as well, and nothing in validation."""
    root = tmp_path_factory.mktemp("elsewhere")
    for part, count in (("train", 40), ("validation", 30)):
        for number, name in enumerate(("across", "down")):
            (root / part / name).mkdir(parents=True)
            for i in range(count):
                rng = np.random.default_rng([len(part), number, i])
                stripes = np.where(np.arange(96) // 2 % 2, -12.0, 12.0)
                stripes = stripes + rng.normal(0, 20, (96, 96))
                told = number if part == "train" else rng.integers(0, 2)
                shade = np.array([135.0, 120.0, 105.0])[:: 1 - 2 * int(told)] + rng.normal(0, 3, 3)
                pixels = (stripes.T if number else stripes)[..., None] + shade
                path = root / part / name / f"{i}.png"
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return root


@pytest.mark.usefixtures("planned")
def test_validation_photos_from_elsewhere_choose_looks_too(
    elsewhere: Path, store: FeatureStore
) -> None:
    """By the training photos there is nothing left to mend, and one look is enough."""
    job = job_of(elsewhere, store)
    by_training = search(job)
    assert names(by_training) == [FIRST]
    assert by_training.selection.accuracy == 1
    fitted = features.fit(job)
    assert any("from elsewhere" in note for note in fitted.notes)
    assert fitted.classifier.backbone.name == SHARP
    assert fitted.extractor is not None
    # The record has what cross-validation brought, and then what validation brought.
    steps = fitted.selection["steps"]
    assert steps[0] == {**by_training.steps[0].to_json(), "replaced": True}
    theirs = [step for step in steps if step["judges"] == "validation"]
    assert steps[-len(theirs) :] == theirs
    assert [step["look"] for step in theirs][:2] == [FIRST, SHARP]
    assert fitted.selection["judges"] == "validation"
    (note,) = [note for note in fitted.notes if note.startswith(f"a look with {SHARP}")]
    assert "of validation photos right with it" in note
    # What is said of them is said by what others of them chose, and learned from training photos.
    by_validation = Search(job).by_validation()
    assert by_validation.selection.num_learned == len(job.split.train)
    before, after = by_validation.steps[:2]
    assert before.accuracy is not None
    assert after.accuracy is not None
    assert after.accuracy > before.accuracy + 0.3
    assert 0 < by_validation.selection.log_loss < 0.1


@pytest.mark.usefixtures("planned")
def test_validation_photos_begin_with_what_cross_validation_kept(
    striped: Path, store: FeatureStore
) -> None:
    """They are few: where they can't tell, it has the better word."""
    job = job_of(striped, store, config=dataclasses.replace(CONFIG, validation=0.2))
    searching = Search(job)
    first = searching.by_training()
    assert names(first) == [SHARP]
    found = searching.by_validation()
    before = len(first.steps)
    assert found.steps[:before] == first.steps
    assert found.steps[before].look == SHARP
    assert names(found) == [SHARP]


def test_both_searches_are_paid_for_once(
    elsewhere: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a look saw for the one is there for the other."""
    cost = costs_of(get_backbone(SHARP))[0] / costs_of(get_backbone(FIRST))[0]
    allow(monkeypatch, [SHARP], most=1 + 1.5 * cost)
    searching = Search(job_of(elsewhere, store))
    for _ in range(2):
        found = searching.by_validation()
        assert SHARP in {step.look for step in found.steps if step.accuracy is not None}


def test_whatever_is_found_can_be_exported() -> None:
    """All looks see one decoding of a photo; see `check_exportable`."""
    names = ["efficientnet_lite0", *(name for p in PLANS.values() for name in p.looks)]
    assert len({get_backbone(name).least_side for name in names}) == 1


def test_plans_grow_with_the_effort() -> None:
    quick, standard, thorough = (PLANS[name] for name in ("quick", "standard", "thorough"))
    assert set(quick.looks) < set(standard.looks) < set(thorough.looks)
    assert quick.most < standard.most < thorough.most
    assert quick.most_kept < standard.most_kept < thorough.most_kept
    for name in thorough.looks:
        assert not get_backbone(name).parts
    # Every look of an effort may be paid for, beside the first one.
    first = costs_of(get_backbone("efficientnet_lite0"))[0]
    for one in (standard, thorough):
        assert all(1 + costs_of(get_backbone(name))[0] / first <= one.most for name in one.looks)


@pytest.mark.usefixtures("planned")
def test_the_same_again_and_after_an_interruption(
    striped: Path, store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photograft.features.extraction.GROUP_SIZE", 8)
    first = search(job_of(striped, store))
    again = search(job_of(striped, store))
    fresh = FeatureStore(tmp_path / "cache")
    for step in (f"Trying {SHARP}", f"Looking again with {SHARP}"):
        # What an audition looked at is not looked at again: the step may have little left to do.
        try:
            search(job_of(striped, fresh, progress=Interrupting(step)))
        except InterruptedByTestError:
            continue
    resumed = search(job_of(striped, fresh))
    for found in (again, resumed):
        assert found.steps == first.steps
        assert found.notes == first.notes
        assert told_of(found) == told_of(first)
        assert found.selection.log_loss == first.selection.log_loss


def test_auditions_look_at_some_photos_only(
    striped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photograft.learning.looks.search.AUDITION_PHOTOS", 16)
    allow(monkeypatch, [BLURRED])
    recorder = Recorder()
    job = job_of(striped, FeatureStore(tmp_path), progress=recorder)
    search(job)
    trying = recorder.totals[f"Trying {BLURRED} on some photos"]
    assert trying < len(job.split.train)
    assert plan.AUDITION_PHOTOS == 400


# What is said of it


def step(look: str, **more: float | bool | None) -> Step:
    given = {"cost": 2.0, "promised": None, "log_loss": None, "accuracy": None, "kept": False}
    return Step(look, **{**given, **more})  # type: ignore[arg-type]


def test_steps_in_words() -> None:
    first = step("a", cost=1.0, log_loss=0.3, accuracy=0.9, kept=True)
    helps = step("b", promised=0.1, log_loss=0.2, accuracy=0.95, kept=True)
    fails = step("c", promised=0.05, log_loss=0.2, accuracy=0.94, kept=False)
    waits = step("d", promised=0.02)
    said = told([first, helps, fails, waits], "standard")
    assert said == (
        "a look with b (2.0 times the work of the first) is kept: 95.0% of held-out training "
        "photos right with it, 90.0% before",
        "a look with c (2.0 times the work of the first) does not help beyond noise: 94.0% of "
        "held-out training photos right with it, 95.0% before",
        "--effort thorough would try more, d among them",
    )
    assert told([first, helps, waits], "thorough") == said[:1]
    assert told([first, step("d", promised=0.0)], "standard") == (
        "no other look at some of the held-out training photos promised anything",
    )
    heard = [dataclasses.replace(one, judges="validation", accuracy=0.5) for one in (first, helps)]
    assert told([first, waits, *heard], "thorough") == (
        "no other look at some of the held-out training photos promised anything",
        "a look with b (2.0 times the work of the first) is kept: 50.0% of validation photos "
        "right with it, 50.0% before",
    )
    assert told([first], "standard") == told([first, helps], "") == ()


def test_a_run_records_and_shows_what_was_tried(
    warm_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On labels that mean nothing, so that there is always something left to mend."""
    allow(monkeypatch, [SHARP, "efficientnet_lite0@64"])
    rng = np.random.default_rng(0)
    for i in range(60):
        folder = tmp_path / "photos" / ("odd" if i % 2 else "even")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((64, 64)).save(folder / f"{i}.png")
    run = photograft.train(
        tmp_path / "photos", out=tmp_path / "run", store=FeatureStore(warm_cache)
    )
    steps = read_json(run.path / "selection.json")["steps"]
    assert steps[0]["look"] == "efficientnet_lite0"
    assert run.info["config"]["effort"] == "standard"
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert ("Looks at each photo" in page) == (len(steps) > 1)
    said = told([Step(**step) for step in steps], "standard")
    assert set(said) <= set(run.info["notes"])
    assert all(html.escape(note) in page for note in said)
    assert bool(said) == (len(steps) > 1)
