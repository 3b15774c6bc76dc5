"""Experiment trackers, for real: what they were told is read back with their own tools."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import photograft
from photograft.backbones.settings import Preprocessing
from photograft.core.choices import TRACKERS
from photograft.core.errors import InputError, StorageError
from photograft.interfaces.cli.views.tables import show_run
from photograft.learning.settings import TrainConfig
from photograft.runs.run import Run
from recording import InterruptedByTestError, Interrupting, Recorder
from tracker_helpers import FIGURES, READERS, SCORES, history_of, new_user, seen_by_mlflow
from training_helpers import tiny_config


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from new_user(tmp_path, monkeypatch)


@pytest.mark.parametrize("track", TRACKERS)
def test_a_training(track: str, photos: Path, tmp_path: Path) -> None:
    config = tiny_config("scratch", track=track, seed=7)
    recorder = Recorder()
    run = photograft.train(photos, config, out=tmp_path / "runs" / "first", progress=recorder)
    (seen,) = READERS[track](tmp_path)
    assert (seen.name, seen.status) == ("first", "finished")
    assert seen.series.keys() == {f"scratch/{name}" for name in FIGURES}
    for name, points in history_of(run).items():
        found = seen.series[f"scratch/{name}"]
        assert [step for step, _ in found] == [1, 2, 3]
        assert [v for _, v in found] == pytest.approx([v for _, v in points], rel=1e-4)
    expected = {f"{p}/{s}": run.scores[p][s] for p in ("validation", "test") for s in SCORES}
    assert seen.scores == pytest.approx(expected, rel=1e-6)
    settings = {
        "seed": "7",
        "strategy": "scratch",
        "training.epochs": "3",
        "data.name": "photos",
        "data.fingerprint": run.info["data"]["fingerprint"],
        "data.num_photos": "60",
        "data.train": ", ".join(
            f"{name} {n}"
            for name, n in zip(
                run.info["data"]["class_names"],
                run.info["data"]["class_counts"]["train"],
                strict=True,
            )
        ),
        "versions.torch": run.info["versions"]["torch"],
    }
    assert {name: seen.settings.get(name) for name in settings} == settings
    assert seen.texts["strategy"] == "scratch"
    if track != "tensorboard":
        pictures = {f"pictures/{path.name}" for path in (run.path / "pictures").iterdir()}
        assert pictures
        assert seen.files - {"report.html"} == {"run.json", "metrics.json"} | pictures
        assert ("report.html" in seen.files) == (run.path / "report.html").exists()
    # Where to look is said, and nothing was wrong.
    assert len(recorder.said) == 1
    command = {
        "tensorboard": f"tensorboard --logdir {tmp_path / 'runs'}",
        "mlflow": "mlflow ui --backend-store-uri file://",
        "wandb": f"wandb sync {tmp_path / 'runs' / 'wandb'}",
    }
    assert command[track] in recorder.said[0]
    assert run.info["tracked"] == recorder.said[0]
    assert run.info["warnings"] == Run.load(run.path).info["warnings"]


@pytest.mark.parametrize("track", TRACKERS)
def test_interrupted_and_gone_on(track: str, photos: Path, tmp_path: Path) -> None:
    """The first attempt was killed; the next one has all epochs, each once and in order."""
    config, out = tiny_config("scratch", track=track), tmp_path / "runs" / "again"
    with pytest.raises(KeyboardInterrupt):
        photograft.train(
            photos, config, out=out, progress=Interrupting("Epoch 3", KeyboardInterrupt)
        )
    (first,) = READERS[track](tmp_path)
    assert first.status == "killed"
    assert first.scores == {}
    assert set(map(tuple, first.steps().values())) == {(1, 2)}
    recorder = Recorder()
    photograft.train(photos, config, out=out, progress=recorder)
    assert "Going on after epoch 2, where it was interrupted" in recorder.said
    seen = READERS[track](tmp_path)
    # TensorBoard has one run by the name; the others keep the attempt that was killed.
    assert [run.status for run in seen[:-1]] == ([] if track == "tensorboard" else ["killed"])
    assert seen[-1].status == "finished"
    assert set(map(tuple, seen[-1].steps().values())) == {(1, 2, 3)}
    assert seen[-1].series["scratch/loss"][:2] == first.series["scratch/loss"]
    assert seen[-1].scores


def test_tracking_has_no_say_in_what_is_gone_on_from(photos: Path, tmp_path: Path) -> None:
    config = tiny_config("scratch")
    with pytest.raises(InterruptedByTestError):
        photograft.train(photos, config, out=tmp_path / "run", progress=Interrupting("Epoch 3"))
    tracked_config = replace(config, track="mlflow")
    photograft.train(
        photos, tracked_config, out=tmp_path / "run", progress=(recorder := Recorder())
    )
    assert "Going on after epoch 2, where it was interrupted" in recorder.said
    (seen,) = seen_by_mlflow(tmp_path)
    assert set(map(tuple, seen.steps().values())) == {(1, 2, 3)}


@pytest.mark.parametrize("track", TRACKERS)
def test_a_failure(track: str, photos: Path, tmp_path: Path) -> None:
    config = tiny_config("scratch", track=track, loop={"learning_rate": 100.0, "clip_norm": 0.0})
    config = replace(config, training=replace(config.loop, optimizer="sgd", epochs=50))
    with pytest.raises(InputError, match="run away"):
        photograft.train(photos, config, out=tmp_path / "runs" / "away")
    (seen,) = READERS[track](tmp_path)
    assert (seen.name, seen.status, seen.scores) == ("away", "failed", {})


def test_a_strategy_without_a_loop(photos: Path, tmp_path: Path, warm_cache: Path) -> None:
    config = TrainConfig(track="mlflow", engine="torch", backbone="convnet:c8 p", weights="random")
    config = replace(config, preprocessing=Preprocessing(input_size=32))
    run = photograft.train(photos, config, out=tmp_path / "run")
    (seen,) = seen_by_mlflow(tmp_path)
    assert seen.series == {}
    assert seen.scores["test/accuracy"] == run.scores["test"]["accuracy"]
    assert not [name for name in seen.settings if name.startswith("training")]
    assert (seen.status, seen.texts["strategy"]) == ("finished", "features")


@pytest.mark.parametrize(
    "track",
    [pytest.param(name, marks=pytest.mark.slow if name == "mlflow" else ()) for name in TRACKERS],
)
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
def test_nothing_is_left_in_the_working_folder(
    track: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user has said nothing of where to, or that it may go online; and is told how to look."""
    for name in ("MLFLOW_TRACKING_URI", "WANDB_MODE"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)  # to be logged in is no leave to go online
    here, theirs = tmp_path / "here", tmp_path / "my photos"
    here.mkdir()
    monkeypatch.chdir(here)
    for out in (theirs / "runs" / "first", Path("..", "my photos", "runs", "second")):
        run = photograft.train(photos, tiny_config("features", track=track), out=out)
        show_run(Console(file=(printed := io.StringIO()), width=1000), run)
        (line,) = [ln for ln in printed.getvalue().splitlines() if ln.startswith("Tracked: ")]
        command = {
            "tensorboard": f"tensorboard --logdir '{out.parent}'",
            "mlflow": f"mlflow ui --backend-store-uri 'sqlite:///{out.parent.absolute()}/mlflow/",
            "wandb": f"wandb sync '{out.parent}/wandb/offline-run-",
        }[track]
        assert command in line
        assert "fails" not in printed.getvalue()
    assert os.listdir(here) == []
    assert sorted(os.listdir(theirs / "runs")) == sorted(["first", "second", track])
    if track == "mlflow":
        uri = f"sqlite:///{theirs / 'runs' / 'mlflow' / 'mlflow.db'}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert [seen.name for seen in READERS[track](theirs)] == ["first", "second"]


def test_nothing_is_tracked_unasked(photos: Path, tmp_path: Path) -> None:
    photograft.train(photos, tiny_config("scratch"), out=tmp_path / "runs" / "a")
    assert sorted(os.listdir(tmp_path)) == ["home", "runs"]
    assert os.listdir(tmp_path / "runs") == ["a"]


def test_recipes_can_be_tracked(monkeypatch: pytest.MonkeyPatch, photos: Path) -> None:
    given: list[TrainConfig] = []

    def train(source: object, config: TrainConfig, **more: object) -> Run:
        del source, more
        given.append(config)
        raise InputError("enough seen")

    monkeypatch.setattr("photograft.workflows.recipe.train_with", train)
    from photograft.interfaces.cli.main import run

    assert run(["recipe", "run", "D4", str(photos), "--track", "mlflow"]) == 2
    assert run(["recipe", "run", "D4", str(photos)]) == 2
    assert [config.track for config in given] == ["mlflow", ""]


@pytest.mark.parametrize("track", TRACKERS)
def test_a_run_where_the_tracker_writes(track: str, photos: Path, tmp_path: Path) -> None:
    config = tiny_config("scratch", track=track)
    with pytest.raises(StorageError, match=f"is where {track} writes"):
        photograft.train(photos, config, out=tmp_path / "runs" / track)
