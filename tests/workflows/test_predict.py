"""`photograft predict`: what it reads, in which order, in what memory, and what it writes."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import photograft
import system_helpers as system
from photograft import Classifier
from photograft.classifier.uncertainty.uncertainty import Rules, Uncertainty
from photograft.workflows.predict import expand_inputs
from photograft.workflows.prediction_rows import open_writer, output_format, write_rows

pytestmark = pytest.mark.usefixtures("warm_cache")


@pytest.fixture
def new(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with photos under odd names and none of their classes in their path."""
    monkeypatch.chdir(tmp_path)
    for target, source in {
        "b.jpg": "square/00.jpg",
        "a.jpg": "circle/00.jpg",
        "deep/er/c.jpg": "triangle/00.jpg",
        "deep/with space.jpg": "circle/01.jpg",
        "deep/日本 ñ.jpg": "square/01.jpg",
        ".hidden/x.jpg": "circle/02.jpg",
        "deep/.hidden.jpg": "circle/02.jpg",
    }.items():
        (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photos / source, tmp_path / target)
    return tmp_path


#: What `new` shows, in order, and what each photo is.
VISIBLE = {
    "a.jpg": "circle",
    "b.jpg": "square",
    "deep/with space.jpg": "circle",
    "deep/日本 ñ.jpg": "square",
    "deep/er/c.jpg": "triangle",
}


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def rows_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, str]]:
    result = system.invoke(capsys, "predict", *arguments)
    assert (result.code, result.err) == (0, "")
    return read_csv(result.out)


def give_stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text, newline=""))


# Inputs


def test_files_keep_their_order(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path
) -> None:
    names = ["b.jpg", "deep/er/c.jpg", "a.jpg", "b.jpg"]
    rows = rows_of(capsys, run_path, *names)
    assert [row["file"] for row in rows] == names
    assert [row["label"] for row in rows] == [VISIBLE[name] for name in names]
    assert rows[0] == rows[3]
    assert new.is_dir()


def test_folder_is_searched_at_every_depth(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path
) -> None:
    before = system.snapshot(new)
    rows = rows_of(capsys, run_path, ".")
    assert {row["file"].removeprefix("./"): row["label"] for row in rows} == VISIBLE
    names = [row["file"] for row in rows]
    assert names == [f"./{name}" for name in VISIBLE]
    assert rows_of(capsys, run_path, ".") == rows
    assert system.snapshot(new) == before


def test_hidden_file_that_is_named_is_used(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path
) -> None:
    assert new.is_dir()
    (row,) = rows_of(capsys, run_path, ".hidden/x.jpg")
    assert row["label"] == "circle"


def test_glob_in_quotes(capsys: pytest.CaptureFixture[str], run_path: Path, new: Path) -> None:
    assert [r["file"] for r in rows_of(capsys, run_path, "*.jpg")] == ["a.jpg", "b.jpg"]
    deep = [row["file"] for row in rows_of(capsys, run_path, "**/*.jpg")]
    assert sorted(deep) == sorted(VISIBLE)
    shutil.copy(new / "a.jpg", new / "odd[1].jpg")
    assert [r["file"] for r in rows_of(capsys, run_path, "odd[1].jpg")] == ["odd[1].jpg"]


def test_glob_that_matches_nothing_is_a_missing_file(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path
) -> None:
    assert new.is_dir()
    result = system.invoke(capsys, "predict", run_path, "*.png")
    assert result.code == 2
    (row,) = read_csv(result.out)
    assert row["file"] == "*.png"
    assert "no file matches this pattern" in row["error"]


def test_list_on_standard_input(
    capsys: pytest.CaptureFixture[str],
    run_path: Path,
    new: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [*list(VISIBLE)[::-1], "b.jpg"]
    text = "\r\n".join(names[:3]) + "\r\n\r\n\n" + "\n".join(names[3:])  # no newline at the end
    give_stdin(monkeypatch, text)
    rows = rows_of(capsys, run_path, "-")
    assert [row["file"] for row in rows] == names
    assert [row["label"] for row in rows] == [VISIBLE[name] for name in names]
    give_stdin(monkeypatch, "b.jpg\n")
    assert [row["file"] for row in rows_of(capsys, run_path, "a.jpg", "-")] == ["a.jpg", "b.jpg"]
    assert new.is_dir()


def test_name_that_is_no_valid_text(run_path: Path, new: Path, warm_cache: Path) -> None:
    name = b"caf\xe9.jpg"
    shutil.copy(new / "a.jpg", new / os.fsdecode(name))
    for arguments, stdin in (([name], b""), ([b"-"], name + b"\n")):
        done = subprocess.run(
            [*map(os.fsencode, system.command("predict", run_path)), *arguments],
            cwd=new,
            input=stdin,
            capture_output=True,
            env={**os.environ, "PYTHONUTF8": "1", "PHOTOGRAFT_CACHE": str(warm_cache)},
        )
        assert (done.returncode, done.stderr) == (0, b"")
        (row,) = read_csv(done.stdout.decode())
        assert (row["file"], row["label"]) == (r"caf\xe9.jpg", "circle")


@pytest.mark.parametrize("what", ["folder", "list"])
def test_nothing_to_classify(
    capsys: pytest.CaptureFixture[str],
    run_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    (tmp_path / "empty" / ".hidden").mkdir(parents=True)
    give_stdin(monkeypatch, "\n")
    paths = tmp_path / "empty" if what == "folder" else "-"
    result = system.invoke(capsys, "predict", run_path, paths, "-o", tmp_path / "answers.csv")
    system.assert_one_line(result, "nothing to classify")
    assert not (tmp_path / "answers.csv").exists()


# Probabilities


def test_probabilities_equal_those_of_the_run(
    capsys: pytest.CaptureFixture[str], run_path: Path, photos: Path
) -> None:
    # What is said of validation photos is from before the head learned from them.
    rows = system.read_rows(run_path / "predictions.parquet")
    known = {row["name"]: row for row in rows if row["split"] == "test"}
    names = list(known)
    found = photograft.Classifier.load(run_path).predict_proba([photos / n for n in names])
    expected = np.array([known[name]["probabilities"] for name in names], np.float32)
    assert np.abs(found - expected).max() <= 1e-6
    rows = rows_of(capsys, run_path, "--top", 3, *(photos / name for name in names))
    for row, name in zip(rows, names, strict=True):
        assert row["label"] == known[name]["predicted"]
        assert float(row["probability"]) == pytest.approx(known[name]["probability"], abs=1e-6)


def test_top_gives_the_most_probable_first(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path
) -> None:
    (two,) = rows_of(capsys, run_path, new / "a.jpg", "--top", 2)
    ranks = ["label", "probability", "label_2", "probability_2"]
    assert list(two) == ["file", "error", *ranks, "ood_score"]
    assert float(two["probability"]) > float(two["probability_2"])
    (many,) = rows_of(capsys, run_path, new / "a.jpg", "--top", 50)
    labels = [value for key, value in many.items() if key.startswith("label")]
    values = [float(value) for key, value in many.items() if key.startswith("probability")]
    assert sorted(labels) == sorted(system.CLASSES)
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(1, abs=1e-5)


def test_answers_do_not_depend_on_the_company(run_path: Path, photos: Path) -> None:
    """The same photo alone, among others, and at other places of a batch."""
    classifier = photograft.Classifier.load(run_path)
    paths = sorted(photos.rglob("*.jpg"))[:21]
    together = classifier.predict_proba(paths)
    assert np.array_equal(together[::-1], classifier.predict_proba(paths[::-1]))
    assert np.array_equal(together[13:14], classifier.predict_proba(paths[13:14]))


# Formats


def test_formats_say_the_same(
    capsys: pytest.CaptureFixture[str],
    run_path: Path,
    new: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    def run(*arguments: object) -> str:
        result = system.invoke(capsys, "predict", run_path, ".", "--top", 2, *arguments)
        assert (result.code, result.err) == (0, "")
        return result.out

    lines = [json.loads(line) for line in run("--format", "jsonl").splitlines()]
    assert [row["file"].removeprefix("./") for row in lines] == list(VISIBLE)
    assert all(row["error"] is None for row in lines)
    as_text = [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in lines
    ]
    assert read_csv(run()) == read_csv(run("--format", "csv")) == as_text
    table = run("--format", "table").splitlines()
    assert table[0].startswith(f"./a.jpg  circle {lines[0]['probability']:.1%}  ")
    assert len(table) == len(VISIBLE)
    answers = tmp_path_factory.mktemp("answers")
    for suffix in ("csv", "jsonl", "ndjson", "parquet"):
        out = run("-o", answers / f"answers.{suffix}")
        assert out.splitlines() == [
            f"Predictions: {answers}/answers.{suffix}",
            "5 photos: circle 2, square 2, triangle 1",
        ]
    assert read_csv((answers / "answers.csv").read_text("utf-8-sig")) == as_text
    for suffix in ("jsonl", "ndjson"):
        text = (answers / f"answers.{suffix}").read_text()
        assert [json.loads(line) for line in text.splitlines()] == lines
    assert system.read_rows(answers / "answers.parquet") == lines


def test_output_appears_whole_or_not_at_all(
    capsys: pytest.CaptureFixture[str],
    run_path: Path,
    new: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("answers.csv", "answers.jsonl", "answers.parquet"):
        (new / name).write_text("from yesterday")
    before = system.snapshot(new)

    def fail(*_: object) -> Iterator[Any]:
        yield photograft.Prediction("a.jpg", "circle", 1.0, np.array([1, 0, 0], np.float32))
        raise RuntimeError("half-way")

    with monkeypatch.context() as patched:
        patched.setattr(Classifier, "stream", fail)
        for name in ("answers.csv", "answers.jsonl", "answers.parquet"):
            result = system.invoke(capsys, "predict", run_path, "a.jpg", "-o", name)
            assert result.code == 1
    assert {k: v for k, v in system.snapshot(new).items() if k != "."} == {
        k: v for k, v in before.items() if k != "."
    }
    assert system.invoke(capsys, "predict", run_path, "a.jpg", "-o", "answers.csv").code == 0
    assert read_csv((new / "answers.csv").read_text("utf-8-sig"))[0]["label"] == "circle"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["-o", "answers.txt"], "answers.txt is no table by its name"),
        (["-o", "answers"], "--format"),
        (["--format", "xml"], "there is no format 'xml'"),
        (["--format", "parquet"], "Parquet can't be written to the terminal"),
        (["-o", "a.jpg/answers.csv"], "the folder a.jpg can't be made"),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_output_that_can_not_be(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path, options: list[str], says: str
) -> None:
    before = system.snapshot(new)
    result = system.invoke(capsys, "predict", run_path, "a.jpg", *options)
    system.assert_one_line(result, says)
    assert result.out == ""
    assert set(system.snapshot(new)) == set(before)


def test_format_overrides_the_name(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path
) -> None:
    result = system.invoke(
        capsys, "predict", run_path, "a.jpg", "-o", "answers.txt", "--format", "jsonl"
    )
    assert result.code == 0
    assert json.loads((new / "answers.txt").read_text())["label"] == "circle"


def test_default_format_is_for_people_on_a_terminal() -> None:
    assert output_format(None, None, to_terminal=True) == "table"
    assert output_format(None, None, to_terminal=False) == "csv"
    assert output_format(None, Path("a.PARQUET"), to_terminal=True) == "parquet"


def test_comma_quote_and_newline_in_a_name(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path
) -> None:
    name = 'a, "b"\nc.jpg'
    shutil.copy(new / "a.jpg", new / name)
    (row,) = rows_of(capsys, run_path, new / name)
    assert row["file"] == str(new / name)


def test_long_parquet_is_written_in_parts(tmp_path: Path) -> None:
    rows = [
        {"file": f"{i}", "error": None, "label": "a", "probability": i / 5000, "ood_score": i / 7}
        for i in range(5000)
    ]
    with open_writer("parquet", tmp_path / "x.parquet", sys.stdout, 1) as write:
        for row in rows:
            write(row)
    assert system.read_rows(tmp_path / "x.parquet") == rows


# Files that can't be read


@pytest.mark.parametrize("format_", ["csv", "jsonl", "table", "parquet"])
def test_unreadable_file_gets_its_own_row(
    capsys: pytest.CaptureFixture[str],
    run_path: Path,
    new: Path,
    monkeypatch: pytest.MonkeyPatch,
    format_: str,
) -> None:
    (new / "empty.jpg").touch()
    (new / "text.jpg").write_text("no photo")
    whole = (new / "a.jpg").read_bytes()
    (new / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    names = ["a.jpg", "empty.jpg", "b.jpg", "text.jpg", "cut.jpg", "none.jpg", "deep", "a.jpg"]
    give_stdin(monkeypatch, "\n".join(names))  # a folder on the command line would be searched
    output = ["-o", "answers"] if format_ == "parquet" else []
    done = system.invoke(capsys, "predict", run_path, "-", "--top", 2, "--format", format_, *output)
    assert done.code == 2
    assert done.err == "photograft: 5 of 8 files could not be read; their rows say why\n"
    if format_ == "table":
        lines = done.out.splitlines()
        assert [line.split("  ")[0] for line in lines] == names
        assert lines[1] == "empty.jpg  can't be read: empty file"
        assert lines[2].startswith("b.jpg  square ")
        return
    rows: list[dict[str, Any]]
    if format_ == "csv":
        rows = [{k: v or None for k, v in row.items()} for row in read_csv(done.out)]
    elif format_ == "jsonl":
        rows = [json.loads(line) for line in done.out.splitlines()]
    else:
        rows = system.read_rows(new / "answers")
    assert [row["file"] for row in rows] == names
    expected = ["circle", None, "square", None, None, None, None, "circle"]
    assert [row["label"] for row in rows] == expected
    for row in rows:
        keys = ("probability", "label_2", "probability_2", "ood_score")
        filled = [row[key] is not None for key in keys]
        assert filled == [row["label"] is not None] * 4
        assert (row["error"] is None) == (row["label"] is not None)
    errors = [row["error"] for row in rows]
    for error, start in zip(
        [*errors[1:2], *errors[3:7]],
        [
            "empty file",
            "not an image",
            "truncated",
            "unreadable: No such",
            "unreadable: it is a folder",
        ],
        strict=True,
    ):
        assert error is not None
        assert error.startswith(start)


def test_nothing_but_unreadable_files(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path
) -> None:
    names = [f"none{i}.jpg" for i in range(20)]
    result = system.invoke(capsys, "predict", run_path, *names)
    assert result.code == 2
    assert [row["file"] for row in read_csv(result.out)] == names
    assert "20 of 20 files" in result.err
    assert new.is_dir()


def test_pipe_in_a_folder_is_never_opened(run_path: Path, new: Path) -> None:
    """Opening it would wait for ever."""
    os.mkfifo(new / "pipe.jpg")
    done = subprocess.run(
        system.command("predict", run_path, "."),
        cwd=new,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    errors = {row["file"]: row["error"] for row in read_csv(done.stdout) if row["error"]}
    assert errors == {"./pipe.jpg": "unreadable: not a regular file"}


def test_damaged_classifier(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run_path, tmp_path / "run")
    (copy / "classifier" / "head.safetensors").unlink()
    result = system.invoke(capsys, "predict", copy, new / "a.jpg")
    system.assert_one_line(result, "head.safetensors", "can't be read")
    shutil.rmtree(copy / "classifier")
    system.assert_one_line(system.invoke(capsys, "predict", copy, "x"), "holds no classifier")


# How sure it is


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


# Streaming


def test_stream_reads_only_a_little_ahead(run_path: Path, photos: Path) -> None:
    """Names without end; one photo, so that nothing but the look-ahead is measured."""
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        for _ in itertools.count():
            taken += 1
            yield photos / "circle" / "00.jpg"

    stream = photograft.Classifier.load(run_path).stream(endless())
    for seen, prediction in enumerate(itertools.islice(stream, 200), start=1):
        assert prediction.label == "circle"
        assert taken - seen <= 100
    stream.close()
    assert taken <= 300


def test_stream_of_unreadable_names_reads_only_a_little_ahead(run_path: Path) -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        for i in itertools.count():
            taken += 1
            yield f"none/{i}.jpg"

    stream = photograft.Classifier.load(run_path).stream(endless())
    for seen, prediction in enumerate(itertools.islice(stream, 300), start=1):
        assert prediction.name == f"none/{seen - 1}.jpg"
        assert prediction.error
        assert taken - seen <= 100
    stream.close()


def test_inputs_are_expanded_lazily() -> None:
    read = 0

    class Endless(io.StringIO):
        def __iter__(self) -> Iterator[str]:  # type: ignore[override]
            nonlocal read
            for i in itertools.count():
                read += 1
                yield f"{i}.jpg\n"

    names = expand_inputs(["first.jpg", "-"], Endless())
    assert list(itertools.islice(names, 11)) == ["first.jpg", *(f"{i}.jpg" for i in range(10))]
    assert read <= 11


def test_endless_list_and_a_reader_that_leaves(run_path: Path, photos: Path) -> None:
    """As in `yes photo.jpg | photograft predict run - | head -1`."""
    process = subprocess.Popen(
        system.command("predict", run_path, "-", "--format", "jsonl"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    stdin = process.stdin

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError):
            while True:
                stdin.write(f"{photos / 'circle' / '00.jpg'}\n")

    feeder = threading.Thread(target=feed)
    feeder.start()
    first = json.loads(process.stdout.readline())
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    feeder.join(timeout=60)
    assert not feeder.is_alive()
    assert first["label"] == "circle"
    assert process.stderr.read() == ""
    process.stderr.close()
    with contextlib.suppress(BrokenPipeError):
        stdin.close()
