"""Trackers that fail, are interrupted, or are not there: no training is harmed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import photograft
import system_helpers as system
from photograft.learning.strategies.registry import find_strategy
from photograft.learning.tracking.protocol import Start, tracked
from photograft.learning.tracking.trackers import open_tracker
from photograft.workflows import train as workflow
from recording import Recorder
from tracker_helpers import RecordingTracker, an_epoch, new_user, seen_by_mlflow
from training_helpers import make_job, tiny_config


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from new_user(tmp_path, monkeypatch)


def use(monkeypatch: pytest.MonkeyPatch, tracker: RecordingTracker) -> None:
    monkeypatch.setattr(workflow, "open_tracker", lambda name, out: tracker if name else None)


def test_stages_are_told_apart(photos: Path, cache: Path) -> None:
    config = tiny_config("finetune", head="mlp", hidden=(8,), weights="random", keep="always")
    tracker = RecordingTracker()
    job = make_job(photos, config, cache)
    with tracked(tracker, Start(Path("run"), "photos", {}), job.progress) as tracking:
        find_strategy("finetune")(replace(job, tracking=tracking))
    assert tracker.of("epoch") == [
        *(("head", number) for number in (1, 2, 3)),
        *(("tune", number) for number in (1, 2, 3)),
    ]
    assert tracker.of("end") == ["finished"]


@pytest.mark.parametrize(
    ("failing", "times", "epochs", "ends"),
    [
        (("start",), 1, [], []),
        (("epoch",), 1, [1, 2, 3], ["finished"]),  # the first one at the end, after all
        (("epoch",), 1_000, [], ["finished"]),
        (("outcome",), 1, [1, 2, 3], ["finished"]),
        (("end",), 1, [1, 2, 3], []),
        (("start", "epoch", "outcome", "end"), 1_000, [], []),
    ],
)
def test_a_tracker_that_fails_harms_no_training(
    failing: tuple[str, ...],
    times: int,
    epochs: list[int],
    ends: list[str],
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracker, recorder = RecordingTracker(*failing, times=times), Recorder()
    use(monkeypatch, tracker)
    config = tiny_config("scratch", track="mlflow")
    run = photograft.train(photos, config, out=tmp_path / "run", progress=recorder)
    assert run.scores["test"]["accuracy"] > 0
    assert tracker.of("epoch") == [("scratch", number) for number in epochs]
    assert tracker.of("end") == ends
    message = "Recorder fails (OSError: server gone): the training goes on without it"
    assert recorder.said.count(message) == 1
    assert run.info["warnings"][-1:] == [message]
    assert sum(message in warning for warning in run.info["warnings"]) == 1


def test_ctrl_c_in_a_tracker_is_not_swallowed() -> None:
    tracker = RecordingTracker("epoch", error=KeyboardInterrupt)

    def follow() -> None:
        with tracked(tracker, Start(Path("run"), "x", {}), Recorder()) as tracking:
            assert tracking is not None
            tracking.follow("scratch").epoch(an_epoch(1))

    with pytest.raises(KeyboardInterrupt):
        follow()
    assert tracker.of("end") == ["killed"]


def test_epochs_without_validation(tmp_path: Path) -> None:
    tracker = open_tracker("mlflow")
    assert tracker is not None
    tracker.start(Start(tmp_path / "run", "photos", {}))
    tracker.epoch("scratch", an_epoch(1, val_loss=None, val_accuracy=None))
    (seen,) = seen_by_mlflow(tmp_path)
    assert not [name for name in seen.series if "val_" in name]
    assert len(seen.series) == 4


@pytest.mark.parametrize(
    ("track", "modules"),
    [
        ("tensorboard", ["torch.utils.tensorboard", "tensorboard"]),
        ("mlflow", ["mlflow"]),
        ("wandb", ["wandb"]),
    ],
)
def test_not_installed(
    track: str,
    modules: list[str],
    photos: Path,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An error before any work, in one line that says what to install."""
    for name in [n for n in sys.modules if n.partition(".")[0] in ("tensorboard", "mlflow")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, modules[-1], None)
    arguments = ("train", photos, "--track", track, "--out", tmp_path / "run")
    result = system.invoke(capsys, *arguments)
    system.assert_one_line(result, f"{track} is not installed", f"'photograft[{track}]'")
    assert not (tmp_path / "run").exists()
    assert not any(cache.iterdir())


def test_an_unknown_tracker(capsys: pytest.CaptureFixture[str], photos: Path) -> None:
    result = system.invoke(capsys, "train", photos, "--track", "paper")
    system.assert_one_line(result, "track can't be 'paper'", "'mlflow'")
