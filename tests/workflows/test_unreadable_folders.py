"""A folder that can't be listed is told by every command: what is in it is not passed over."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

import photograft
import system_helpers as system
from drawing import MakePhotos
from photograft.workflows.predict import expand_inputs

pytestmark = pytest.mark.usefixtures("warm_cache")


@pytest.fixture
def new(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a photo above, one below and one beside a folder that can't be listed."""
    folder = tmp_path / "new"
    for target in ("a.jpg", "deep/locked/b.jpg", "deep/c.jpg", "zoo/d.jpg"):
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photos / "circle" / "00.jpg", folder / target)
    system.lock(monkeypatch)
    monkeypatch.chdir(folder)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("given", [".", "**/*.jpg", "*/*/*.jpg", "deep/locked"])
def test_predict(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path, tmp_path: Path, given: str
) -> None:
    out = tmp_path / "answers.csv"
    result = system.invoke(capsys, "predict", run_path, "a.jpg", given, "-o", out)
    assert result.code == 2
    assert "1 folder could not be read; its row says why" in result.err
    assert "; 1 folder could not be read" in result.out.splitlines()[-1]
    (bad,) = (row for row in rows(out) if row["error"])
    assert bad["file"].removeprefix("./") == "deep/locked/"
    assert "Permission denied" in bad["error"]
    assert new.is_dir()


def test_a_link_to_nothing_is_no_folder(photos: Path, tmp_path: Path) -> None:
    shutil.copy(photos / "circle" / "00.jpg", tmp_path / "a.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    found = list(expand_inputs([str(tmp_path / "**" / "*.jpg")]))
    assert found == [str(tmp_path / name) for name in ("a.jpg", "gone.jpg")]


def test_python_gets_an_error_in_its_place(run_path: Path, new: Path) -> None:
    found = photograft.Classifier.load(run_path).predict(new)
    names = [Path(p.name).relative_to(new).as_posix() for p in found]
    assert names == ["a.jpg", "deep/c.jpg", "deep/locked", "zoo/d.jpg"]
    assert ["Permission denied" in p.error for p in found] == [False, False, True, False]


def test_suggest(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path, tmp_path: Path
) -> None:
    out = tmp_path / "next.csv"
    result = system.invoke(capsys, "suggest", run_path, new, "--out", out)
    assert result.code == 2
    assert result.err == "photograft: 1 folder could not be read\n"
    assert "1 folder could not be read: deep/locked/ (Permission denied)" in result.out
    last = rows(out)[-1]
    assert (last["name"], last["rank"]) == ("deep/locked/", "")
    assert "Permission denied" in last["error"]


def test_explain(
    capsys: pytest.CaptureFixture[str], run_path: Path, new: Path, tmp_path: Path
) -> None:
    result = system.invoke(capsys, "explain", run_path, new / "deep", "--out", tmp_path / "why")
    assert result.code == 2
    assert "deep/locked/: can't be read: unreadable: Permission denied" in result.out
    assert "1 folder could not be read" in result.err


@pytest.mark.parametrize("command", ["inspect", "doctor", "evaluate"])
def test_labelled_photos(
    capsys: pytest.CaptureFixture[str],
    run_path: Path,
    make_photos: MakePhotos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    source = make_photos(tmp_path / "photos", n=4)
    (source / "circle" / "locked").mkdir()
    system.lock(monkeypatch)
    classifier = [run_path] if command == "evaluate" else []
    result = system.invoke(capsys, command, *classifier, source)
    assert result.code == 0
    assert "1 folder could not be read: circle/locked/ (Permission denied)" in result.out
