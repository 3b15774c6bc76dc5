"""Trainings that are killed, interrupted or run out of disk go on to the very same result."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError, safe_open

import photograft
import system_helpers as system
from drawing import draw_folder
from photograft.backbones.settings import Preprocessing
from photograft.core.errors import StorageError
from photograft.features.settings import Augmentation
from photograft.learning.settings import TrainConfig, Training
from photograft.report.plots import figures
from photograft.runs import plot as curves
from recording import InterruptedByTestError, Interrupting, Recorder
from training_helpers import (
    TINY_NORM,
    history_without_seconds,
    tiny_config,
    to_toml,
)

#: Some hundredths of a second each: a process is still at it when it is killed.
MANY = {"epochs": 40, "batch_size": 8}
SORTS = {"mixup": 0.3, "ema_decay": 0.9, "accumulate": 2, "clip_norm": 1.0}
CHANGES = Augmentation(horizontal_flip=True, rotation=15, min_crop=0.7)

CONFIGS: dict[str, TrainConfig] = {
    "scratch": tiny_config("scratch", backbone=TINY_NORM, loop=MANY),
    "finetune": tiny_config(
        "finetune", augmentation=Augmentation(), unfreeze="2", keep="always", loop=MANY
    ),
    "finetune, all sorts": tiny_config(
        "finetune",
        augmentation=CHANGES,
        views=-1,
        unfreeze="2",
        keep="always",
        backbone=TINY_NORM,
        loop={**MANY, **SORTS, "freeze_batch_norm": False, "monitor": "val_accuracy"},
    ),
    "features, mlp": tiny_config("features", head="mlp", hidden=(64,), dropout=0.3, loop=MANY),
    "features+augment, fresh": tiny_config("features+augment", views=-1, loop=MANY),
}

#: More of them, which are interrupted in this process.
COMBINATIONS: dict[str, TrainConfig] = {
    "plateau": tiny_config(
        "scratch", loop={"schedule": "plateau", "monitor": "val_loss", "patience": 2}
    ),
    "whitened": tiny_config(
        "scratch",
        backbone="convnet:c8 p c8",
        preprocessing=Preprocessing(input_size=16, zca_whitening=True),
    ),
    "better": tiny_config("finetune", views=1, loop={"optimizer": "rmsprop"}),
    "mlp before": tiny_config(
        "finetune",
        head="mlp",
        dropout=0.3,
        views=1,
        keep="always",
        head_training=Training(epochs=3, batch_size=16),
    ),
    "views": tiny_config("features+augment", head="mlp", views=2, dropout=0.2),
    "auto": tiny_config("auto", views=1),
    "no validation": tiny_config("scratch", validation=0.0, loop={"optimizer": "sgd"}),
    "steps": tiny_config("scratch", loop={"steps_per_epoch": 2, "accumulate": 2}),
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("photos"), system.CLASSES, n=16, size=48)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (curves, "plot_epochs"),
        (figures, "confusion_matrix"),
        (figures, "mistakes"),
    ):
        monkeypatch.setattr(module, name, lambda *_, **__: None)


def num_epochs(cache: Path, stages: int) -> int:
    """How many epochs the state of the last of so many trainings has."""
    found = []
    for path in cache.glob("training/*/state.safetensors"):
        try:
            with safe_open(path, framework="pt") as file:
                epochs = len(json.loads(file.metadata()["state"])["epochs"])
                found.append((path.parent.stat().st_ctime_ns, epochs))
        except (OSError, SafetensorError):
            continue
    return max(found)[1] if len(found) == stages else 0


def assert_same(one: Path, other: Path) -> None:
    assert system.same_results([one, other])
    history = history_without_seconds(one)
    assert len(history) > 1
    assert history_without_seconds(other) == history
    for name in ("head.safetensors", "backbone.safetensors"):
        files = [run / "classifier" / name for run in (one, other)]
        assert files[0].exists() == files[1].exists()
        if files[0].exists():
            assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_killed_and_run_again(
    name: str, photos: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of its own, killed at an epoch that nobody chose."""
    config = CONFIGS[name]
    (tmp_path / "config.toml").write_text(to_toml(config), encoding="utf-8")
    arguments = ("train", photos, "--config", tmp_path / "config.toml", "--out", tmp_path / "run")
    process = system.start(cache, *arguments, cwd=tmp_path)
    deadline = time.monotonic() + 120
    stages = 2 if name == "finetune, all sorts" else 1  # the head first
    while num_epochs(cache, stages) < 1:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    done = num_epochs(cache, stages)
    assert 1 <= done < config.loop.epochs
    assert not (tmp_path / "run").exists()

    if name == "scratch":  # as the user does it: the same command
        again = subprocess.run(
            system.command(*arguments), cwd=tmp_path, capture_output=True, text=True
        )
        assert again.returncode == 0, again.stderr
    else:
        recorder = Recorder()
        photograft.train(photos, config, out=tmp_path / "run", progress=recorder)
        assert f"Going on after epoch {done}, where it was interrupted" in recorder.said
        epochs = [step for step in recorder.steps if step.startswith("Epoch ")]
        assert epochs[0] == f"Epoch {done + 1}/{config.loop.epochs}"
    assert not list((cache / "training").iterdir())

    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "other cache"))
    whole = photograft.train(photos, config, out=tmp_path / "whole")
    assert_same(whole.path, tmp_path / "run")


def interrupted(
    photos: Path, config: TrainConfig, out: Path, in_step: str, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        photograft.train(photos, config, out=out, progress=Interrupting(in_step, error))
    assert not out.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, InterruptedByTestError])
@pytest.mark.parametrize("name", COMBINATIONS)
def test_interrupted_in_the_middle_of_an_epoch(
    name: str,
    error: type[BaseException],
    photos: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the second epoch, then in the third: what was done is not done again."""
    config = COMBINATIONS[name]
    epochs = config.loop.epochs
    for number in (2, 3):
        interrupted(photos, config, tmp_path / "run", f"Epoch {number}/{epochs}", error)
    recorder = Recorder()
    photograft.train(photos, config, out=tmp_path / "run", progress=recorder)
    steps = [step for step in recorder.steps if step.startswith("Epoch ")]
    if name == "mlp before":  # both trainings have three epochs; the first one was interrupted
        assert steps == ["Epoch 3/3", "Epoch 1/3", "Epoch 2/3", "Epoch 3/3"]
    else:
        assert steps == [f"Epoch {epochs}/{epochs}"]
    assert "Extracting features" not in recorder.steps
    assert not list((cache / "training").iterdir())
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "other cache"))
    whole = photograft.train(photos, config, out=tmp_path / "whole")
    assert_same(whole.path, tmp_path / "run")


def test_interrupted_after_training_and_before_the_run_is_written(
    photos: Path, cache: Path, tmp_path: Path
) -> None:
    config = CONFIGS["scratch"]
    config = replace(config, training=replace(config.loop, epochs=2))

    class Late(Recorder):
        def step(self, what: str, total: int, unit: str) -> Any:
            if what == "Writing the run":
                raise InterruptedByTestError
            return super().step(what, total, unit)

    with pytest.raises(InterruptedByTestError):
        photograft.train(photos, config, out=tmp_path / "run", progress=Late())
    assert list((cache / "training").iterdir())
    recorder = Recorder()
    photograft.train(photos, config, out=tmp_path / "run", progress=recorder)
    assert not [step for step in recorder.steps if step.startswith("Epoch ")]
    assert not list((cache / "training").iterdir())


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"loop": {"learning_rate": 2e-3}},
        {"loop": {"epochs": 4}},
        {"augmentation": CHANGES},
        {"class_weight": "balanced"},
        {"preprocessing": Preprocessing(input_size=32, center="sample")},
    ],
)
def test_other_settings_are_another_training(
    changes: dict[str, Any], photos: Path, tmp_path: Path
) -> None:
    interrupted(photos, tiny_config("scratch"), tmp_path / "run", "Epoch 2", InterruptedByTestError)
    recorder = Recorder()
    config = tiny_config("scratch", **changes)
    photograft.train(photos, config, out=tmp_path / "run", progress=recorder)
    assert f"Epoch 1/{config.loop.epochs}" in recorder.steps
    assert not recorder.said


def test_other_photos_are_another_training(photos: Path, tmp_path: Path) -> None:
    config = tiny_config("scratch")
    interrupted(photos, config, tmp_path / "run", "Epoch 2", InterruptedByTestError)
    others = draw_folder(tmp_path / "others", system.CLASSES, n=16, size=48, seed=1)
    recorder = Recorder()
    photograft.train(others, config, out=tmp_path / "run", progress=recorder)
    assert "Epoch 1/3" in recorder.steps


def test_other_function_of_ones_own_is_another_training(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "own_changes_to_photos.py"
    module.write_text("def turn(pixels, rng):\n    return pixels[::-1]\n")
    monkeypatch.syspath_prepend(tmp_path)
    own = Augmentation(function="own_changes_to_photos:turn")
    config = tiny_config("scratch", augmentation=own)
    interrupted(photos, config, tmp_path / "run", "Epoch 3", InterruptedByTestError)
    module.write_text("def turn(pixels, rng):\n    return pixels[:, ::-1]\n")
    recorder = Recorder()
    photograft.train(photos, config, out=tmp_path / "run", progress=recorder)
    assert "Epoch 1/3" in recorder.steps


@pytest.mark.parametrize(
    "changes", [{"keep": "always"}, {"include_weights": "never"}, {"budget": 9e3}]
)
def test_settings_that_decide_nothing_of_the_training(
    changes: dict[str, Any], photos: Path, tmp_path: Path
) -> None:
    config = tiny_config("finetune", views=1, keep="better")
    interrupted(photos, config, tmp_path / "run", "Epoch 2", InterruptedByTestError)
    recorder = Recorder()
    photograft.train(photos, replace(config, **changes), out=tmp_path / "run", progress=recorder)
    assert recorder.said == ["Going on after epoch 1, where it was interrupted"]


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def turn_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 64
    path.write_bytes(bytes(content))


def junk(path: Path) -> None:
    path.write_bytes(b"\x01" * 1000)


@pytest.mark.parametrize("damage", [cut, turn_a_bit, junk])
def test_damaged_state_starts_over(
    damage: Any, photos: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config("scratch")
    interrupted(photos, config, tmp_path / "run", "Epoch 3", InterruptedByTestError)
    (state,) = cache.glob("training/*/state.safetensors")
    damage(state)
    recorder = Recorder()
    photograft.train(photos, config, out=tmp_path / "run", progress=recorder)
    assert "Epoch 1/3" in recorder.steps
    assert not recorder.said
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "other cache"))
    whole = photograft.train(photos, config, out=tmp_path / "whole")
    assert_same(whole.path, tmp_path / "run")


def test_full_disk_while_the_state_is_saved(
    capsys: pytest.CaptureFixture[str],
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tiny_config("scratch")
    (tmp_path / "config.toml").write_text(to_toml(config), encoding="utf-8")
    arguments = ("train", photos, "--config", tmp_path / "config.toml", "--out", tmp_path / "run")
    synced, calls = os.fsync, 0

    def fill_up(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        synced(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fill_up)
        result = system.invoke(capsys, *arguments)
    system.assert_one_line(result, "No space left", "goes on from the last finished epoch")
    assert not (tmp_path / "run").exists()
    recorder = Recorder()
    photograft.train(photos, config, out=tmp_path / "run", progress=recorder)
    assert recorder.said == ["Going on after epoch 1, where it was interrupted"]


def test_cache_that_can_not_be_written(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("text")
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StorageError, match="PHOTOGRAFT_CACHE"):
        photograft.train(photos, tiny_config("scratch"), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
