"""``--ray``: the same answers, and what is said where it can't be."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import photograft
from executor_helpers import NEEDS_RAY
from photograft.core.executors.choosing import executing
from photograft.core.executors.processes import Processes
from photograft.interfaces.cli import main


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


@pytest.mark.parametrize("where", [pytest.param("local", marks=NEEDS_RAY)])
def test_the_same_run(
    where: str,
    photos: Path,
    run_path: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Of a cache that holds nothing yet; `run_path` was made by this process."""
    out = tmp_path / "run"
    assert main.run(["train", str(photos), "--ray", where, "--out", str(out)]) == 0
    here, there = (
        json.loads((run / "metrics.json").read_text(encoding="utf-8")) for run in (run_path, out)
    )
    assert there == here
    assert "(raylet)" not in "".join(capfd.readouterr())
