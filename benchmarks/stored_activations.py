"""Fine-tuning epochs with and without stored activations: ``… stored_activations SOURCE``.

The last quarter of EfficientNet-Lite0's blocks, no augmentation; the same epochs twice, once from
the store, once with the frozen part run on the photos in every epoch.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.common import report
from photograft.backbones.engines import choose_engine
from photograft.backbones.get import get_backbone
from photograft.backbones.settings import DEFAULT_BACKBONE
from photograft.backbones.weights import locate_weights
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.splits import make_split
from photograft.features.extractor import Extractor
from photograft.features.settings import Augmentation
from photograft.learning.history import History
from photograft.learning.job import Job
from photograft.learning.loop.network import TransferNetwork
from photograft.learning.loop.setup import make_head, photo_feed, run_loop
from photograft.learning.settings import TrainConfig, Training
from photograft.learning.strategies.finetune import Boundary


def main() -> None:
    """Train twice and print the seconds of the second and later epochs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    dataset = Dataset.load(options.source)
    split = make_split(dataset, validation=0.15, test=0.15, seed=0)
    settings = Training(epochs=options.epochs, learning_rate=1e-4)
    config = TrainConfig(strategy="finetune", augmentation=Augmentation(), training=settings)
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(Path(folder))
        backbone, path = locate_weights(get_backbone(DEFAULT_BACKBONE), store.cache)
        extractor = Extractor(
            backbone, path, choose_engine(), store, config.max_pixels, Silent(), True
        )
        job = Job(dataset, split, extractor, None, config, Silent())

        def history(*, stored: bool) -> History:
            head = make_head(job, backbone.layers[-1].num_features, ())
            transfer = TransferNetwork(backbone, path, head, unfreeze="auto")
            feeds = [
                Boundary(job, transfer).feed(part)
                if stored
                else photo_feed(job, part, transfer, None)
                for part in ("train", "validation")
            ]
            stage = "stored" if stored else "photos"
            return run_loop(job, transfer, feeds[0], feeds[1], settings, stage=stage)[0]

        photos, stored = history(stored=False), history(stored=True)
    seconds = [
        sum(epoch.seconds for epoch in found.epochs[1:]) / (options.epochs - 1)
        for found in (photos, stored)
    ]
    report(
        "stored_activations",
        source=options.source.name,
        num_photos=len(split.train) + len(split.validation),
        epoch_seconds_without=seconds[0],
        epoch_seconds_with=seconds[1],
        ratio=seconds[1] / seconds[0],
        losses_without=[epoch.loss for epoch in photos.epochs],
        losses_with=[epoch.loss for epoch in stored.epochs],
    )


if __name__ == "__main__":
    main()
