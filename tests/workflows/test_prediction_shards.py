"""Predictions in a folder of shards: whole files, gone on with, the same as if undisturbed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import system_helpers as system
from drawing import draw_folder
from photograft.classifier.classifier import Classifier
from photograft.classifier.uncertainty.uncertainty import Rules
from photograft.core.errors import InputError, StorageError
from photograft.workflows.prediction_shards import MANIFEST, write_shards
from photograft.workflows.train import train


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("photos"), ("circle", "square"), n=20, seed=1)


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "run"
    return train(folder, out=place, effort="quick", progress=False).path


@pytest.fixture
def classifier(run: Path) -> Classifier:
    return Classifier.load(run).located()


@pytest.fixture(scope="module")
def paths(folder: Path) -> list[str]:
    return [os.fspath(path) for path in sorted(folder.rglob("*.jpg"))] + ["gone.jpg"]


def rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.parquet")):
        found += pq.read_table(path).to_pylist()
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def test_folder_holds_a_row_for_each_photo(
    classifier: Classifier, paths: list[str], tmp_path: Path
) -> None:
    counts = write_shards(classifier, paths, tmp_path / "out", shard_rows=16)
    assert (counts.rows, counts.failed) == (41, 1)
    noted = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert [shard["rows"] for shard in noted["shards"]] == [16, 16, 9]
    assert (noted["rows"], noted["is_whole"]) == (41, True)
    found = rows(tmp_path / "out")
    assert [row["file"] for row in found] == paths
    assert found[-1]["error"]
    predicted = classifier.predict(paths[:40])
    assert [row["label"] for row in found[:40]] == [one.label for one in predicted]


def test_interrupted_it_goes_on_and_ends_the_same(
    classifier: Classifier, paths: list[str], tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    expected = write_shards(classifier, paths, whole, shard_rows=16)

    def some() -> Iterator[str]:
        yield from paths[:35]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shards(classifier, some(), out, shard_rows=16)
    assert sorted(contents(out)) == ["part-000000.parquet", "part-000001.parquet", MANIFEST]
    (out / ".part-000002.77.partial.parquet").write_bytes(b"half")  # of a process that was killed
    (out / "part-000002.parquet").write_bytes(b"not noted")
    before = {name: os.stat(out / name).st_mtime_ns for name in contents(out)}
    steps: list[int] = []
    counts = write_shards(classifier, paths, out, shard_rows=16, advance=steps.append)
    assert contents(out) == contents(whole)
    assert counts == expected
    assert sum(steps) == 41
    for name in ("part-000000.parquet", "part-000001.parquet"):
        assert os.stat(out / name).st_mtime_ns == before[name]
    # Once more there is nothing to do.
    assert write_shards(classifier, paths, out, shard_rows=16) == expected
    assert contents(out) == contents(whole)


def test_other_photos_and_other_ways_are_refused(
    classifier: Classifier, paths: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    write_shards(classifier, paths[:20], out, shard_rows=8)
    before = contents(out)
    with pytest.raises(InputError, match="holds predictions of other photos"):
        write_shards(classifier, paths[1:21], out, shard_rows=8)
    with pytest.raises(InputError, match=r"in another way(?s:.*)got another shard_rows"):
        write_shards(classifier, paths[:20], out, shard_rows=9)
    with pytest.raises(InputError, match="got another top"):
        write_shards(classifier, paths[:20], out, shard_rows=8, top=2)
    assert contents(out) == before
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"no shards\.json that tells of them"):
        write_shards(classifier, paths, other)
    with pytest.raises(InputError, match="nothing to classify"):
        write_shards(classifier, [], tmp_path / "empty")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        write_shards(classifier, paths, tmp_path / "file")


def test_a_shard_that_was_taken_away_is_made_again_alone(
    classifier: Classifier, paths: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    expected = write_shards(classifier, paths, out, shard_rows=16)
    before = contents(out)
    kept = out / "part-000002.parquet"
    written = kept.stat().st_mtime_ns
    (out / "part-000001.parquet").rename(tmp_path / "away.parquet")
    steps: list[int] = []
    assert write_shards(classifier, paths, out, shard_rows=16, advance=steps.append) == expected
    assert contents(out) == before
    assert kept.stat().st_mtime_ns == written
    assert sorted(steps) == [*[1] * 16, 9, 16]


def test_nothing_is_deleted_where_other_photos_are_refused(
    classifier: Classifier, paths: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    write_shards(classifier, paths, out, shard_rows=16)
    (out / "part-000000.parquet").unlink()
    (out / "part-000007.parquet").write_bytes(b"not noted")
    before = contents(out)
    with pytest.raises(InputError, match="holds predictions of other photos"):
        write_shards(classifier, paths[::-1], out, shard_rows=16)
    assert contents(out) == before


def test_what_answers_otherwise_is_another_classifier(
    classifier: Classifier, paths: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    rules = Rules(confidence=0.5, sentences=("the same words",))
    write_shards(classifier, paths[:8], out, rules=rules)
    for other, told, what in (
        (classifier, replace(rules, confidence=0.50001), "rules"),
        (replace(classifier, max_pixels=classifier.max_pixels - 1), rules, "max_pixels"),
        (
            replace(classifier, head=replace(classifier.head, activation="sigmoid")),
            rules,
            "classifier_sha256",
        ),
    ):
        with pytest.raises(InputError, match=f"got another {what}\\b"):
            write_shards(other, paths[:8], out, rules=told)


def test_a_second_command_on_the_folder_is_told(
    classifier: Classifier, paths: list[str], tmp_path: Path
) -> None:
    fcntl = pytest.importorskip("fcntl")
    out = tmp_path / "out"

    def some() -> Iterator[str]:
        with pytest.raises(StorageError, match="another command is writing"):
            write_shards(classifier, paths[:4], out)
        yield from paths[:4]

    write_shards(classifier, some(), out)
    with (out / ".lock").open("a") as file:
        # One that opened the file before the first was done, and comes to lock it only now.
        write_shards(classifier, paths[:4], out)
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="another command is writing"):
            write_shards(classifier, paths[:4], out)


def test_command_reads_a_manifest(
    run: Path, folder: Path, paths: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [os.path.relpath(path, folder) for path in paths[:40]]
    pq.write_table(pa.table({"path": names, "other": range(40)}), folder / "list.parquet")
    (folder / "list.csv").write_text("PATH\n" + "\n".join(names) + "\n")
    tables = []
    for name in ("list.parquet", "list.csv"):
        out = f"{tmp_path / name}-out/"
        result = system.invoke(
            capsys, "predict", run, folder / name, "-o", out, "--shard-rows", "25"
        )
        assert result.code == 0, result.err
        assert "40 photos" in result.out
        tables.append(rows(Path(out)))
    assert tables[0] == tables[1]
    assert [row["file"] for row in tables[0]] == paths[:40]
    refused = system.invoke(capsys, "predict", run, folder / name, "-o", out, "--format", "csv")
    assert refused.code == 2
    assert "a folder of files can't be in the format csv" in refused.err


@pytest.mark.slow
def test_killed_it_goes_on_and_ends_the_same(run: Path, paths: list[str], tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    names = tmp_path / "names.csv"
    names.write_text("path\n" + "\n".join(paths[:40] * 10) + "\n")

    def command(folder: Path) -> list[str]:
        own = ("predict", str(run), str(names), "-o", f"{folder}/", "--shard-rows", "20")
        return [sys.executable, "-m", "photograft", *own]

    subprocess.run(command(whole), check=True, capture_output=True)
    for number in range(3):
        process = subprocess.Popen(
            command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        shards = 1 + 4 * number
        while process.poll() is None and len(list(out.glob("part-*.parquet"))) < shards:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command(out), check=True, capture_output=True)
    assert contents(out) == contents(whole)
