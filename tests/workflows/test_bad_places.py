"""Disks that are full, folders that can't be written, caches with junk in them, odd names."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import photograft
import system_helpers as system
from drawing import MakePhotos
from photograft.core import segments
from recording import Recorder

pytestmark = pytest.mark.usefixtures("warm_cache")


@pytest.fixture
def own_cache(
    run_path: Path, warm_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A cache of this test's own, without any features, but with the network converted."""
    assert run_path.is_dir()
    folder = system.without_rows(warm_cache, tmp_path / "cache")
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(folder))
    return folder


# The run folder


def test_run_folder_under_a_file(
    capsys: pytest.CaptureFixture[str], photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("text")
    before = system.snapshot(tmp_path)
    result = system.invoke(capsys, "train", photos, "--out", tmp_path / "file" / "run")
    system.assert_one_line(result, "can't be written", "--out")
    assert system.snapshot(tmp_path) == before


def test_run_folder_that_may_not_be_written_is_known_before_any_work(
    capsys: pytest.CaptureFixture[str],
    photos: Path,
    own_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    # The tests may run as root, who may write anywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != locked)
    result = system.invoke(capsys, "train", photos, "--out", locked / "run")
    system.assert_one_line(result, "not a folder that you may write to", "--out")
    assert system.num_stored(own_cache) == 0
    # The same where no folder was named.
    monkeypatch.chdir(locked)
    system.assert_one_line(system.invoke(capsys, "train", photos), "may write to", "--out")
    assert system.num_stored(own_cache) == 0


def test_run_folder_with_a_name_too_long(
    capsys: pytest.CaptureFixture[str], photos: Path, tmp_path: Path
) -> None:
    result = system.invoke(capsys, "train", photos, "--out", tmp_path / ("x" * 300))
    system.assert_one_line(result, "--out")
    assert list(tmp_path.iterdir()) == []


def test_current_folder_as_run_folder(
    capsys: pytest.CaptureFixture[str],
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    system.assert_one_line(system.invoke(capsys, "train", photos, "--out", "."), "--out")


def run_limited(limit: int, cwd: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command that may not write any file beyond `limit` bytes."""

    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        system.command(*arguments),
        cwd=cwd,
        preexec_fn=lower,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        "files.parquet",
        "classifier/head.safetensors",
        "classifier/classifier.json",
        "pictures/confusion_matrix.png",
    ],
)
def test_no_room_while_the_run_is_written(
    run_path: Path, photos: Path, tmp_path: Path, name: str
) -> None:
    """Each file in turn is too large by a little; its features are in the cache."""
    limit = (run_path / name).stat().st_size - 50
    done = run_limited(
        limit, tmp_path, "train", photos, "--validation", 0.15, "--out", tmp_path / "run"
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"photograft: {tmp_path / 'run'} can't be written (")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def no_space(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_while_the_run_is_written(
    capsys: pytest.CaptureFixture[str],
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from photograft.report.plots import figures

    monkeypatch.setattr(figures, "confusion_matrix", no_space)
    result = system.invoke(capsys, "train", photos, "--validation", 0.15, "--out", tmp_path / "run")
    system.assert_one_line(result, "No space left", "Free some space and run the same command")
    assert list(tmp_path.iterdir()) == []


def test_run_folder_that_another_took_meanwhile(photos: Path, tmp_path: Path) -> None:
    class Rival(Recorder):
        def say(self, message: str) -> None:
            del message

        def step(self, what: str, total: int, unit: str) -> Any:
            if what == "Choosing the head":
                (tmp_path / "run").mkdir()
                (tmp_path / "run" / "theirs").write_text("first")
            return super().step(what, total, unit)

    with pytest.raises(photograft.PhotograftError, match="exists already"):
        photograft.train(photos, validation=0.15, out=tmp_path / "run", progress=Rival())
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")] == ["run", "run/theirs"]


def test_left_over_of_a_killed_run_is_cleared(photos: Path, tmp_path: Path) -> None:
    (tmp_path / ".run.partial" / "classifier").mkdir(parents=True)
    (tmp_path / ".run.partial" / "metrics.json").write_text("{")
    run = photograft.train(photos, validation=0.15, out=tmp_path / "run")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert run.scores["test"]["num_photos"] == 9


# What other commands write


@pytest.mark.parametrize(
    ("command", "option", "name"),
    [
        (["predict", "RUN", "PHOTO"], "-o", "answers.csv"),
        (["suggest", "RUN", "PHOTOS"], "-o", "next.csv"),
        (["explain", "RUN", "PHOTO"], "--out", "why"),
        (["evaluate", "RUN", "PHOTOS"], "--json", "scores.json"),
        (["inspect", "PHOTOS"], "--files", "files.parquet"),
        (["doctor", "PHOTOS"], "--out", "checkup"),
        (["report", "RUN"], "-o", "page.html"),
        (["augment", "PHOTOS"], "-o", "augmented.png"),
        (["learning-curve", "PHOTOS", "--seeds", "2"], "-o", "curve.png"),
        (["learning-curve", "PHOTOS", "--seeds", "2", "-o", "TMP/c.png"], "--table", "curve.csv"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
def test_folders_above_are_made(
    capsys: pytest.CaptureFixture[str],
    run_path: Path,
    photos: Path,
    tmp_path: Path,
    command: list[str],
    option: str,
    name: str,
) -> None:
    given = {"RUN": run_path, "PHOTOS": photos, "PHOTO": photos / "circle" / "00.jpg"}
    words = [given.get(word, word.replace("TMP", str(tmp_path))) for word in command]
    (tmp_path / "file").touch()
    result = system.invoke(capsys, *words, option, tmp_path / "file" / name)
    system.assert_one_line(result, "file", option if option != "-o" else "--out")
    result = system.invoke(capsys, *words, option, tmp_path / "new" / "deeper" / name)
    assert result.code == 0, result.err
    assert (tmp_path / "new" / "deeper" / name).exists()


# The cache


@pytest.mark.slow
def test_cache_that_can_not_be_made(
    capsys: pytest.CaptureFixture[str],
    make_photos: MakePhotos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = make_photos(tmp_path / "photos", n=4)
    (tmp_path / "file").write_text("text")
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "file" / "cache"))
    result = system.invoke(capsys, "train", source, "--out", tmp_path / "run", "--engine", "torch")
    system.assert_one_line(result, "feature store", "PHOTOGRAFT_CACHE")
    assert not (tmp_path / "run").exists()
    for command in ("info", "prune", "clear"):
        assert system.invoke(capsys, "cache", command).code == 0


def test_full_disk_while_features_are_stored(
    capsys: pytest.CaptureFixture[str],
    photos: Path,
    run_path: Path,
    own_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write, calls = segments._write_all, 0

    def fill_up(descriptor: int, data: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls > 7:  # rows and keys in turn: in the middle of the fourth batch
            write(descriptor, data[: len(data) // 2])
            no_space()
        write(descriptor, data)

    with monkeypatch.context() as patched:
        patched.setattr(segments, "_write_all", fill_up)
        result = system.invoke(
            capsys, "train", photos, "--out", tmp_path / "run", "--near-duplicates", "ignore"
        )
    system.assert_one_line(result, "No space left", "photograft cache prune")
    assert not (tmp_path / "run").exists()
    assert system.num_stored(own_cache) == 28  # half of the fourth batch's keys were written
    assert not list(own_cache.rglob("*.lock"))

    recorder = Recorder()
    run = photograft.train(photos, validation=0.15, out=tmp_path / "run", progress=recorder)
    assert recorder.totals["Extracting features"] == 60 - 28
    assert system.same_results([run.path, run_path])


def test_no_room_in_the_cache(
    photos: Path, own_cache: Path, tmp_path: Path, run_path: Path
) -> None:
    """Met by the real system call: rows of 7 kB each, and a limit after the second batch."""
    assert run_path.is_dir()
    command = ("train", photos, "--out", "run", "--near-duplicates", "ignore")
    done = run_limited(120_000, tmp_path, *command)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("photograft: the feature store in ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
    assert system.num_stored(own_cache) == 16
    recorder = Recorder()
    run = photograft.train(photos, validation=0.15, out=tmp_path / "run", progress=recorder)
    assert recorder.totals["Extracting features"] == 44
    assert system.same_results([run.path, run_path])


def damage_rows(space: Path) -> None:
    for path in space.glob("*.rows"):
        path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))


def cut_rows(space: Path) -> None:
    for path in space.glob("*.rows"):
        os.truncate(path, path.stat().st_size - 100)


def cut_keys(space: Path) -> None:
    for path in space.glob("*.keys"):
        os.truncate(path, path.stat().st_size - 10)


def empty_note(space: Path) -> None:
    (space / "space.json").write_text("")


def put_junk(space: Path) -> None:
    (space.parent.parent / "holiday.txt").write_text("not ours")
    (space.parent / "file").write_text("not ours")
    (space.parent / "folder" / "deeper").mkdir(parents=True)
    (space / "junk.keys").write_bytes(b"\x01" * 1000)
    (space / "junk.rows").write_bytes(b"\x01" * 100_000)
    (space / "alone.keys").write_bytes(b"\x02" * 72)
    (space / "alone.rows").mkdir()
    (space / "folder.keys").mkdir()


@pytest.mark.parametrize("damage", [damage_rows, cut_rows, cut_keys, empty_note, put_junk])
def test_damaged_cache_changes_no_result(
    damage: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
    photos: Path,
    run_path: Path,
    own_cache: Path,
    tmp_path: Path,
) -> None:
    photograft.train(photos, validation=0.15, out=tmp_path / "first")
    (keys,) = system.feature_keys(own_cache)
    damage(keys.parent)
    again = photograft.train(photos, validation=0.15, out=tmp_path / "again")
    assert system.same_results([run_path, again.path])
    info = system.invoke(capsys, "cache", "info")
    assert (info.code, info.err) == (0, "")


def test_clear_leaves_what_is_not_ours(
    capsys: pytest.CaptureFixture[str], own_cache: Path, photos: Path, tmp_path: Path
) -> None:
    photograft.train(photos, validation=0.15, out=tmp_path / "run")
    (own_cache / "holiday.txt").write_text("mine")
    (own_cache / "features" / "diary.txt").write_text("mine")
    (own_cache / "features" / "pictures").mkdir()
    (own_cache / "features" / "pictures" / "cat.jpg").write_text("mine")
    assert system.invoke(capsys, "cache", "clear").code == 0
    assert system.num_stored(own_cache) == 0
    kept = {str(p.relative_to(own_cache)) for p in own_cache.rglob("*") if p.is_file()}
    assert kept == {"holiday.txt", "features/diary.txt", "features/pictures/cat.jpg"}


# Odd names and odd files


def test_folders_deep_and_names_long(make_photos: MakePhotos, tmp_path: Path) -> None:
    long_name = "ä" * 127  # 254 bytes; file systems take 255
    source = make_photos(tmp_path / "photos", classes=(long_name, "$x^2$ & <b>[red]"), n=8)
    deep = source / long_name / "/".join(["deeper"] * 100)
    deep.mkdir(parents=True)
    shutil.move(source / long_name / "00.jpg", deep / "00.jpg")
    run = photograft.train(source, out=tmp_path / "run")
    assert run.info["data"]["class_names"] == ["$x^2$ & <b>[red]", long_name]
    assert run.info["data"]["num_photos"] == 16
    names = {row["name"] for row in system.read_rows(run.path / "files.parquet")}
    assert f"{deep.relative_to(source)}/00.jpg" in names
    assert run.pictures


def test_odd_class_names_reach_the_screen(
    capsys: pytest.CaptureFixture[str],
    make_photos: MakePhotos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    odd = ("[bold]x[red]", "emoji 🐈", "日本")
    source = make_photos(tmp_path / "[odd] photos", classes=odd, n=8)
    for command in (["train", source, "--out", tmp_path / "run"], ["inspect", source]):
        result = system.invoke(capsys, *command)
        assert result.code == 0, result.err
        for name in (*odd, "[odd] photos"):
            assert name in result.out


def test_source_and_run_whose_names_are_no_valid_text(
    photos: Path, tmp_path: Path, warm_cache: Path
) -> None:
    source = shutil.copytree(photos, tmp_path / os.fsdecode(b"caf\xe9"))
    run = tmp_path / os.fsdecode(b"\xfc-run")
    done = subprocess.run(
        system.command("train", source, "--out", run),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONUTF8": "1", "PHOTOGRAFT_CACHE": str(warm_cache)},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr  # a slow machine's lines of progress are all right
    info = system.read_json(run / "run.json")
    assert info["name"] == r"caf\xe9"
    assert photograft.Classifier.load(run).class_names == system.CLASSES


def test_screen_that_knows_ascii_only(photos: Path, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for command in (["inspect", photos], ["train", photos, "--out", tmp_path / "run"]):
        done = subprocess.run(system.command(*command), capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert "circle" in done.stdout


def test_pipe_among_the_photos_is_never_opened(make_photos: MakePhotos, tmp_path: Path) -> None:
    """Opening it would wait for ever."""
    source = make_photos(tmp_path / "photos", n=6)
    os.mkfifo(source / "circle" / "pipe.jpg")
    (source / "square" / "link.jpg").symlink_to(source / "circle" / "pipe.jpg")
    lines = [f"{p},{p.parent.name}" for p in sorted(source.rglob("*.jpg"))]
    (tmp_path / "photos.csv").write_text("path,label\n" + "\n".join(lines) + "\n")
    for given, out in ((source, "a"), (tmp_path / "photos.csv", "b")):
        # A process of its own can be ended when it waits.
        subprocess.run(
            system.command("train", given, "--out", tmp_path / out),
            capture_output=True,
            check=True,
            timeout=60,
        )
        info = system.read_json(tmp_path / out / "run.json")
        assert info["data"]["skipped"] == {"not a regular file": 2}
        assert info["data"]["num_photos"] == 12
    with pytest.raises(photograft.PhotograftError, match="no regular file"):
        photograft.train(source / "circle" / "pipe.jpg", out=tmp_path / "c")


def test_photo_that_vanishes_during_the_run(make_photos: MakePhotos, tmp_path: Path) -> None:
    """Listed and looked at, then gone before its pixels were wanted."""
    source = make_photos(tmp_path / "photos", n=8, seed=5)

    class Thief(Recorder):
        def step(self, what: str, total: int, unit: str) -> Any:
            if what == "Extracting features":
                (source / "circle" / "02.jpg").unlink()
            return super().step(what, total, unit)

    run = photograft.train(source, out=tmp_path / "run", progress=Thief())
    rows = {row["name"]: row for row in system.read_rows(run.path / "files.parquet")}
    assert rows["circle/02.jpg"]["reason"] == "unreadable"
    assert run.info["data"]["num_photos"] == 15


@pytest.mark.slow
def test_predicting_with_a_cache_that_can_not_be_made(
    capsys: pytest.CaptureFixture[str],
    run_path: Path,
    make_photos: MakePhotos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OpenVINO keeps the converted network in the cache; without one, torch stands in."""
    photos = make_photos(tmp_path / "photos", n=4)
    photo = photos / "circle" / "00.jpg"
    usual = photograft.Classifier.load(run_path).predict_proba([photo])
    (tmp_path / "file").write_text("text")
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "file" / "cache"))
    assert system.invoke(capsys, "predict", run_path, photo).code == 0
    unusual = photograft.Classifier.load(run_path).predict_proba([photo])
    assert np.abs(unusual - usual).max() < 0.05  # both in bfloat16, where the machine has it


# A table among the photos that it is of


@pytest.mark.parametrize(("command", "option"), [("predict", "--output"), ("suggest", "--out")])
def test_a_table_does_not_become_one_of_the_photos(
    capsys: pytest.CaptureFixture[str],
    run_path: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    option: str,
) -> None:
    shutil.copytree(photos, tmp_path / "new")
    monkeypatch.chdir(tmp_path / "new")
    before = system.snapshot(tmp_path)
    result = system.invoke(capsys, command, run_path, ".", "-o", "answers.csv")
    system.assert_one_line(
        result, "answers.csv would lie in", "among the photos", f"with {option}:"
    )
    assert system.snapshot(tmp_path) == before
    monkeypatch.chdir(tmp_path)
    assert system.invoke(capsys, command, run_path, "new", "-o", "answers.csv").code == 0
