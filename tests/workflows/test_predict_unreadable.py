"""`photograft predict` where files can't be read, and nobody waits for the end."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import photograft
import system_helpers as system
from photograft.workflows.predict import expand_inputs
from prediction_helpers import give_stdin, odd_names, read_csv

pytestmark = pytest.mark.usefixtures("warm_cache")


@pytest.fixture
def new(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return odd_names(photos, tmp_path, monkeypatch)


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
