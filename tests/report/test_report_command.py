"""`photograft report`, the page of a comparison, and folders that are damaged."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from drawing import draw_folder
from page_helpers import Page, assert_closed, page_of
from photograft.core.errors import ClassifierError, InputError
from photograft.interfaces.cli.app import app
from photograft.interfaces.cli.views.tables import show_run
from photograft.learning.recipes import read_config
from photograft.learning.settings import TrainConfig
from photograft.runs.folder import load_facts
from photograft.runs.photos import find_photos
from photograft.runs.run import Run
from photograft.workflows.report import report
from report_helpers import make_comparison, make_run
from system_helpers import read_json


def test_comparison(tmp_path: Path) -> None:
    reads = make_comparison(tmp_path / "c")
    page = page_of(tmp_path / "c", reads, tmp_path / "page.html")
    assert_closed(page)
    assert len(page.all("h1")) == 1
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"] or "" for a in page.all("a")} <= {f"#{i}" for i in ids}
    order = [page.text.index(name) for name in ("efficientnet_lite0 features is best", "a warning")]
    assert order == sorted(order)
    leaderboard = page.text[page.text.index("Leaderboard\n") :]
    names = ["efficientnet_lite0 features", "mobilenet features", "scratch", "vgg16 features"]
    places = [leaderboard.index(name) for name in [*names, "resnet50 features"]]
    assert places == sorted(places)
    assert "no <weights> here" in page.text
    assert "as good" in page.text
    assert "out of time" in page.text
    assert "Model card" in page.text
    assert "Differences are tested with a corrected t-test." in page.text
    (ms, adds) = (text for text in page.inside["title"] if text.startswith("Accuracy against"))
    assert "milliseconds" in ms
    assert "multiply-adds" in adds
    assert page.data["cells"]


def test_comparison_without_a_winner(tmp_path: Path) -> None:
    make_comparison(tmp_path / "c", winner=False, candidates=[{"id": "a", "status": "not run"}])
    page = page_of(tmp_path / "c", {}, tmp_path / "page.html")
    assert [s["id"] for s in page.all("section")] == ["winner", "leaderboard", "how"]
    assert page.data == {}


@pytest.mark.parametrize("text", ["{", "{}"])
def test_damaged_comparison(tmp_path: Path, text: str) -> None:
    (tmp_path / "comparison.json").write_text(text)
    with pytest.raises(ClassifierError, match="holds no comparison"):
        report(tmp_path, output=tmp_path / "page.html", progress=False)


@pytest.mark.parametrize("name", ["run.json", "files.parquet", "predictions.parquet"])
def test_damaged_run(tmp_path: Path, name: str) -> None:
    make_run(tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(b"{}")
    with pytest.raises(ClassifierError, match="no run folder, or a damaged one"):
        report(tmp_path / "run", output=tmp_path / "page.html", progress=False)
    assert not list(tmp_path.glob("*.html"))


def command(*arguments: object) -> str:
    given = ["report", *(str(a) for a in arguments)]
    result = CliRunner().invoke(app, given, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_train_writes_the_page_and_the_command_the_same(run_path: Path, tmp_path: Path) -> None:
    written = (run_path / "report.html").read_bytes()
    assert b"circle" in written
    said = command(run_path, "--output", tmp_path / "again.html")
    assert said.strip() == f"Report: {tmp_path / 'again.html'}"
    assert (tmp_path / "again.html").read_bytes() == written


def test_command_where_photos_changed_or_are_gone(run_path: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_path, tmp_path / "run")
    photos = draw_folder(tmp_path / "photos", ("circle", "square", "triangle"), n=20, seed=1)
    info = read_json(copy / "run.json")
    for source, words in (
        (photos, "can't be read any more"),
        (tmp_path / "nowhere", "This page has no pictures"),
    ):
        info["data"]["source"] = str(source)
        (copy / "run.json").write_text(json.dumps(info))
        said = command(copy)
        assert ("no photos of it are found" in said) == (source != photos)
        page = Page((copy / "report.html").read_text(encoding="utf-8"))
        assert words in page.text
        assert page.all("img") == []


def test_command_on_a_comparison(tmp_path: Path) -> None:
    make_comparison(tmp_path / "c")
    assert f"Report: {tmp_path / 'c' / 'report.html'}" in command(tmp_path / "c")
    assert (tmp_path / "c" / "report.html").is_file()


def test_train_says_where_the_page_is(run_path: Path, tmp_path: Path) -> None:
    written = io.StringIO()
    show_run(Console(file=written, width=500), Run.load(run_path))
    assert f"Report:     {run_path / 'report.html'}\n" in written.getvalue()
    copy = shutil.copytree(run_path, tmp_path / "older")
    (copy / "report.html").unlink()
    written = io.StringIO()
    show_run(Console(file=written, width=500), Run.load(copy))
    assert "Report:" not in written.getvalue()


def test_photos_are_found_by_name_and_content(run_path: Path, photos: Path) -> None:
    facts = load_facts(run_path)
    reads = find_photos(str(photos), facts.files)
    used = {file.name: file.sha256 for file in facts.files if file.used}
    assert reads.keys() == used.keys()
    name = next(iter(reads))
    assert hashlib.sha256(reads[name]()).hexdigest() == used[name]


def test_config_of_a_run_repeats_it(run_path: Path) -> None:
    config = read_config(run_path / "run.json")
    assert config == TrainConfig.from_json(read_json(run_path / "run.json")["config"])


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is no JSON file"), ("[1]", "is no table"), ('{"config": {"sed": 1}}', "named 'sed'")],
)
def test_config_from_json_that_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=words):
        read_config(tmp_path / "run.json")
