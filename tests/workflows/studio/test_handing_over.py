"""What leaves a project: exports with their proof, and the same by commands and Python."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from photograft.workflows.studio.handing_over import HandingOver
from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.project import Project
from photograft.workflows.studio.understanding import Understanding
from studio_helpers import working


def handing_over(project: Project, jobs: Jobs) -> HandingOver:
    return HandingOver(project, jobs, Understanding(project, jobs))


def test_nothing_is_there_to_hand_over(unlabelled: Project) -> None:
    found = handing_over(unlabelled, Jobs(unlabelled)).facts()
    assert found == {
        "run": None,
        "exports": [],
        "can_export": False,
        "why_not": "Nothing is trained yet.",
        "commands": [],
        "python": "",
    }


def test_tables_and_nothing_else_can_be_fetched(done: Project) -> None:
    found = handing_over(done, Jobs(done))
    table = found.file("predictions-1.csv")
    assert table is not None
    assert table.read_text("utf-8-sig").startswith("file,")
    for name in ("..", "../jobs.json", "gone.csv", "", ".", "/etc/passwd"):
        assert found.file(name) is None
    assert found.file("predictions-1.csv", "index.html") is None
    assert found.file("..", "project.json") is None


@pytest.mark.slow
def test_an_export_with_its_certificate(done: Project) -> None:
    with working(done) as jobs:
        job = jobs.wait(jobs.add("export", {"to": "onnx"}), 300)
        assert job.state == "done", job.error
        found = handing_over(done, jobs)
        facts = found.facts()
    assert (facts["can_export"], facts["why_not"]) == (True, "")
    (export,) = facts["exports"]
    assert (export["to"], export["name"]) == ("onnx", "onnx-1")
    assert export["size"] > 1_000_000
    assert export["equal_decisions"] == 1
    assert export["largest_difference"] < 1e-3  # of a photo in which one pixel is rounded otherwise
    assert export["certificate"] == "/exports/onnx-1/certificate.html"
    assert found.file("onnx-1", "certificate.html") is not None
    assert found.file("onnx-1", "metadata.json") is None
    assert export["url"] is None
    assert any(row["what"] == "Export" for row in facts["commands"])


@pytest.mark.slow
def test_the_commands_and_the_program_do_the_same(done: Project) -> None:
    """Every command that is told runs, in the order told, and trains the very same classifier."""
    facts = handing_over(done, Jobs(done)).facts()
    commands = [row["command"] for row in facts["commands"]]
    assert commands[0] == f"cd {done.folder}"
    assert [command.split()[1] for command in commands[1:]] == [
        "doctor",
        "train",
        "learning-curve",
        "predict",
    ]
    done.write_labels()
    folder = done.folder
    for command in commands[1:]:
        words = shlex.split(command)
        assert words[0] == "photograft"
        subprocess.run(
            [sys.executable, "-m", *words], cwd=folder, check=True, capture_output=True, timeout=200
        )
    assert same(folder / "runs" / "quick-1", folder / "runs" / "quick-2")
    assert (folder / "exports" / "predictions-2.csv").read_bytes() == (
        folder / "exports" / "predictions-1.csv"
    ).read_bytes()
    program = handing_over(done, Jobs(done)).facts()["python"]
    assert 'out="runs/quick-3"' in program
    subprocess.run(
        [sys.executable, "-c", program], cwd=folder, check=True, capture_output=True, timeout=200
    )
    assert same(folder / "runs" / "quick-1", folder / "runs" / "quick-3")


def same(one: Path, other: Path) -> bool:
    names = ("metrics.json", "predictions.parquet", "selection.json")
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)
