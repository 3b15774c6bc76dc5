"""Images a second of the training loop beside a bare PyTorch loop of the same step.

``python -m benchmarks.training_step``: EfficientNet-Lite0 with all blocks trained, AdamW, batches
of 32 in memory; both in turns on the same machine, three times.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from benchmarks.common import report
from photograft.backbones.get import get_backbone
from photograft.backbones.settings import DEFAULT_BACKBONE
from photograft.core.progress import Silent
from photograft.learning.loop.batches import Arrays
from photograft.learning.loop.feeds import Feed, Setting
from photograft.learning.loop.network import HeadModule, TransferNetwork
from photograft.learning.loop.optimizer import make_optimizer
from photograft.learning.loop.training import train_network
from photograft.learning.settings import Training

_BATCH = 32


class InMemory:
    """Photos that are in memory already."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels = pixels

    def __len__(self) -> int:
        return len(self._pixels)

    def read(self, order: np.ndarray, batch_size: int, epoch: int) -> Arrays:
        """Yield batches in order."""
        del epoch
        for start in range(0, len(order), batch_size):
            yield self._pixels[order[start : start + batch_size]]


def main() -> None:
    """Time both loops and print their rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=8)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (options.batches * _BATCH, 224, 224, 3), dtype=np.uint8)
    labels = rng.integers(0, 2, len(pixels))
    settings = Training(epochs=1, batch_size=_BATCH, optimizer="adamw", learning_rate=1e-5)

    def transfer() -> TransferNetwork:
        backbone = get_backbone(DEFAULT_BACKBONE, "random")
        head = HeadModule(backbone.layers[-1].num_features, (), 1, 0.0, 0)
        return TransferNetwork(backbone, None, head, unfreeze="all")

    def ours() -> None:
        model = transfer()
        feed = Feed(InMemory(pixels), labels, model.lower)
        setting = Setting(target_encoding="binary", class_weights=torch.ones(2), seed=0)
        timed(
            "ours",
            lambda: train_network(model, feed, None, settings, setting, progress=Silent()),
        )

    def bare() -> None:
        model = transfer()
        optimizer = make_optimizer(model.blocks(), settings)
        model.train()

        def run() -> None:
            for start in range(0, len(pixels), _BATCH):
                x = model.lower(torch.from_numpy(pixels[start : start + _BATCH]))
                target = torch.from_numpy(labels[start : start + _BATCH]).float()
                logits = model.upper(x)[:, 0]
                loss = nn.functional.binary_cross_entropy_with_logits(logits, target)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)

        timed("bare", run)

    seconds: dict[str, list[float]] = {"ours": [], "bare": []}

    def timed(name: str, run: Callable[[], object]) -> None:
        start = time.perf_counter()
        run()
        seconds[name].append(time.perf_counter() - start)

    for _ in range(3):
        bare()
        ours()
    rates = {name: len(pixels) / min(values) for name, values in seconds.items()}
    report(
        "training_step",
        batch_size=_BATCH,
        images_per_second=rates["ours"],
        bare_images_per_second=rates["bare"],
        ratio=rates["ours"] / rates["bare"],
    )


if __name__ == "__main__":
    main()
