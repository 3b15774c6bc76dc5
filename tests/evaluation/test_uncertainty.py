"""What a classifier is given to carry once it is fitted: by every strategy, and what it changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import photograft
import system_helpers as system
from drawing import draw_folder
from photograft import Classifier
from photograft.classifier.uncertainty.calibration import Calibration, apply_to_head, calibrate
from photograft.classifier.uncertainty.uncertainty import Uncertainty
from photograft.core.store import FeatureStore
from photograft.evaluation import uncertainty
from photograft.evaluation.comparison.candidates import make_candidates
from photograft.interfaces.sklearn.estimators import PhotoClassifier
from photograft.learning.head import trying
from photograft.learning.job import Fitted, Job
from photograft.learning.settings import TrainConfig
from photograft.learning.strategies.registry import find_strategy
from photograft.report.plots import figures
from photograft.runs import plot
from photograft.runs.run import Run
from photograft.workflows.compare import compare_candidates as compare
from recording import Recorder
from training_helpers import TINY, make_job, tiny_config


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of twenty photos of 48 × 48; not to be changed."""
    return draw_folder(tmp_path_factory.mktemp("photos"), system.CLASSES, n=20, size=48)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without their pictures, which take longer than these trainings."""
    monkeypatch.setattr(plot, "plot_epochs", lambda *_, **__: None)
    for name in ("confusion_matrix", "mistakes"):
        monkeypatch.setattr(figures, name, lambda *_, **__: None)


def train(source: Path, config: TrainConfig, out: Path) -> tuple[Run, Classifier]:
    run = photograft.train(source, config, out=out)
    return run, Classifier.load(run.path)


def assurance_of(classifier: Classifier) -> Uncertainty:
    assert classifier.uncertainty
    return classifier.uncertainty


def training_names(run: Run) -> set[str]:
    rows = system.read_rows(run.path / "files.parquet")
    return {row["name"] for row in rows if row["split"] == "train"}


CASES: list[tuple[str, dict[str, Any]]] = [
    ("features", {}),
    ("features", {"test_views": "flip"}),
    ("features", {"head": "mlp", "hidden": (8,)}),
    ("features", {"class_weight": "balanced"}),
    ("features", {"pooling": "flatten"}),
    ("features+augment", {}),
    ("finetune", {}),
    ("finetune", {"keep": "always"}),
    ("finetune", {"keep": "always", "test_views": "flip"}),
    ("scratch", {}),
    ("auto", {}),
]


@pytest.mark.parametrize(("strategy", "changes"), CASES, ids=str)
def test_every_strategy_carries_it(
    strategy: str, changes: dict[str, Any], photos: Path, tmp_path: Path
) -> None:
    config = tiny_config(strategy, **{"views": 2, **changes})
    run, classifier = train(photos, config, tmp_path / "run")
    assurance = assurance_of(classifier)
    assert assurance.ood_detector
    assert assurance.held_out
    num_held_out = system.read_json(run.path / "metrics.json")["validation"]["num_photos"]
    assert f"{num_held_out} validation photos" in assurance.held_out.source
    assert len(assurance.ood_detector.rows) <= len(training_names(run))
    balanced = config.class_weight == "balanced"
    assert (assurance.calibration is None) == balanced
    assert classifier.reference
    assert set(classifier.reference.names) == training_names(run)
    wanted = [Path(name).parent.name for name in classifier.reference.names]
    found = [classifier.class_names[c] for c in classifier.reference.labels]
    assert found == wanted

    # Every photo has a number, and the run's record is JSON without NaN.
    said = classifier.predict(sorted(photos.rglob("*.jpg"))[::5])
    assert all(p.ood_score is not None and np.isfinite(p.ood_score) for p in said)
    certainty = json.loads(json.dumps(run.info["certainty"], allow_nan=False))
    assert certainty["held_out"] == assurance.held_out.source
    assert [row["min_accuracy"] for row in certainty["abstaining"]] == [*uncertainty.TARGETS]
    assert certainty["unknown"]["threshold"] == assurance.ood_detector.threshold()

    # A training photo is its own nearest neighbour.
    name = classifier.reference.names[3]
    ((_, features, _, _),) = list(classifier.score_batches([(photos / name).read_bytes]))
    columns = classifier.last_columns()
    near = classifier.reference.neighbours(features[0, columns], classifier.class_names, 3)
    assert near[0].distance == pytest.approx(0, abs=2e-3)
    assert name in [n.name for n in near]


@pytest.mark.parametrize("strategy", ["features", "finetune"])
def test_same_seed_same_bytes(strategy: str, photos: Path, tmp_path: Path) -> None:
    config = tiny_config(strategy, views=1, loop={"epochs": 1})
    if strategy == "finetune":
        config = replace(config, keep="always")
    folders = [train(photos, config, tmp_path / n)[0].path / "classifier" for n in "ab"]
    names = sorted(path.name for path in folders[0].iterdir())
    assert {"assurance.safetensors", "reference.safetensors"} <= set(names)
    for name in set(names) - {"classifier.json"}:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


def overconfident(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on every fitted head is surer of itself than it ought to be."""
    real = find_strategy

    def found(name: str) -> Any:
        def fit(job: Job) -> Fitted:
            fitted = real(name)(job)
            head = fitted.classifier.head
            louder = replace(
                head,
                weights=(*head.weights[:-1], head.weights[-1] * np.float32(factor)),
                biases=(*head.biases[:-1], head.biases[-1] * np.float32(factor)),
            )
            return replace(fitted, classifier=replace(fitted.classifier, head=louder))

        return fit

    monkeypatch.setattr("photograft.workflows.train.find_strategy", found)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 120 photos, a quarter of them in the other's folder."""
    root = tmp_path_factory.mktemp("noisy")
    draw_folder(root, ("circle", "square"), n=120, size=32)
    for i in range(0, 120, 4):
        one, other = root / "circle" / f"{i:02}.jpg", root / "square" / f"{i:02}.jpg"
        one.rename(root / "held.jpg")
        other.rename(one)
        (root / "held.jpg").rename(other)
    return root


@pytest.mark.parametrize(
    ("strategy", "changes"),
    [
        ("features", {"head": "mlp"}),
        ("features", {"head": "mlp", "target_encoding": "binary"}),
        ("features", {"head": "mlp", "test_views": "flip"}),
        ("finetune", {"keep": "always"}),
        ("scratch", {"test_views": "flip"}),
    ],
    ids=str,
)
def test_calibration_reaches_prediction_and_scores(
    strategy: str,
    changes: dict[str, Any],
    noisy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    overconfident(30.0, monkeypatch)
    config = tiny_config(strategy, validation=0.4, views=1, **changes)
    run, classifier = train(noisy, config, tmp_path / "run")
    calibration = assurance_of(classifier).calibration
    assert calibration
    assert calibration["kept"]
    assert 0 < calibration["slope"] < 0.5
    assert calibration["kind"] == "platt"
    assert calibration["reason"] in run.info["notes"]
    assert calibration["reason"].startswith("Calibrated: the head was too sure of itself")
    # What the run says of the validation photos is what the loaded classifier says: to the bit.
    rows = system.read_rows(run.path / "predictions.parquet")
    for part in ("validation", "test"):
        own = [row for row in rows if row["split"] == part]
        said = classifier.predict_proba([noisy / row["name"] for row in own])
        expected = np.array([row["probabilities"] for row in own], np.float32)
        assert said.tobytes() == expected.tobytes()
        if part == "validation":
            held_out = assurance_of(classifier).held_out
            assert held_out
            assert np.array_equal(held_out.confidence, expected.max(axis=1))
    log_loss = run.scores["validation"]["log_loss"]
    assert log_loss < calibration["before"]["log_loss"] - 0.1
    assert log_loss == pytest.approx(calibration["after"]["log_loss"], abs=0.1)


def test_calibration_by_photos_held_out_in_turn(
    noisy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is kept is folded into the head, and into all that is said to be held out."""
    made: list[Calibration] = []
    real = calibrate

    def forced(*arguments: Any, **more: Any) -> Calibration:
        found = real(*arguments, **more)
        made.append(replace(found, kind="platt", slope=0.5, offset=0.3, kept=True))
        return made[0]

    plain = train(noisy, tiny_config("features", validation=0.0), tmp_path / "plain")[1]
    monkeypatch.setattr(uncertainty, "calibrate", forced)
    run, classifier = train(noisy, tiny_config("features", validation=0.0), tmp_path / "run")
    assert "training photos, held out in turn" in made[0].fitted_on
    expected = apply_to_head(plain.head, made[0])
    assert classifier.head.weights[0].tobytes() == expected.weights[0].tobytes()
    assert classifier.head.biases[0].tobytes() == expected.biases[0].tobytes()
    held = [assurance_of(c).held_out for c in (plain, classifier)]
    assert held[0]
    assert held[1]
    assert held[1].source == made[0].fitted_on
    odds = [np.log(h.confidence / (1 - h.confidence)).mean() for h in held if h]
    assert odds[1] < odds[0]
    assert run.scores["validation"] is None


@pytest.mark.parametrize("given", [True, False], ids=["given split", "--validation 0"])
def test_without_validation(given: bool, photos: Path, tmp_path: Path) -> None:
    source, config = photos, tiny_config("features", validation=0.0)
    if given:
        source = tmp_path / "split"
        draw_folder(source / "train", system.CLASSES, n=16, size=48)
        draw_folder(source / "test", system.CLASSES, n=6, size=48, seed=1)
        config = replace(config, validation=0.25)
    run, classifier = train(source, config, tmp_path / "run")
    if not given:
        assert run.scores["validation"] is None
    assurance = assurance_of(classifier)
    assert assurance.ood_detector
    assert assurance.held_out
    assert "training photos, held out in turn" in assurance.held_out.source
    assert len(assurance.rules(kept=0.9, min_accuracy=0.9, coverage=0.9).sentences) == 3


@pytest.mark.parametrize(
    ("strategy", "views"), [("finetune", 1), ("features+augment", -1), ("scratch", 1)]
)
def test_where_nothing_was_held_out(
    strategy: str, views: int, photos: Path, tmp_path: Path
) -> None:
    """It trains, says nothing of how sure it is, and has its neighbours all the same."""
    config = tiny_config(strategy, validation=0.0, keep="always", views=views, loop={"epochs": 1})
    run, classifier = train(photos, config, tmp_path / "run")
    assert classifier.uncertainty == Uncertainty()
    assert run.info["certainty"] == {"calibration": None}
    assert classifier.reference
    (found,) = classifier.predict([photos / "circle" / "00.jpg"])
    assert found.ood_score is None
    assert found.label


def test_few_validation_photos_are_joined_by_training_photos(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(photos, tiny_config("features", near_duplicates="ignore"), cache)
    fitted = find_strategy("features")(job)
    sizes = {}
    for enough in (1, 50):
        monkeypatch.setattr(uncertainty, "_ENOUGH", enough)
        held_out = assurance_of(uncertainty.fit_uncertainty(job, fitted).fitted.classifier).held_out
        assert held_out
        sizes[enough] = len(held_out.confidence)
    num_train, num_validation = len(job.split.train), len(job.split.validation)
    assert sizes == {1: num_validation, 50: num_validation + num_train}


def test_many_photos_are_sampled(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few of many are held out, looked at and kept in memory; those are named rightly."""
    for name, value in (
        ("_FEWEST_ROWS", 9),
        ("_MAX_ELEMENTS", 1),
    ):
        monkeypatch.setattr(uncertainty, name, value)
    monkeypatch.setattr(trying, "SELECTION_PHOTOS", 20)
    job = make_job(photos, tiny_config("features", validation=0.0), cache)
    found = uncertainty.fit_uncertainty(job, find_strategy("features")(job)).fitted.classifier
    held_out, detector = assurance_of(found).held_out, assurance_of(found).ood_detector
    assert held_out
    assert detector
    assert held_out.source == f"{10 * job.num_classes} training photos, held out in turn"
    assert found.reference
    assert len(found.reference.names) == len(detector.rows) == 9
    for name, label in zip(found.reference.names, found.reference.labels, strict=True):
        assert Path(name).parent.name == found.class_names[label]


def test_steps_do_not_lie_within_steps(photos: Path, tmp_path: Path) -> None:
    """A terminal draws one at a time."""
    config = tiny_config("finetune", keep="always", views=1, loop={"epochs": 1})
    recorder = Recorder()
    photograft.train(photos, config, out=tmp_path / "run", progress=recorder)
    assert recorder.done["Classifying"]
    assert recorder.overlapping == []


def test_winner_of_a_comparison_carries_it(photos: Path, cache: Path, tmp_path: Path) -> None:
    config = replace(tiny_config("features"), weights="random", backbone="auto")
    candidates = make_candidates([TINY], ("features",), [], config)
    compare(photos, candidates, config, out=tmp_path / "c", store=FeatureStore(cache))
    classifier = Classifier.load(tmp_path / "c" / "run")
    assert assurance_of(classifier).ood_detector
    assert classifier.reference
    assert system.read_json(tmp_path / "c" / "run" / "run.json")["certainty"]["unknown"]


def test_scikit_learns_classifier_has_none_of_it(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("nobody asked")

    monkeypatch.setattr(uncertainty, "fit_uncertainty", never)
    monkeypatch.setattr(uncertainty, "calibrate", never)
    paths = np.array(sorted(map(str, photos.rglob("*.jpg"))))
    labels = np.array([Path(path).parent.name for path in paths])
    settings = {"engine": "torch", "precision": "fp32", "preprocessing": {"input_size": 32}}
    made = PhotoClassifier(TINY, settings=settings).fit(paths, labels)
    assert made.predict_proba(paths[:4]).shape == (4, 3)
