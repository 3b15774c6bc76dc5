"""`photograft train` from end to end: what its run folder holds."""

from __future__ import annotations

import datetime
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import photograft
import system_helpers as system
from drawing import MakePhotos
from photograft.core.errors import InputError
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.learning.settings import TrainConfig
from photograft.workflows.train import train_with
from run_helpers import split_of
from training_helpers import tiny_config

SCORES = {
    "num_photos",
    "accuracy",
    "accuracy_interval",
    "baseline_accuracy",
    "top_5_accuracy",
    "macro_f1",
    "log_loss",
    "expected_calibration_error",
    "classes",
    "confusion",
}


pytestmark = pytest.mark.usefixtures("warm_cache")


def sum_of_widths(info: dict[str, Any]) -> int:
    """How many features the head of a run sees."""
    widths = {layer["name"]: layer["num_features"] for layer in info["backbone"]["layers"]}
    return sum(widths[name] for name in info["layers"])


def test_run_folder_is_complete(run_path: Path) -> None:
    files = {str(p.relative_to(run_path)) for p in run_path.rglob("*") if p.is_file()}
    assert files - {"pictures/most_confident_mistakes.png"} == {
        "run.json",
        "metrics.json",
        "selection.json",
        "files.parquet",
        "predictions.parquet",
        "pictures/confusion_matrix.png",
        "report.html",
        "classifier/classifier.json",
        "classifier/head.safetensors",
        "classifier/assurance.safetensors",
        "classifier/learned.safetensors",
        "classifier/reference.safetensors",
        "findings.csv",
        "findings.parquet",
    }


def test_metrics_have_these_keys_and_no_other(run_path: Path) -> None:
    metrics = system.read_json(run_path / "metrics.json")
    assert list(metrics) == ["validation", "test"]
    for part in metrics.values():
        assert set(part) == SCORES
        assert part["num_photos"] == 9  # 15 % of twenty in each of three classes
        low, high = part["accuracy_interval"]
        assert 0 <= low <= part["accuracy"] <= high <= 1
        assert part["top_5_accuracy"] is None
        assert part["baseline_accuracy"] == pytest.approx(1 / 3)
        assert [row["name"] for row in part["classes"]] == list(system.CLASSES)
        assert {"name", "precision", "recall", "f1", "support"} == set(part["classes"][0])


def test_easy_classes_are_told_apart(run_path: Path) -> None:
    metrics = system.read_json(run_path / "metrics.json")
    assert metrics["validation"]["accuracy"] >= 0.85
    assert metrics["test"]["accuracy"] >= 0.85


def test_run_json_says_what_was_done(run_path: Path, photos: Path) -> None:
    info = system.read_json(run_path / "run.json")
    settings = TrainConfig.from_json(info["config"])
    assert settings == TrainConfig(validation=0.15), "no loop ran, and none is named"
    assert info["strategy"] == "features"
    assert info["history"] is None
    assert info["params"]["trained"] == (sum_of_widths(info) + 1) * 3
    assert info["params"]["total"] == info["backbone"]["num_params"] + info["params"]["trained"]
    assert info["seed"] == 0
    assert info["name"] == "photos"
    assert info["data"]["fingerprint"] == Dataset.load(photos).fingerprint()
    assert info["data"]["source"] == str(photos)
    assert info["data"]["class_counts"] == {
        "train": [14] * 3,
        "validation": [3] * 3,
        "test": [3] * 3,
    }
    assert info["data"]["notes"] == [
        "split by seed 0, class by class: 42 train, 9 validation, 9 test"
    ]
    assert info["versions"]["photograft"] == photograft.__version__
    assert {"python", "torch", "timm", "numpy", "pillow"} <= set(info["versions"])
    assert info["warnings"] == []
    assert info["seconds"] > 0
    assert datetime.datetime.fromisoformat(info["started"]).tzinfo is not None
    assert len(info["backbone"]["weights_sha256"]) == 64


def test_where_cross_validation_chooses_nothing_is_set_aside(
    make_photos: MakePhotos, tmp_path: Path, cache: Path
) -> None:
    """More photos to choose by and to learn from; a network that is trained needs some to watch."""
    source = make_photos(tmp_path / "photos", classes=system.CLASSES, n=20, size=48)
    settings = tiny_config("features", weights="random", validation=None, test=0.2)
    run = photograft.train(source, settings, out=tmp_path / "run", store=FeatureStore(cache))
    assert run.info["data"]["class_counts"] == {
        "train": [16] * 3,
        "validation": [0] * 3,
        "test": [4] * 3,
    }
    assert run.scores["validation"] is None
    assert any("nothing is set aside for validation" in n for n in run.info["data"]["notes"])
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "nothing is set aside for validation" in page
    # How sure it may be is known from the photos that were held out in turn.
    assert run.info["certainty"]["held_out"] == "48 training photos, held out in turn"
    assert run.classifier.uncertainty is not None
    assert run.classifier.uncertainty.ood_detector is not None
    loop = replace(settings, strategy="scratch", weights="random")
    other = photograft.train(source, loop, out=tmp_path / "loop", store=FeatureStore(cache))
    tests = [
        {name for name, part in split_of(path).items() if part == "test"}
        for path in (run.path, other.path)
    ]
    assert tests[0] == tests[1]
    assert other.scores["validation"]["num_photos"] > 0


def test_fingerprint_follows_the_content(tmp_path: Path, photos: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "copy")
    before = Dataset.load(copy).fingerprint()
    assert before == Dataset.load(photos).fingerprint()
    Image.new("RGB", (64, 64), "red").save(copy / "circle" / "00.jpg")
    assert Dataset.load(copy).fingerprint() != before


def test_predictions_agree_with_metrics(run_path: Path) -> None:
    metrics = system.read_json(run_path / "metrics.json")
    rows = system.read_rows(run_path / "predictions.parquet")
    assert {row["split"] for row in rows} == {"validation", "test"}
    splits = split_of(run_path)
    for name, scores in metrics.items():
        own = [row for row in rows if row["split"] == name]
        assert [row["name"] for row in own] == [n for n, part in splits.items() if part == name]
        assert all(row["name"].startswith(row["label"] + "/") for row in own)
        check_scores(scores, own)


def check_scores(scores: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Compute the scores anew from the rows of predictions.parquet."""
    names = [row["name"] for row in scores["classes"]]
    probabilities = np.array([row["probabilities"] for row in rows], np.float64)
    labels = np.array([names.index(row["label"]) for row in rows])
    predicted = probabilities.argmax(axis=1)
    assert scores["num_photos"] == len(rows)
    assert [row["predicted"] for row in rows] == [names[c] for c in predicted]
    assert [row["probability"] for row in rows] == pytest.approx(probabilities.max(axis=1).tolist())
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert scores["accuracy"] == pytest.approx(np.mean(predicted == labels))
    own = probabilities[np.arange(len(rows)), labels]
    assert scores["log_loss"] == pytest.approx(-np.log(own).mean(), rel=1e-5)
    confusion = np.zeros((len(names), len(names)), int)
    for true, said in zip(labels, predicted, strict=True):
        confusion[true, said] += 1
    assert scores["confusion"] == confusion.tolist()
    recalls = [confusion[c, c] / confusion[c].sum() for c in range(len(names))]
    assert [row["recall"] for row in scores["classes"]] == pytest.approx(recalls)


def test_picture_opens_and_is_not_blank(run_path: Path) -> None:
    with Image.open(run_path / "pictures" / "confusion_matrix.png") as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"))
    assert min(pixels.shape[:2]) >= 300
    assert pixels.std() > 20
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50


def test_classifier_of_a_run_loads_and_knows(run_path: Path, photos: Path) -> None:
    run = photograft.Run.load(run_path)
    assert run.scores == system.read_json(run_path / "metrics.json")
    for path in (run_path, run_path / "classifier"):
        classifier = photograft.Classifier.load(path)
        assert classifier.class_names == system.CLASSES
        assert classifier.trained["data_fingerprint"] == run.info["data"]["fingerprint"]
    rows = system.read_rows(run_path / "predictions.parquet")
    row = next(row for row in rows if row["split"] == "test")
    prediction = run.classifier.predict([photos / row["name"]])[0]
    assert (prediction.label, prediction.error) == (row["predicted"], "")
    assert prediction.probability == pytest.approx(row["probability"], abs=1e-6)


def test_changed_classifier_is_noticed(run_path: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_path, tmp_path / "copy")
    for name in ("head.safetensors", "classifier.json"):
        path = copy / "classifier" / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
        with pytest.raises(photograft.PhotograftError, match="not as it was written"):
            photograft.Classifier.load(copy)
        path.write_bytes(whole)
    assert photograft.Classifier.load(copy).class_names == system.CLASSES


def test_default_folder_has_name_and_time(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def clock() -> datetime.datetime:
        return datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)

    first = photograft.train(photos, clock=clock)
    second = photograft.train(photos, clock=clock)
    assert first.path == Path("runs/photos-20260102-030405")
    assert second.path == Path("runs/photos-20260102-030405-2")
    assert first.info["started"] == "2026-01-02T03:04:05+00:00"
    assert {p.name for p in (tmp_path / "runs").iterdir()} == {first.path.name, second.path.name}


def test_existing_folder_is_refused_and_left_alone(
    capsys: pytest.CaptureFixture[str], photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    before = system.snapshot(tmp_path)
    result = system.invoke(capsys, "train", photos, "--out", tmp_path / "mine")
    system.assert_one_line(result, "exists already", "--out")
    assert system.snapshot(tmp_path) == before


def test_empty_existing_folder_is_filled(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    run = photograft.train(photos, out=tmp_path / "mine")
    assert (run.path / "metrics.json").is_file()
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_run_folder_among_the_photos_is_refused(
    capsys: pytest.CaptureFixture[str],
    make_photos: MakePhotos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`cd photos; photograft train .` would make runs/ a class of the next training."""
    source = make_photos(tmp_path / "photos", n=4)
    before = system.snapshot(source)
    monkeypatch.chdir(source)
    system.assert_one_line(system.invoke(capsys, "train", "."), "among the photos", "--out")
    monkeypatch.chdir(tmp_path)
    result = system.invoke(capsys, "train", "photos", "--out", "photos/run")
    system.assert_one_line(result, "among the photos")
    assert system.snapshot(source) == before


def test_the_folder_of_all_runs_is_no_source(
    capsys: pytest.CaptureFixture[str],
    run_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though by default the new run would lie in it, too."""
    shutil.copytree(run_path, tmp_path / "runs" / "first")
    monkeypatch.chdir(tmp_path)
    result = system.invoke(capsys, "train", "runs")
    system.assert_one_line(result, "first is a run that Photograft wrote", "photograft predict")


def test_a_budget_is_refused_where_several_processes_train(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would stop the first one alone, and leave the others waiting for it."""
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "29999")
    config = TrainConfig(strategy="auto", budget=60.0)
    with pytest.raises(InputError, match="--budget stops a training in one process alone"):
        train_with(photos, config, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
