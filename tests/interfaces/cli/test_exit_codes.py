"""The command line's exit codes, and messages of one line."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import system_helpers as system
from drawing import MakePhotos
from photograft.interfaces.cli import main

pytestmark = pytest.mark.usefixtures("warm_cache")


def test_missing_source(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    result = system.invoke(capsys, "train", tmp_path / "fotos")
    system.assert_one_line(result, "there is no", f"Did you mean {tmp_path / 'photos'}?")


def test_one_class(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    make_photos(tmp_path / "photos", classes=["only"], n=3)
    result = system.invoke(capsys, "train", tmp_path / "photos", "--out", tmp_path / "run")
    system.assert_one_line(result, "one class only, 'only'", "at least two")
    assert not (tmp_path / "run").exists()


def test_one_photo_in_a_class(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    make_photos(tmp_path / "photos", n=4)
    for path in sorted((tmp_path / "photos" / "square").iterdir())[1:]:
        path.unlink()
    result = system.invoke(capsys, "train", tmp_path / "photos", "--out", tmp_path / "run")
    system.assert_one_line(result, "too few photos", "'square' (1)")


def test_empty_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for command in ("train", "inspect"):
        system.assert_one_line(system.invoke(capsys, command, tmp_path), "no files")


def test_folder_without_any_photo(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "notes.txt").write_text("nothing here")
    result = system.invoke(capsys, "train", tmp_path / "photos", "--out", tmp_path / "run")
    system.assert_one_line(result, "no usable photo", "2 × not an image")


@pytest.mark.slow
def test_unknown_backbone_is_told_the_nearest(
    capsys: pytest.CaptureFixture[str], photos: Path, tmp_path: Path
) -> None:
    result = system.invoke(
        capsys, "train", photos, "--backbone", "efficientnet_lit0", "--out", tmp_path / "run"
    )
    system.assert_one_line(result, "'efficientnet_lit0'", "Did you mean efficientnet_lite0")


def test_unknown_layer_is_told_before_any_photo_is_looked_at(
    capsys: pytest.CaptureFixture[str],
    photos: Path,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(cache))
    result = system.invoke(capsys, "train", photos, "--layer", "first", "--out", tmp_path / "run")
    system.assert_one_line(result, "there is no layer named 'first'", "There are ", "last.")
    assert system.num_stored(cache) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train"], "Missing argument 'SOURCE'. See `photograft train --help`."),
        (["predict", "run"], "Missing argument 'PATHS'"),
        (["train", "x", "--seed", "one"], "--seed"),
        (["train", "x", "--seed", "-1"], "seed"),
        (["train", "x", "--test", "0.9"], "expected 0 to 0.5, got 0.9"),
        (["train", "x", "--strategy", "magic"], "'features', 'features+augment', 'finetune', "),
        (["train", "x", "--engine", "onnx"], "engine can't be 'onnx'"),
        (["train", "x", "--device", "tpu"], "device can't be 'tpu'"),
        (["train", "x", "--strategy", "fintune"], "'auto'. Did you mean finetune or features?"),
        (
            ["train", "x", "--head", "tree"],
            "head can't be 'tree'; expected 'auto', 'logistic', 'discriminant' or 'mlp'",
        ),
        (["train", "x", "--hidden", "a"], "hidden can't be understood; expected widths such as"),
        (["train", "x", "--dropout", "1"], "dropout can't be 1; expected a number from 0 to 0.99"),
        (["train", "x", "--epochs", "0"], "epochs can't be 0; expected a number from 1"),
        (["train", "x", "--input-size", "3"], "input_size can't be 3"),
        (["train", "x", "--augment", "spin=3"], "there is no augmentation named 'spin'"),
        (["train", "x", "--config", "none.toml"], "none.toml can't be read"),
        (["train", "x", "--class-weight", "heavy"], "class_weight can't be 'heavy'"),
        (["train", "x", "--keep", "never"], "keep can't be 'never'; expected 'better'"),
        (["train", "x", "--precision", "fp64"], "precision can't be 'fp64'"),
        (["train", "x", "--max-pixels", "0"], "max_pixels"),
        (["train", "x", "--nonsense"], "--nonsense"),
        (["train", "x", "--max-pixels", "100M"], "expected a whole number, all of its digits"),
        (["predict", "run", "x", "--top", "0"], "'--top': expected at least 1. See"),
        (["predict", "run", "x", "--keep", "most"], "'--keep': expected a number. See"),
        (["plot", "run", "--smoothing", "2"], "'--smoothing': expected at most 0.999. See"),
        (["predict", "run", "x", "-o", "x.xlsx"], "open CSV files: call it 'x.csv'"),
        (["suggest", "run", "x", "--out", "x.ods"], "open CSV files: call it 'x.csv'"),
        (["learning-curve", "x", "--table", "x.XLSX"], "open CSV files: call it 'x.csv'"),
        (["cache", "prune", "--max-size", "lots"], "'lots' is no size"),
        (["cache", "prune", "--max-size", "-1"], "size"),
        (["evaluate", "nowhere", "x"], "there is no nowhere; expected a run folder"),
        (["predict", "nowhere", "x"], "there is no nowhere; expected a run folder"),
        (["recipe", "show", "Z9"], "there is no recipe named 'Z9'. `photograft recipe list`"),
        (["recipe", "run", "Z9", "x"], "there is no recipe named 'Z9'"),
        (["summary", "no_such_net"], "there is no backbone named 'no_such_net'"),
        (["augment", "nowhere"], "nowhere; expected a folder of class folders"),
        (["plot", "nowhere"], "nowhere is no run folder"),
        (["subset", "nowhere", "out"], "nowhere; expected a folder of class folders"),
        (["triain"], "Did you mean 'train'? See `photograft --help`."),
        (["cache", "show"], "show"),
        (["recipe", "copy"], "copy"),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_gets_one_line(
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = system.invoke(capsys, *arguments)
    system.assert_one_line(result, says)
    assert result.out == ""


def test_our_own_fault_is_owned_up_to(
    capsys: pytest.CaptureFixture[str], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bolt came loose")

    monkeypatch.setattr("photograft.workflows.inspect.inspect", fail)
    result = system.invoke(capsys, "inspect", photos)
    assert result.code == 1
    assert "Traceback" in result.err
    assert "RuntimeError: a bolt came loose" in result.err
    last = result.err.splitlines()[-1]
    assert last.startswith("photograft: ")
    assert "please report" in last


def test_interrupt_is_130_and_one_line(
    capsys: pytest.CaptureFixture[str], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("photograft.workflows.inspect.inspect", interrupt)
    result = system.invoke(capsys, "inspect", photos)
    assert result.code == 130
    assert result.err.startswith("photograft: interrupted")
    assert result.err.count("\n") == 1


def test_exit_code_reaches_the_shell(tmp_path: Path) -> None:
    done = subprocess.run(
        system.command("inspect", tmp_path / "none"), capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("photograft: there is no")
    with pytest.raises(SystemExit) as stop:
        main.main(["--version"])
    assert stop.value.code == 0


def test_full_standard_output(photos: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            system.command("inspect", photos), stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr == "photograft: no space left to write to\n"


def test_reader_that_leaves_early_is_no_fault(photos: Path) -> None:
    """As in `photograft inspect photos | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(
            system.command("inspect", photos), stdout=closed, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 0
    assert done.stderr == ""
