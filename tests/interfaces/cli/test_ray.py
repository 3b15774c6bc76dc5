"""``--ray``: the same answers, and what is said where it can't be."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import photograft
from executor_helpers import NEEDS_RAY
from photograft.core.executors.base import InProcess
from photograft.core.executors.choosing import executing
from photograft.core.executors.processes import Processes
from photograft.interfaces.cli import main
from recording import Recorder


def test_without_ray(
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    out = tmp_path / "run"
    assert main.run(["train", str(photos), "--ray", "local", "--out", str(out)]) == 2
    assert "pip install 'photograft[ray]'" in capsys.readouterr().err
    assert not out.exists()


def test_several_workers_need_ray(
    photos: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert main.run(["train", str(photos), "--workers", "2", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "2 workers that train together need Ray, or torchrun" in error
    assert "torchrun --nproc-per-node 2 -m photograft train" in error
    assert not out.exists()


class Team(InProcess):
    """Several workers, as far as anybody asks."""

    workers = 2

    def together(self, work: object, *, folder: Path, accelerated: bool) -> Iterator[object]:
        raise AssertionError("nothing is to be trained together")


def test_workers_that_have_nothing_to_train_together(
    photos: Path, warm_cache: Path, tmp_path: Path
) -> None:
    del warm_cache
    recorder = Recorder()
    with executing(Team()):
        photograft.train(photos, out=tmp_path / "run", progress=recorder)
    (said,) = (said for said in recorder.said if "worker" in said)
    assert said.startswith("One worker does all of it: no network is trained")


@pytest.mark.parametrize("rank", ["0", "1"])
def test_torchrun_is_for_training(
    rank: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first one says so, the others nothing."""
    variables = {"RANK": rank, "WORLD_SIZE": "2", "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": "2"}
    for name, value in {**variables, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert main.run(["predict", "runs/first"]) == 2
    error = capsys.readouterr().err
    assert ("for `photograft train` alone, not `photograft predict`" in error) == (rank == "0")
    assert error.count("\n") == (rank == "0")


def test_answers_come_in_the_order_of_the_photos(run_path: Path, photos: Path) -> None:
    files = [str(path) for path in sorted(photos.glob("*/*"))] * 4
    files[5] = "nowhere.jpg"
    classifier = photograft.Classifier.load(run_path)
    expected = list(classifier.stream(files))
    with executing(Processes(2)):
        found = list(classifier.stream(files))
    assert [answer.name for answer in found] == files
    assert [answer.label for answer in found] == [answer.label for answer in expected]
    assert [answer.error for answer in found] == [answer.error for answer in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-6)


@pytest.mark.parametrize("fixture", [pytest.param("on_ray", marks=NEEDS_RAY)])
def test_the_same_run(
    fixture: str,
    request: pytest.FixtureRequest,
    photos: Path,
    run_path: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Of a cache that holds nothing yet; `run_path` was made by this process."""
    request.getfixturevalue(fixture)
    out = tmp_path / "run"
    assert (
        main.run(
            ["train", str(photos), "--ray", "local", "--validation", "0.15", "--out", str(out)]
        )
        == 0
    )
    here, there = (
        json.loads((run / "metrics.json").read_text(encoding="utf-8")) for run in (run_path, out)
    )
    assert there == here
    assert "(raylet)" not in "".join(capfd.readouterr())
