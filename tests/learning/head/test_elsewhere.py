"""Validation photos from elsewhere are noticed, and decide; those from the same place are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import photograft
from photograft.classifier.classifier import Classifier
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.splits import Split, make_split
from photograft.learning.head.elsewhere import Disagreement, disagreement
from photograft.learning.job import Fitted, Job, learned_photos
from photograft.learning.looks.search import Search
from photograft.learning.settings import TrainConfig
from photograft.learning.strategies.features import choose_head, fit_chosen
from photograft.learning.strategies.registry import find_strategy
from training_helpers import make_job, tiny_config

Floats = npt.NDArray[np.float32]

CLASSES = ("left", "right")
#: Photos of each class in each part, and the colour of the ground that they are taken on.
PARTS = {
    "train": (40, (70, 110, 160)),
    "validation": (40, (150, 90, 70)),
    "test": (60, (150, 90, 70)),
}


def draw(rng: np.random.Generator, number: int, ground: Sequence[int], *, told: bool) -> Floats:
    """A spot that lies a little to one side; on the ground of training, its colour tells, too."""
    pixels = np.full((32, 32, 3), ground, np.float32) + rng.normal(0, 10, 3)
    middle = 16 + (3.0 if number else -3.0) + rng.normal(0, 4.5)
    across, down = np.arange(32) - middle, np.arange(32)[:, None] - rng.uniform(12, 20)
    spot = np.exp(-(across**2 + down**2) / 18)[..., None]
    colour = np.array([60, 0, -60] if number == told else [-60, 0, 60], np.float32)
    # Elsewhere the colours are the other way round, half of the time.
    noise = rng.normal(0, 6, pixels.shape)
    return (pixels + spot * colour + noise).astype(np.float32)


def write(root: Path, *, shifted: bool) -> Path:
    for part, (count, ground) in PARTS.items():
        for number, name in enumerate(CLASSES):
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                rng = np.random.default_rng([len(part), number, i])
                elsewhere = shifted and part != "train"
                told = bool(rng.integers(0, 2)) if elsewhere else True
                at = ground if shifted else PARTS["train"][1]
                pixels = draw(rng, number, at, told=told).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{i:02}.png")
    return root


@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training photos of one place; validation and test of another."""
    return write(tmp_path_factory.mktemp("shifted"), shifted=True)


@pytest.fixture(scope="module")
def level(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of one place."""
    return write(tmp_path_factory.mktemp("level"), shifted=False)


def config(**changes: Any) -> TrainConfig:
    return tiny_config("features", near_duplicates="ignore", **changes)


def fit(photos: Path, cache: Path, **changes: Any) -> tuple[Job, Fitted]:
    job = make_job(photos, config(**changes), cache)
    return job, find_strategy("features")(job)


def apart(fitted: Fitted) -> list[str]:
    return [note for note in fitted.notes if "from elsewhere" in note]


def test_photos_from_elsewhere_are_told_of_and_choose(shifted: Path, cache: Path) -> None:
    job, fitted = fit(shifted, cache)
    [sentence] = apart(fitted)
    assert "on the 80 validation photos" in sentence
    assert "Expect the latter" in sentence
    assert fitted.selection["judges"] == "validation"
    assert fitted.selection["num_photos"] == 80
    # How sure the head may be is for the validation photos to say, too.
    assert fitted.out_of_fold is None
    assert fitted.before_refit is not None
    assert fitted.before_refit.shape == (80, 2)
    np.testing.assert_allclose(fitted.before_refit.sum(axis=1), 1, atol=1e-5)
    del job


def test_photos_from_the_same_place_do_not_choose(level: Path, cache: Path) -> None:
    job, fitted = fit(level, cache)
    assert apart(fitted) == []
    assert fitted.selection["judges"] == "train"
    assert fitted.out_of_fold is not None
    del job


def test_what_validation_chooses_is_learned_from_training_photos(
    shifted: Path, cache: Path
) -> None:
    """Each validation photo is judged by what the others chose, not by what it chose itself."""
    job = make_job(shifted, config(), cache)
    found = Search(job).by_validation().selection
    num_train = len(job.split.train)
    assert found.judges == "validation"
    assert found.num_learned == num_train
    assert not found.shares[:num_train].any()
    assert found.shares[num_train:].sum() == pytest.approx(1)
    assert np.isfinite(found.losses[num_train:]).all()
    # Other labels of a validation photo change nothing of what is said of it by the others' fold.
    assert 0.5 < found.accuracy < 1


def test_a_run_says_so_and_is_calibrated_for_it(shifted: Path, tmp_path: Path, cache: Path) -> None:
    """On photos of the other place it is as well calibrated as a plain logistic regression."""
    run = photograft.train(shifted, config(), out=tmp_path / "run")
    assert any("from elsewhere" in note for note in run.info["notes"])
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "from elsewhere" in page
    assert "validation photos, of what heads learned from the training photos" in page
    job = make_job(shifted, config(layer="last", head="logistic"), cache)
    table = job.features()
    plain = fit_chosen(job, [table], choose_head(job, [table]))
    labels = job.labels("test")
    files = [shifted / photo.name for photo in job.photos("test")]
    said = Classifier.load(run.path).predict_proba(files)
    assert calibration_error(said, labels) <= calibration_error(job.score(plain, "test"), labels)


def calibration_error(probabilities: Floats, labels: npt.NDArray[np.int64]) -> float:
    """By how much answers are surer than they are right, or less: in ten bins of confidence."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * 10).astype(int), 9)
    return float(
        sum(
            abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
            for b in np.unique(bins)
        )
    )


def test_no_alarm_where_the_split_is_drawn(level: Path, cache: Path) -> None:
    """Twenty splits of photos of one place: validation differs by chance only."""
    dataset = Dataset.load(level)
    flat = replace(dataset, photos=tuple(replace(photo, split=None) for photo in dataset.photos))
    base = make_job(level, config(), cache)
    alarms = 0
    for seed in range(20):
        split = make_split(flat, validation=0.25, test=0.2, seed=seed)
        job = replace(base, dataset=flat, split=split, config=config(seed=seed))
        selection = choose_head(job, [job.features()])
        classifier = fit_chosen(job, [job.features()], selection)
        found = disagreement(selection, job, job.score(classifier, "validation"))
        alarms += found is not None
    assert alarms == 0


def test_few_validation_photos_say_nothing(shifted: Path, cache: Path) -> None:
    job = make_job(shifted, config(), cache)
    few = replace(job.split, validation=job.split.validation[::5][:16])
    job = replace(job, split=few)
    selection = choose_head(job, [job.features()])
    wrong = np.eye(2, dtype=np.float32)[1 - job.labels("validation")]
    assert disagreement(selection, job, wrong) is None


def test_photos_of_a_group_count_once(shifted: Path, cache: Path) -> None:
    """Eighty photos of five places are five that can disagree."""
    job = make_job(shifted, config(), cache)
    selection = choose_head(job, [job.features()])
    wrong = np.eye(2, dtype=np.float32)[1 - job.labels("validation")]
    assert disagreement(selection, job, wrong) is not None
    held = set(job.split.validation.tolist())
    photos = tuple(
        replace(photo, group=f"place {i % 5}") if i in held else photo
        for i, photo in enumerate(job.dataset.photos)
    )
    grouped = replace(job, dataset=replace(job.dataset, photos=photos))
    assert disagreement(selection, grouped, wrong) is None


def test_training_photos_of_a_group_count_once_too(shifted: Path, cache: Path) -> None:
    """What photos of six places say of held-out ones is known by six, not by eighty."""
    job = make_job(shifted, config(), cache)
    selection = choose_head(job, [job.features()])
    labels = job.labels("validation")
    share = selection.accuracy - 0.3
    answers = np.where(np.arange(len(labels)) < share * len(labels), labels, 1 - labels)
    said = np.eye(2, dtype=np.float32)[answers]
    assert disagreement(selection, job, said) is not None
    learned = set(job.split.train.tolist())
    photos = tuple(
        replace(photo, group=f"place {i % 6}") if i in learned else photo
        for i, photo in enumerate(job.dataset.photos)
    )
    grouped = replace(job, dataset=replace(job.dataset, photos=photos))
    assert disagreement(selection, grouped, said) is None


def test_better_on_validation_is_no_alarm(shifted: Path, cache: Path) -> None:
    job = make_job(shifted, config(), cache)
    selection = choose_head(job, [job.features()])
    right = np.eye(2, dtype=np.float32)[job.labels("validation")]
    assert disagreement(selection, job, right) is None


def test_the_sentence() -> None:
    said = Disagreement(0.99, 0.84, 1).sentence
    assert "within the training photos 99.0%" in said
    assert "on the 1 validation photo 84.0%" in said


# What the head learns from in the end


@pytest.mark.parametrize("which", ["level", "shifted"])
def test_all_is_learned_from_in_the_end(
    which: str, cache: Path, request: pytest.FixtureRequest
) -> None:
    photos = request.getfixturevalue(which)
    job, fitted = fit(photos, cache)
    other_job, before = fit(photos, cache, final="train")
    assert not np.array_equal(fitted.classifier.head.weights[0], before.classifier.head.weights[0])
    assert any("training and validation photos together (160)" in note for note in fitted.notes)
    assert not any("together" in note for note in before.notes)
    learned, only = learned_photos(job, fitted), learned_photos(other_job, before)
    digests = job.digests("validation")
    assert set(learned.parts(digests)) == {"train"}
    assert set(only.parts(digests)) == {"validation"}
    assert set(learned.parts(job.digests("test"))) == {""}


def test_scores_on_validation_are_from_before(level: Path, cache: Path, tmp_path: Path) -> None:
    every, some = (
        photograft.train(level, config(final=final), out=tmp_path / final)
        for final in ("all", "train")
    )
    assert every.scores["validation"] == some.scores["validation"]
    assert every.scores["test"] != some.scores["test"]
    found = photograft.evaluate(every.path, level)
    assert found.trained_on is not None
    assert found.trained_on.num_photos == 160
    assert found.chosen_by is None
    other = photograft.evaluate(some.path, level)
    assert other.chosen_by is not None
    assert other.chosen_by.num_photos == 80


def test_train_alone_is_as_it_was(level: Path, cache: Path) -> None:
    """Validation photos have no part in the head that learns from training photos alone."""
    job, fitted = fit(level, cache, final="train")
    nothing = job.split.validation[:0]
    alone = replace(job, split=Split(job.split.train, nothing, job.split.test))
    other = find_strategy("features")(alone)
    assert fitted.before_refit is None
    for name, weights in fitted.classifier.head.tensors().items():
        assert weights.tobytes() == other.classifier.head.tensors()[name].tobytes()


def test_the_test_has_no_part_in_it(shifted: Path, cache: Path) -> None:
    """Nor where validation photos choose and all are learned from."""
    job, fitted = fit(shifted, cache)
    nothing = job.split.test[:0]
    without = replace(job, split=replace(job.split, test=nothing))
    other = find_strategy("features")(without)
    for name, weights in fitted.classifier.head.tensors().items():
        assert weights.tobytes() == other.classifier.head.tensors()[name].tobytes()


def test_a_store_is_all_that_is_looked_at(level: Path, tmp_path: Path) -> None:
    """Choosing by validation takes no look at photos: their features are known."""
    job = make_job(level, config(), tmp_path / "cache")
    store = FeatureStore(tmp_path / "cache")
    before = {path: path.stat().st_size for path in store.cache.rglob("*.keys")}
    Search(job).by_validation()
    assert {path: path.stat().st_size for path in store.cache.rglob("*.keys")} == before
