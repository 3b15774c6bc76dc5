"""What needs an accelerator: run with ``pytest -m gpu`` on a machine that has one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import photograft
from photograft.backbones.engines import Engine, choose_engine
from photograft.backbones.get import get_backbone
from photograft.backbones.networks import open_network
from photograft.backbones.pytorch.device import find_device
from photograft.backbones.settings import Preprocessing
from photograft.features.settings import Augmentation
from photograft.learning.settings import TrainConfig, Training

pytestmark = pytest.mark.gpu


def test_auto_takes_the_accelerator() -> None:
    device = find_device()
    assert device in ("cuda", "mps")
    assert choose_engine() == Engine("torch", choose_engine().precision, device)


def test_features_are_those_of_the_processor(tmp_path: Path) -> None:
    backbone = get_backbone("efficientnet_lite0", "random")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), np.uint8)
    here, there = (
        open_network(backbone, None, Engine("torch", "fp32", device), tmp_path)(pixels)
        for device in ("cpu", find_device())
    )
    assert np.abs(here - there).max() <= 1e-3 * np.abs(here).max()


@pytest.mark.parametrize("strategy", ["scratch", "finetune"])
def test_training_learns_there(photos: Path, tmp_path: Path, strategy: str) -> None:
    config = TrainConfig(
        strategy=strategy,
        backbone="convnet:n16 p n32 p" if strategy == "scratch" else "efficientnet_lite0",
        preprocessing=Preprocessing(input_size=32 if strategy == "scratch" else 0),
        augmentation=Augmentation(horizontal_flip=True),
        views=1,
        keep="always",
        device=find_device(),
        training=Training(epochs=8, freeze_batch_norm=strategy != "scratch"),
    )
    run = photograft.train(photos, config, out=tmp_path / "run")
    assert run.scores["validation"]["accuracy"] > 0.6
    again = photograft.train(photos, config, out=tmp_path / "again")
    difference = run.scores["validation"]["log_loss"] - again.scores["validation"]["log_loss"]
    assert abs(difference) < 0.05
