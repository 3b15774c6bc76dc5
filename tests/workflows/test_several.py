"""What is asked of several runs at once, as a shell's ``runs/*`` names them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import photograft
import system_helpers as system
from photograft.core.errors import ClassifierError
from photograft.workflows.several import each_usable
from report_helpers import make_comparison, make_run
from training_helpers import tiny_config


@pytest.fixture
def runs(photos: Path, tmp_path: Path, run_path: Path) -> list[Path]:
    """A run without epochs, one with, a comparison, and what a tracker left; by name."""
    folder = tmp_path / "runs"
    shutil.copytree(run_path, folder / "a_features")
    photograft.train(photos, tiny_config("scratch"), out=folder / "b_scratch")
    make_comparison(folder / "c_comparison")
    (folder / "tensorboard").mkdir()
    (folder / "notes.txt").write_text("by hand")
    return sorted(folder.iterdir())


def test_plot_leaves_out_what_has_no_epochs(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "all.svg"
    result = system.invoke(capsys, "plot", *runs, "-o", picture)
    assert result.code == 0, result.err
    *notes, last = result.out.splitlines()
    assert last == f"Picture: {picture}"
    assert [note.startswith("Note:    left out: ") for note in notes] == [True] * 4
    assert "a_features has no history" in notes[0]
    assert "tensorboard is no run folder" in notes[3]
    assert "b_scratch" not in result.out
    assert picture.is_file()


def test_plot_fails_where_none_has_epochs_or_one_is_not_there(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "all.svg"
    without = [run for run in runs if run.name != "b_scratch"]
    result = system.invoke(capsys, "plot", *without, "-o", picture)
    system.assert_one_line(result, "a_features has no history")
    result = system.invoke(capsys, "plot", *runs, tmp_path / "runs" / "b_scartch", "-o", picture)
    system.assert_one_line(result, "b_scartch is no run folder")
    assert not picture.exists()


def test_what_is_left_out_is_called_by_its_whole_path(tmp_path: Path) -> None:
    folders = [tmp_path / "A. Smith" / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir(parents=True)

    def do(folder: Path) -> str:
        if folder.name == "b":
            raise ClassifierError(f"{folder} is none", expected="a run", fix="Make one.")
        return folder.name

    assert each_usable(folders, do) == ({folders[0]: "a"}, [f"{folders[1]} is none"])


def test_report_of_several(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "a")
    make_comparison(tmp_path / "b")
    (tmp_path / "wandb").mkdir()
    folders = [tmp_path / name for name in ("a", "b", "wandb")]
    result = system.invoke(capsys, "report", *folders)
    assert result.code == 0, result.err
    for folder in folders[:2]:
        assert f"Report: {folder / 'report.html'}" in result.out.splitlines()
        assert (folder / "report.html").is_file()
    assert result.out.splitlines()[-1].startswith(f"Note:   left out: {folders[2]} is no run")
    result = system.invoke(capsys, "report", *folders, "-o", tmp_path / "one.html")
    system.assert_one_line(result, "--output names one page, and there are 3 folders")
    result = system.invoke(capsys, "report", folders[2])
    system.assert_one_line(result, "wandb is no run folder")


def test_summary_of_several(capsys: pytest.CaptureFixture[str]) -> None:
    result = system.invoke(capsys, "summary", "convnet:c4", "convnet:c8")
    assert result.code == 0, result.err
    first, second = result.out.split("\n\n")
    assert first.startswith("convnet:c4, ")
    assert second.startswith("convnet:c8, ")


def test_summary_of_a_run_says_that_it_is_a_folder(
    run_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = system.invoke(capsys, "summary", run_path)
    system.assert_one_line(result, "is a folder; expected the name of a backbone or a recipe")
