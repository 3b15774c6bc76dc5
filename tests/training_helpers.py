"""What the tests of training share: inputs from arrays, tiny models, quick jobs and settings."""

from __future__ import annotations

import copy
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from photograft.backbones.engines import Engine
from photograft.backbones.get import get_backbone
from photograft.backbones.registry import Backbone
from photograft.backbones.settings import Preprocessing
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.loading import split_of
from photograft.features.calibration import fit_to_photos
from photograft.features.opening import open_extractor
from photograft.features.settings import Augmentation
from photograft.learning.history import Epoch, History
from photograft.learning.job import Job
from photograft.learning.loop.feeds import Feed, Setting
from photograft.learning.loop.network import HeadModule
from photograft.learning.loop.setup import HeadOnly
from photograft.learning.loop.training import train_network
from photograft.learning.preparation import network_settings
from photograft.learning.settings import TrainConfig, Training

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

#: A network of 5,080 parameters, and one with batch normalisation.
TINY = "convnet:c8 p c16 p c24"
TINY_NORM = "convnet:n8 p n16 p n24"

#: Changes to photos, some of each kind.
CHANGES = Augmentation(horizontal_flip=True, rotation=15, min_crop=0.7)

#: One that says less than those by default.
PLAIN_LOOP = Training(epochs=3, batch_size=8, optimizer="sgd", learning_rate=0.05)


class Rows:
    """Inputs from an array; remembers which rows were asked for."""

    def __init__(self, inputs: npt.NDArray[Any]) -> None:
        self.inputs = inputs
        self.orders: list[list[int]] = []

    def __len__(self) -> int:
        return len(self.inputs)

    def read(
        self, order: npt.NDArray[np.intp], batch_size: int, epoch: int
    ) -> Generator[npt.NDArray[np.generic], None, None]:
        del epoch
        self.orders.append(order.tolist())
        for i in range(0, len(order), batch_size):
            yield self.inputs[order[i : i + batch_size]]


def problem(n: int = 40, d: int = 6, num_classes: int = 3, seed: int = 0) -> tuple[Floats, Labels]:
    """Rows of classes that overlap a little."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % num_classes
    centres = np.random.default_rng(99).normal(0, 1.5, (num_classes, d))
    return (centres[labels] + rng.normal(0, 1, (n, d))).astype(np.float32), labels


def feed(inputs: npt.NDArray[Any], labels: Labels) -> Feed:
    return Feed(Rows(inputs), labels)


def setting(num_classes: int = 3, *, target_encoding: str = "sparse", seed: int = 0) -> Setting:
    return Setting(target_encoding, torch.ones(num_classes), seed)


def head_model(d: int = 6, outputs: int = 3, hidden: Sequence[int] = (), **more: Any) -> HeadOnly:
    """A head as a model: ``dropout`` and ``seed`` may be given."""
    return HeadOnly(HeadModule(d, hidden, outputs, more.get("dropout", 0.0), more.get("seed", 0)))


def run(
    model: Any,
    train: Feed,
    validation: Feed | None = None,
    settings: Training = PLAIN_LOOP,
    **more: Any,
) -> History:
    """Run the loop in silence."""
    where = more.pop("where", None) or setting()
    return train_network(
        model, train, validation, settings, where, **{"progress": Silent(), **more}
    )


def weights_of(model: Any) -> dict[str, Tensor]:
    """Copies of what training changes."""
    return {name: tensor.clone() for name, tensor in model.trained_state().items()}


def same_tensors(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether two sets of tensors are the same, bit for bit."""
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) for name, value in first.items()
    )


def without_seconds(history: History) -> list[Epoch]:
    return [replace(epoch, seconds=0.0) for epoch in history.epochs]


def all_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters and statistics of a module."""
    return copy.deepcopy(dict(module.state_dict()))


def tiny_backbone(text: str = TINY, size: int = 32, pooling: str = "avg") -> Backbone:
    return get_backbone(
        text, "random", preprocessing=Preprocessing(input_size=size), pooling=pooling
    )


def tiny_config(strategy: str, **changes: Any) -> TrainConfig:
    """Settings of a training that takes a second: a tiny network on 32 pixels, few epochs."""
    loop = changes.pop("loop", {})
    settings = {
        "strategy": strategy,
        "backbone": TINY,
        "engine": "torch",
        "precision": "fp32",
        "validation": 0.25,
        "test": 0.2,
        "preprocessing": Preprocessing(input_size=32),
        **changes,
    }
    config = TrainConfig(**settings)
    shorter = replace(config.loop, **{"epochs": 3, "batch_size": 16, **loop})
    head = changes.get("head_training") or Training(epochs=3, batch_size=16)
    return replace(config, training=shorter, head_training=head)


def make_job(
    source: Path, config: TrainConfig, cache: Path, progress: Any = None, *, table: bool = True
) -> Job:
    """What `workflow.train` hands a strategy."""
    progress = progress or Silent()
    dataset = Dataset.load(source)
    split = split_of(dataset, config)
    store = FeatureStore(cache)
    train = [dataset.photos[i] for i in split.train]
    settings = network_settings(config, train)
    extractor = open_extractor(settings, store=store, progress=progress)
    extractor = replace(extractor, engine=Engine("torch", "fp32"))
    extractor = fit_to_photos(extractor, train, settings)
    found = extractor.extract(dataset.photos)[0] if table else None
    return Job(dataset, split, extractor, found, config, progress)


def to_toml(config: TrainConfig) -> str:
    """Settings as a file for ``--config``."""
    return "\n".join(_table("", config.to_json())) + "\n"


def _table(prefix: str, data: Mapping[str, Any]) -> Iterator[str]:
    if prefix:
        yield f"[{prefix}]"
    for name, value in data.items():
        if not isinstance(value, dict) and value is not None:
            yield f"{name} = {json.dumps(value)}"
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _table(f"{prefix}.{name}" if prefix else name, value)


def history_without_seconds(run_path: Path) -> list[list[str]]:
    """The cells of ``history.csv``, but for the last column, which is the time that it took."""
    lines = (run_path / "history.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].endswith(",seconds")
    return [line.split(",")[:-1] for line in lines]
