"""Fine-tuning is kept only where it is better than the frozen classifier that it begins with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import photograft
import system_helpers as system
from drawing import draw_folder
from photograft import Classifier
from photograft.learning.settings import TrainConfig, Training
from photograft.learning.strategies.registry import find_strategy
from run_helpers import predictions
from training_helpers import make_job, tiny_config


def kept(photos: Path, cache: Path, **changes: Any) -> photograft.learning.job.Fitted:
    config = tiny_config("finetune", views=1, **changes)
    return find_strategy("finetune")(make_job(photos, config, cache))


def test_tuning_that_changes_nothing_is_not_kept(photos: Path, cache: Path) -> None:
    fitted = kept(photos, cache, loop={"learning_rate": 0.0})
    assert fitted.strategy == "features"
    assert not fitted.classifier.is_trained
    assert fitted.notes[-1].startswith("finetune is no better beyond noise, features is kept: ")
    assert "log loss" in fitted.notes[-1]
    assert set(fitted.selection) == {"features", "finetune"}
    assert fitted.history is not None  # what was tried is told all the same
    # It began where the frozen classifier stood, and stayed there.
    first, second = fitted.notes[-1].split("log loss is ")[1].split(" to the frozen classifier's ")
    assert float(first) == pytest.approx(float(second.split(" ")[0]), abs=2e-4)


def test_tuning_that_ruins_all_is_not_kept(photos: Path, cache: Path) -> None:
    loop = {"learning_rate": 1.0, "optimizer": "sgd", "clip_norm": 1.0, "ema_decay": 0.0}
    fitted = kept(photos, cache, unfreeze="all", loop=loop)
    assert fitted.strategy == "features"


def test_tuning_that_helps_is_kept(photos: Path, cache: Path) -> None:
    """Its head is left as it was drawn; fine-tuning is the first to learn."""
    fitted = kept(
        photos,
        cache,
        head="mlp",
        unfreeze="all",
        head_training=Training(epochs=1, learning_rate=0.0),
        loop={"epochs": 20, "learning_rate": 5e-3},
    )
    assert fitted.strategy == "finetune"
    assert fitted.classifier.is_trained
    assert fitted.notes[-1].startswith("finetune is kept: on validation its log loss is ")
    assert fitted.params["trained"] == fitted.params["total"]


def test_frozen_classifier_is_the_start(photos: Path, cache: Path) -> None:
    """Nothing is learned after: the fine-tuned network says what the frozen one says."""
    settings = {"head": "mlp", "hidden": (8,), "loop": {"learning_rate": 0.0}}
    tuned = kept(photos, cache, keep="always", **settings)
    config = tiny_config("features", head="mlp", hidden=(8,))
    config = replace(config, training=config.head_training)
    frozen = find_strategy("features")(make_job(photos, config, cache))
    files = sorted(photos.rglob("*.jpg"))
    np.testing.assert_allclose(
        tuned.classifier.predict_proba(files), frozen.classifier.predict_proba(files), atol=1e-5
    )


@pytest.mark.slow
@pytest.mark.usefixtures("warm_cache", "no_pictures")
def test_fine_tuning_the_default_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Converted by OpenVINO where it is installed: features by the one, training by the other."""
    source = draw_folder(tmp_path / "photos", system.CLASSES, n=10)
    loop = Training(epochs=2, batch_size=8, learning_rate=1e-4)
    config = TrainConfig(strategy="finetune", precision="fp32", keep="always", training=loop)
    run = photograft.train(source, replace(config, views=1), out=tmp_path / "run")
    found = predictions(run.path)["test"]
    expected = np.stack(list(found.values()))
    files = [source / name for name in found]
    assert Classifier.load(run.path).predict_proba(files).tobytes() == expected.tobytes()
    assert run.scores["validation"]["accuracy"] > 0.6
    # On a machine without OpenVINO: the same to rounding.
    monkeypatch.setattr("photograft.backbones.engines.is_installed", lambda name: False)
    np.testing.assert_allclose(Classifier.load(run.path).predict_proba(files), expected, atol=1e-3)
