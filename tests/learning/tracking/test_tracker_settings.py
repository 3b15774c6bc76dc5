"""What trackers are set by: nothing phones home unasked, and what each does with odd values."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import photograft
from photograft.learning.settings import TrainConfig, Training
from photograft.learning.tracking import trackers
from photograft.learning.tracking.protocol import Scalar, Start, Tracking, flat
from photograft.learning.tracking.trackers import open_tracker
from recording import Recorder
from tracker_helpers import DEFAULTS, new_user, seen_by_mlflow, seen_by_wandb
from training_helpers import tiny_config


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from new_user(tmp_path, monkeypatch)


@pytest.mark.parametrize("track", ["mlflow", "wandb"])
def test_nothing_phones_home_unless_the_user_lets_it(
    track: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {n: v for n, v in DEFAULTS.items() if n.startswith(track.upper())}
    own.pop("MLFLOW_ALLOW_FILE_STORE", None)  # set where there is a folder to open
    open_tracker(track)
    assert {name: os.environ.get(name) for name in own} == own
    for name in own:
        monkeypatch.setenv(name, "0")
    open_tracker(track)
    assert {os.environ[name] for name in own} == {"0"}


@pytest.mark.parametrize("mode", [None, "online"])
def test_without_a_login_wandb_stays_offline(
    mode: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would ask for a key, and wait."""
    monkeypatch.delenv("WANDB_MODE")
    if mode:
        monkeypatch.setenv("WANDB_MODE", mode)
    tracker, said = open_tracker("wandb"), list[str]()
    assert tracker is not None
    tracking = Tracking(tracker, said.append)
    tracking.start(Start(tmp_path / "run", "photos", {"seed": 1}))
    tracking.end("finished")
    assert tracking.warnings == []
    assert "wandb sync" in said[0]
    assert ("you are not logged in" in said[0]) == (mode == "online")
    assert [seen.status for seen in seen_by_wandb(tmp_path)] == ["finished"]


class WandBSettings:
    api_key = identity_token_file = None
    base_url = "https://wandb.example.org"


@pytest.mark.parametrize(
    ("environment", "netrc", "known"),
    [
        ({}, "", False),
        ({}, "machine wandb.example.org login user password key", True),
        ({}, "machine other.example.org login user password key", False),
        ({}, "machine wandb.example.org what is that", False),
        ({"WANDB_API_KEY": "key"}, "", True),
        ({"WANDB_IDENTITY_TOKEN_FILE": "file"}, "", True),
    ],
)
def test_who_is_logged_in(
    environment: dict[str, str], netrc: str, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if netrc:
        Path(os.environ["NETRC"]).write_text(netrc + "\n")
    assert trackers._is_logged_in(WandBSettings()) == known


def test_wandb_switched_off(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    config = tiny_config("scratch", track="wandb")
    run = photograft.train(photos, config, out=tmp_path / "run", progress=(recorder := Recorder()))
    assert recorder.said == ["W&B: disabled"]
    assert not any("W&B" in warning for warning in run.info["warnings"])
    assert not (tmp_path / "wandb").exists()


def opened_by_mlflow(tmp_path: Path) -> tuple[str, str]:
    """Name of the experiment that a run is put in, and the store's address."""
    tracker = trackers.MLflow()
    said = tracker.start(Start(tmp_path / "run", "photos", {}))
    experiment = tracker._client.get_run(tracker._run).info.experiment_id
    return tracker._client.get_experiment(experiment).name, said


def test_experiments_of_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened_by_mlflow(tmp_path)[0] == "photos"
    assert opened_by_mlflow(tmp_path)[0] == "photos"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    assert opened_by_mlflow(tmp_path)[0] == "mine"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    assert opened_by_mlflow(tmp_path)[0] == "Default"


def test_mlflow_without_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said of where to log to, and mlflow-skinny alone can only write files."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setattr(trackers, "_has_database", lambda: False)
    uri = (tmp_path / "mlflow").as_uri()
    command = f"MLflow: MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {uri}"
    assert opened_by_mlflow(tmp_path) == ("photos", command)
    assert any((tmp_path / "mlflow").glob("*/*/meta.yaml"))


def test_many_settings_and_long_ones(tmp_path: Path) -> None:
    """MLflow takes a hundred at a time, of six thousand characters each."""
    tracker = trackers.MLflow()
    settings: dict[str, Scalar] = {f"setting.{i}": "x" * 7_000 if i == 5 else i for i in range(250)}
    tracker.start(Start(tmp_path / "run", "photos", settings))
    (seen,) = seen_by_mlflow(tmp_path)
    assert len(seen.settings) == 250
    assert len(seen.settings["setting.5"]) == 6_000


def test_names_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    tracker = trackers.MLflow()
    tracker.start(Start(tmp_path / name, name, flat({"data": {"source": f"/{name}"}})))
    (seen,) = seen_by_mlflow(tmp_path)
    assert (seen.name, seen.settings) == ("caf\\xe9", {"data.source": "/caf\\xe9"})


def test_every_stage_s_settings_are_flat() -> None:
    config = TrainConfig(hidden=(64, 32), training=Training(epochs=5))
    found = flat(config.to_json())
    assert found["hidden"] == "64, 32"
    assert found["training.epochs"] == 5
    assert "augmentation" not in found
    assert {type(value) for value in found.values()} <= {str, int, float, bool}
