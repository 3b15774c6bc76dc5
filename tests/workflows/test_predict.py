"""`photograft predict`: what it reads, in which order, and its answers."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import photograft
import system_helpers as system
from prediction_helpers import VISIBLE, give_stdin, odd_names, read_csv, rows_of

pytestmark = pytest.mark.usefixtures("warm_cache")


@pytest.fixture
def new(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return odd_names(photos, tmp_path, monkeypatch)


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
