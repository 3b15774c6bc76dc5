"""`photograft evaluate`: scores of labelled photos, and of what rules leave."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import photograft
import system_helpers as system
from drawing import MakePhotos

pytestmark = pytest.mark.usefixtures("warm_cache")


def test_evaluate_scores_every_photo(
    capsys: pytest.CaptureFixture[str], run_path: Path, make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "later", classes=system.CLASSES, n=5, seed=3)
    target = tmp_path / "scores.json"
    result = system.invoke(capsys, "evaluate", run_path, source, "--json", target)
    assert result.code == 0, result.err
    assert "all (15 photos)" in result.out
    assert f"Scores: {target}" in result.out
    scores = json.loads(target.read_text())
    assert scores["num_photos"] == 15
    assert f"{scores['accuracy']:.1%}" in result.out
    right = sum(
        prediction.label == Path(prediction.name).parent.name
        for prediction in photograft.Classifier.load(run_path).predict(
            sorted(source.rglob("*.jpg"))
        )
    )
    assert scores["accuracy"] == right / 15


def test_evaluate_on_the_test_part_gives_the_test_score(
    capsys: pytest.CaptureFixture[str], run_path: Path, photos: Path, tmp_path: Path
) -> None:
    rows = system.read_rows(run_path / "files.parquet")
    lines = [f"{photos / r['name']},{r['label']}" for r in rows if r["split"] == "test"]
    (tmp_path / "test.csv").write_text("path,label\n" + "\n".join(lines) + "\n")
    target = tmp_path / "scores.json"
    result = system.invoke(capsys, "evaluate", run_path, tmp_path / "test.csv", "--json", target)
    assert result.code == 0
    found, own = system.read_json(target), system.read_json(run_path / "metrics.json")["test"]
    assert {name: found[name] for name in own} == own
    assert "Warning" not in result.out


def test_evaluate_on_fewer_classes_is_fine(
    capsys: pytest.CaptureFixture[str], run_path: Path, make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "later", classes=("circle", "square"), n=2, seed=4)
    assert system.invoke(capsys, "evaluate", run_path, source).code == 0


def test_evaluate_on_a_class_that_is_not_known(
    capsys: pytest.CaptureFixture[str], run_path: Path, make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "later", classes=("circle", "star"), n=2)
    result = system.invoke(capsys, "evaluate", run_path, source)
    system.assert_one_line(result, "expected circle, square, triangle, got star")


def test_evaluate_by_rules(
    capsys: pytest.CaptureFixture[str], run_path: Path, make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "later", classes=system.CLASSES, n=5, seed=3)
    asked = ["--min-accuracy", "0.95", "--coverage", "0.9"]
    target = tmp_path / "scores.json"
    result = system.invoke(capsys, "evaluate", run_path, source, *asked, "--json", target)
    assert (result.code, result.err) == (0, "")
    scores = system.read_json(target)
    classifier = photograft.Classifier.load(run_path)
    assert classifier.uncertainty
    rules = classifier.uncertainty.rules(min_accuracy=0.95, coverage=0.9)
    assert rules.confidence
    assert rules.sets
    paths = sorted(source.rglob("*.jpg"))
    said = classifier.predict_proba(paths)
    labels = np.array([classifier.class_names.index(path.parent.name) for path in paths])
    kept = said.max(axis=1) >= rules.confidence
    answered = scores["answered"]
    assert answered["confidence"] == rules.confidence
    assert answered["share"] == kept.mean()
    right = (said.argmax(axis=1) == labels)[kept]
    assert answered["accuracy"] == (right.mean() if len(right) else None)
    sets = rules.sets.sets(said)
    assert scores["sets"]["coverage"] == sets[np.arange(15), labels].mean()
    assert scores["sets"]["mean_size"] == sets.sum(axis=1).mean()
    text = " ".join(result.out.split())
    assert f"Answered from a confidence of {rules.confidence:.4f} on: {kept.mean():.1%}" in text
    assert f"Sets of classes: {scores['sets']['coverage']:.1%} hold the right one" in text
    plain = system.invoke(capsys, "evaluate", run_path, source, "--json", target)
    assert "Sets of classes" not in plain.out
    without = {k: v for k, v in scores.items() if k not in ("answered", "sets")}
    assert system.read_json(target) == without


@pytest.mark.parametrize(
    ("options", "says"),
    [(["--min-accuracy", "2"], "least accuracy"), (["--coverage", "0"], "can't be a coverage")],
    ids=str,
)
def test_evaluate_by_what_is_no_rule(
    capsys: pytest.CaptureFixture[str], run_path: Path, photos: Path, options: list[str], says: str
) -> None:
    system.assert_one_line(system.invoke(capsys, "evaluate", run_path, photos, *options), says)


def test_evaluate_by_rules_that_a_classifier_can_not_know(
    capsys: pytest.CaptureFixture[str], run_path: Path, photos: Path, tmp_path: Path
) -> None:
    bare = dataclasses.replace(photograft.Classifier.load(run_path), uncertainty=None)
    bare.save(tmp_path / "older", include_weights=False)
    for option in ("--min-accuracy", "--coverage"):
        result = system.invoke(capsys, "evaluate", tmp_path / "older", photos, option, "0.9")
        system.assert_one_line(result, "this classifier does not know how sure it may be")
        assert result.out == ""
