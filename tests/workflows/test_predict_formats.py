"""What `photograft predict` writes: its formats, and files that are whole or not there."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import photograft
import system_helpers as system
from photograft import Classifier
from photograft.workflows.prediction_rows import open_writer, output_format
from prediction_helpers import VISIBLE, odd_names, read_csv, rows_of

pytestmark = pytest.mark.usefixtures("warm_cache")


@pytest.fixture
def new(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return odd_names(photos, tmp_path, monkeypatch)


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
