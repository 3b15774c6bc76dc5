"""Scores on photos that a classifier has learned from are not taken for honest ones."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

import photograft
import system_helpers as system
from drawing import MakePhotos
from photograft.classifier.learned import Learned
from photograft.core.errors import DatasetError
from photograft.core.store import FeatureStore
from photograft.workflows.photos import fit_photos
from training_helpers import tiny_config

pytestmark = pytest.mark.usefixtures("warm_cache")


def copy_part(run_path: Path, photos: Path, target: Path, *parts: str, other: bool = False) -> Path:
    """Copy photos of parts of a run's split under other names, also with one more byte."""
    for number, row in enumerate(system.read_rows(run_path / "files.parquet")):
        if row["split"] not in parts:
            continue
        folder = target / row["label"]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"other_{number}.jpg"
        path.write_bytes((photos / row["name"]).read_bytes() + (b"\0" if other else b""))
    return target


@pytest.fixture(scope="module")
def kept_apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose validation photos chose, and were not learned from; not to be changed."""
    folder = tmp_path_factory.mktemp("apart") / "run"
    store = FeatureStore(system.shared_cache(tmp_path_factory))
    photos = system.shared_photos(tmp_path_factory)
    photograft.train(photos, final="train", effort="quick", out=folder, store=store)
    return folder


def test_photos_that_it_learned_from_are_scored_apart(kept_apart: Path, photos: Path) -> None:
    own = photograft.Run.load(kept_apart).scores
    found = photograft.evaluate(kept_apart, photos)
    assert found.scores
    assert found.scores.to_json() == own["test"]
    assert found.chosen_by
    assert found.chosen_by.to_json() == own["validation"]
    assert found.trained_on
    counts = (found.trained_on.num_photos, found.chosen_by.num_photos, found.scores.num_photos)
    assert sum(counts) == 60
    assert found.is_known
    (warning,) = found.warnings
    assert f"it was trained on {counts[0]} and its settings were chosen by {counts[1]}" in warning
    assert f"What counts is the score on the {counts[2]} photos" in warning


def test_validation_photos_are_learned_from_in_the_end(run_path: Path, photos: Path) -> None:
    found = photograft.evaluate(run_path, photos)
    parts = [row["split"] for row in system.read_rows(run_path / "files.parquet")]
    assert found.scores
    assert found.scores.to_json() == photograft.Run.load(run_path).scores["test"]
    assert found.chosen_by is None
    assert found.trained_on
    assert found.trained_on.num_photos == parts.count("train") + parts.count("validation")
    (warning,) = found.warnings
    assert f"it was trained on {found.trained_on.num_photos}: scores on those" in warning


def test_where_it_has_learned_from_all_of_them_it_says_so(
    run_path: Path, photos: Path, tmp_path: Path
) -> None:
    rows = system.read_rows(run_path / "files.parquet")
    for row in [row for row in rows if row["split"] == "train"]:
        (tmp_path / row["name"]).parent.mkdir(exist_ok=True)
        shutil.copy(photos / row["name"], tmp_path / row["name"])
    found = photograft.evaluate(run_path, tmp_path)
    (warning,) = found.warnings
    assert warning.startswith("The classifier was trained on all ")
    assert found.scores is None


def test_a_class_that_it_does_not_know_is_likened(
    run_path: Path, make_photos: MakePhotos, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "later", ("circle", "squares"), n=2)
    with pytest.raises(DatasetError, match=r"got squares\. Did you mean square\?"):
        photograft.evaluate(run_path, photos)


def test_the_command_says_so(
    capsys: pytest.CaptureFixture[str], kept_apart: Path, photos: Path, tmp_path: Path
) -> None:
    target = tmp_path / "scores.json"
    asked = ["--min-accuracy", "0.9"]
    result = system.invoke(capsys, "evaluate", kept_apart, photos, *asked, "--json", target)
    assert result.code == 0, result.err
    text = " ".join(result.out.split())
    assert "Warning: Of the 60 photos, it was trained on" in text
    for column in ("new (", "validation (", "trained on ("):
        assert column in text
    scores, own = system.read_json(target), system.read_json(kept_apart / "metrics.json")
    assert {name: scores[name] for name in own["test"]} == own["test"]
    assert scores["chosen_by"] == own["validation"]
    assert scores["trained_on"]["num_photos"] > 0
    assert scores["is_known"] is True
    assert len(scores["warnings"]) == 1
    answered = {round(i / scores["num_photos"], 9) for i in range(scores["num_photos"] + 1)}
    assert round(scores["answered"]["share"], 9) in answered


def test_nothing_honest_can_be_said_of_training_photos(
    capsys: pytest.CaptureFixture[str], run_path: Path, photos: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "known", tmp_path / "scores.json"
    copy_part(run_path, photos, source, "train", "validation")
    asked = ["--min-accuracy", "0.9", "--coverage", "0.9"]
    result = system.invoke(capsys, "evaluate", run_path, source, *asked, "--json", target)
    assert result.code == 0, result.err
    assert "no honest score can be had from them" in " ".join(result.out.split())
    assert "by class" not in result.out
    scores = system.read_json(target)
    assert scores["accuracy"] is None
    assert scores["num_photos"] == 0
    assert "answered" not in scores
    assert photograft.evaluate(run_path, source).scores is None


def test_copies_of_other_bytes_are_told(
    run_path: Path, photos: Path, make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = copy_part(run_path, photos, tmp_path / "anew", "train", other=True)
    found = photograft.evaluate(run_path, source)
    assert found.scores
    assert found.trained_on is None
    assert found.num_alike == found.scores.num_photos
    assert "near-identical to training photos" in found.warnings[0]
    later = make_photos(tmp_path / "later", classes=system.CLASSES, n=8, seed=5)
    others = photograft.evaluate(run_path, later)
    assert others.scores
    assert others.num_alike < others.scores.num_photos / 2


def test_an_older_classifier_does_not_know(run_path: Path, photos: Path) -> None:
    older = dataclasses.replace(photograft.Classifier.load(run_path), learned=None)
    found = photograft.evaluate(older, photos)
    assert found.scores
    assert found.scores.num_photos == 60
    assert not found.is_known
    assert "does not say which photos it learned from" in found.warnings[0]
    assert list(found.parts()) == ["all"]


def test_what_is_fitted_once_more_has_learned_from_validation_photos(
    make_photos: MakePhotos, tmp_path: Path, cache: Path
) -> None:
    source = make_photos(tmp_path / "photos", classes=system.CLASSES, n=12, size=48)
    config = tiny_config("auto", loop={"epochs": 1, "learning_rate": 0.0}, weights="random")
    run = photograft.train(source, config, out=tmp_path / "run", store=FeatureStore(cache))
    assert "training and validation photos together" in " ".join(run.info["notes"])
    counts = {part: sum(run.info["data"]["class_counts"][part]) for part in ("train", "validation")}
    learned = run.classifier.learned
    assert learned
    assert len(learned.train) == sum(counts.values())
    assert not learned.validation


def test_what_is_fitted_in_memory_knows_it_as_well(
    make_photos: MakePhotos, tmp_path: Path, cache: Path
) -> None:
    paths = sorted(make_photos(tmp_path / "photos", n=6, size=48).rglob("*.jpg"))
    labels = [path.parent.name for path in paths]
    config = tiny_config("features", weights="random", validation=0.0, test=0.0)
    fitted = fit_photos(paths, labels, None, config, FeatureStore(cache), name="test")
    assert isinstance(fitted.classifier.learned, Learned)
    assert len(fitted.classifier.learned.train) == 12


def test_suggestions_are_none_of_those_it_learned_from(
    capsys: pytest.CaptureFixture[str],
    run_path: Path,
    photos: Path,
    make_photos: MakePhotos,
    tmp_path: Path,
) -> None:
    folder = copy_part(run_path, photos, tmp_path / "unlabelled" / "known", "train", "validation")
    copy_part(run_path, photos, tmp_path / "unlabelled" / "anew", "train", other=True)
    make_photos(tmp_path / "unlabelled" / "new", classes=system.CLASSES, n=4, seed=6)
    found = photograft.suggest(run_path, folder.parent, num=20)
    names = {Path(photo.name).parts[0] for photo in found.photos}
    assert names == {"new"}
    assert found.num_known >= 51 + 42
    result = system.invoke(capsys, "suggest", run_path, folder.parent)
    assert f"Left out {found.num_known} photos" in result.out
