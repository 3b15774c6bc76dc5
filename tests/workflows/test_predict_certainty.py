"""How sure `photograft predict` is: OOD scores, rules and sets, in every format."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import photograft
import system_helpers as system
from photograft import Classifier
from photograft.classifier.uncertainty.uncertainty import Rules, Uncertainty
from photograft.workflows.prediction_rows import open_writer, write_rows
from prediction_helpers import odd_names, read_csv, rows_of

pytestmark = pytest.mark.usefixtures("warm_cache")


@pytest.fixture
def new(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return odd_names(photos, tmp_path, monkeypatch)


@pytest.fixture
def mixed(new: Path) -> Path:
    """`new`, with a photo of none of the classes, and one that can't be read."""
    stripes = np.zeros((96, 96, 3), np.uint8)
    stripes[::6] = stripes[:, ::4] = (20, 200, 250)
    Image.fromarray(stripes).save(new / "stripes.png")
    (new / "broken.jpg").touch()
    return new


ALL_ASKED = ["--unknown", "--keep", "0.9", "--min-accuracy", "0.9", "--coverage", "0.9"]
NAMES = ["a.jpg", "stripes.png", "broken.jpg", "b.jpg"]


def test_ood_score_is_of_each_photo(
    capsys: pytest.CaptureFixture[str], run_path: Path, mixed: Path
) -> None:
    result = system.invoke(capsys, "predict", run_path, *NAMES)
    rows = read_csv(result.out)
    assert list(rows[0]) == ["file", "error", "label", "probability", "ood_score"]
    assert rows[2]["ood_score"] == ""
    known = [float(rows[i]["ood_score"]) for i in (0, 3)]
    assert float(rows[1]["ood_score"]) > max(known)
    (alone,) = rows_of(capsys, run_path, mixed / "stripes.png")
    assert float(alone["ood_score"]) == pytest.approx(float(rows[1]["ood_score"]), rel=1e-5)


def test_rules_in_every_format(
    capsys: pytest.CaptureFixture[str], run_path: Path, mixed: Path
) -> None:
    def run(*arguments: object) -> str:
        result = system.invoke(capsys, "predict", run_path, *NAMES, *ALL_ASKED, *arguments)
        assert result.code == 2  # for the one that can't be read
        *said, last = result.err.splitlines()
        assert [line.split(":")[0] for line in said] == ["unknown", "unsure", "classes"]
        assert "1 of 4 files could not be read" in last
        return result.out

    lines = [json.loads(line) for line in run("--format", "jsonl").splitlines()]
    assert list(lines[0]) == [
        *("file", "error", "label", "probability", "ood_score", "answer", "classes")
    ]
    assert [row["answer"] for row in lines] == ["circle", "unknown", None, "square"]
    assert lines[1]["label"] in system.CLASSES
    for row in lines:
        if row["label"] is None:
            assert row["classes"] is None
        else:
            classes = row["classes"].split(" | ")
            assert row["label"] in classes
            assert set(classes) <= set(system.CLASSES)
    as_text = [{k: "" if v is None else str(v) for k, v in row.items()} for row in lines]
    assert read_csv(run()) == as_text
    run("-o", "answers.parquet")
    assert system.read_rows(mixed / "answers.parquet") == lines
    table = run("--format", "table").splitlines()
    assert table[0].startswith(f"a.jpg  circle {lines[0]['probability']:.1%}  [circle")
    label, sure, score = (lines[1][key] for key in ("label", "probability", "ood_score"))
    sure = f"{label} >99.9%" if sure > 0.9995 else f"{label} {sure:.1%}"  # never 100%
    assert table[1].startswith(f"stripes.png  unknown  (nearest {sure}, OOD score {score:.2f})")
    assert table[2] == "broken.jpg  can't be read: empty file"


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        (["--unknown"], ["answer"]),
        (["--min-accuracy", "0.9"], ["answer"]),
        (["--coverage", "0.9"], ["classes"]),
        (["--keep", "0.5"], ["answer"]),
    ],
    ids=str,
)
def test_columns_are_those_that_were_asked_for(
    capsys: pytest.CaptureFixture[str],
    run_path: Path,
    new: Path,
    options: list[str],
    columns: list[str],
) -> None:
    result = system.invoke(capsys, "predict", run_path, new / "a.jpg", *options)
    assert result.code == 0
    assert len(result.err.splitlines()) == len(columns)
    (row,) = read_csv(result.out)
    assert list(row) == ["file", "error", "label", "probability", "ood_score", *columns]


def test_keeping_less_sends_more_away(
    capsys: pytest.CaptureFixture[str], run_path: Path, photos: Path
) -> None:
    answers = {}
    for keep in ("0.05", "0.5", "1"):
        result = system.invoke(capsys, "predict", run_path, photos, "--unknown", "--keep", keep)
        assert result.code == 0
        rows = read_csv(result.out)
        answers[keep] = sum(row["answer"] == "unknown" for row in rows)
    assert answers["0.05"] > answers["0.5"] > answers["1"]


def test_unsure_below_the_confidence(
    capsys: pytest.CaptureFixture[str],
    run_path: Path,
    mixed: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Uncertainty, "rules", lambda *_, **__: Rules(confidence=0.9))
    names = ("sure", "border", "doubtful")

    def answers(*_: object) -> Iterator[photograft.Prediction]:
        for name, p in zip(names, (0.95, 0.9, 0.89), strict=True):
            said = np.array([p, 1 - p, 0], np.float32)
            yield photograft.Prediction(name, "circle", p, said, ood_score=1.0)

    monkeypatch.setattr(Classifier, "stream", answers)
    rows = rows_of(capsys, run_path, mixed / "a.jpg")
    assert [row["answer"] for row in rows] == ["circle", "circle", "unsure"]
    table = system.invoke(capsys, "predict", run_path, "a.jpg", "--format", "table").out
    assert table.splitlines()[1:] == [
        "border  circle 90.0%",
        "doubtful  unsure  (nearest circle 89.0%)",
    ]


def test_a_class_called_unknown_is_shown_as_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    said = np.array([0.9, 0.1], np.float32)
    prediction = photograft.Prediction("a.jpg", "unknown", 0.9, said, ood_score=1.0)
    rules = Rules(ood_threshold=2.0)
    with open_writer("table", None, sys.stdout, 1, rules) as write:
        write_rows([prediction], write, ("unknown", "cat"), 1, rules=rules)
    assert capsys.readouterr().out == "a.jpg  unknown 90.0%\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--unknown", "--keep", "0"], "the share of photos to keep is not a share"),
        (["--unknown", "--keep", "1.5"], "the share of photos to keep is not a share"),
        (["--unknown", "--keep", "nan"], "the share of photos to keep is not a share"),
        (["--min-accuracy", "1.5"], "least accuracy"),
        (["--coverage", "1"], "that can't be a coverage"),
    ],
    ids=str,
)
def test_what_can_not_be_asked(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path, options: list[str], says: str
) -> None:
    result = system.invoke(capsys, "predict", run_path, new / "a.jpg", *options)
    system.assert_one_line(result, says)
    assert result.out == ""


def test_a_classifier_that_knows_nothing_of_it(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path
) -> None:
    """One of an older version predicts as before, and says what it can't."""
    older = new / "older"
    bare = dataclasses.replace(Classifier.load(run_path), uncertainty=None, reference=None)
    bare.save(older, include_weights=False)
    now = rows_of(capsys, run_path, "a.jpg", "b.jpg")
    then = rows_of(capsys, older, "a.jpg", "b.jpg")
    assert then == [{**row, "ood_score": ""} for row in now]
    lines = system.invoke(capsys, "predict", older, "a.jpg", "--format", "jsonl").out
    assert json.loads(lines)["ood_score"] is None
    for option in (["--unknown"], ["--min-accuracy", "0.9"], ["--coverage", "0.9"]):
        result = system.invoke(capsys, "predict", older, "a.jpg", *option, "-o", "answers.csv")
        system.assert_one_line(result, "this classifier does not know", "Train again")
        assert not (new / "answers.csv").exists()


@pytest.mark.parametrize(
    "name", ["assurance.safetensors", "reference.safetensors", "learned.safetensors"]
)
def test_damaged_knowledge_of_how_sure_it_is(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path, name: str
) -> None:
    copy = shutil.copytree(run_path, new / "run")
    path = copy / "classifier" / name
    path.write_bytes(path.read_bytes()[:-1])
    system.assert_one_line(system.invoke(capsys, "predict", copy, "a.jpg"), name, "not as it was")
    path.unlink()
    system.assert_one_line(system.invoke(capsys, "predict", copy, "a.jpg"), name, "can't be read")
