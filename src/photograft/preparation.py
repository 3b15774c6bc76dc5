"""From a source and settings to what a strategy is given: photos, their split, their features."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from photograft.backbones.engines import choose_engine
from photograft.backbones.get import default_convnet, get_backbone
from photograft.backbones.registry import Backbone
from photograft.backbones.weights import locate_weights
from photograft.core.config import DEFAULT_BACKBONE, TrainConfig
from photograft.core.progress import Progress
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.loading import read_dataset, split_of, with_near_duplicates
from photograft.data.splits import Split
from photograft.extraction import Extractor
from photograft.standardisation import small_input_size, with_statistics
from photograft.strategies.base import Job, needs_features


def prepare(
    source: str | os.PathLike[str], config: TrainConfig, *, store: FeatureStore, progress: Progress
) -> Job:
    """Read a source, split it, and look at its photos as the settings' strategy needs it.

    Args:
        source: As in `workflow.train`.
        config: The settings.
        store: Where features are kept.
        progress: Told how far it is.

    Raises:
        InputError: The source, or a setting, can't be used.
        WeightsError: The backbone's weights are not here and can't be fetched.
        StorageError: The cache can't be written.
    """
    dataset = read_dataset(source, config, progress=progress)
    return prepare_dataset(dataset, config, store=store, progress=progress)


def prepare_dataset(
    dataset: Dataset, config: TrainConfig, *, store: FeatureStore, progress: Progress
) -> Job:
    """Do for a dataset that was read what `prepare` does for a source."""
    split = split_of(dataset, config)  # what is wrong with the classes is better said at once
    extractor = find_extractor(dataset, split, config, store=store, progress=progress)
    dataset = with_near_duplicates(dataset, config, store=store, progress=progress)
    table = None
    if needs_features(config):
        table, failures, extractor = extractor.look(dataset.photos)
        dataset = dataset.without(failures)
    else:
        dataset = dataset.verified(progress=progress)
    return Job(dataset, split_of(dataset, config), extractor, table, config, progress)


def find_extractor(
    dataset: Dataset, split: Split, config: TrainConfig, *, store: FeatureStore, progress: Progress
) -> Extractor:
    """Return the backbone that the settings ask for, ready to look at photos."""
    backbone, path = find_backbone(dataset, split, config, store, progress)
    engine = choose_engine(config.engine, config.precision, config.device)
    return Extractor(
        backbone, path, engine, store, config.max_pixels, progress, config.engine == "auto"
    )


def find_backbone(
    dataset: Dataset, split: Split, config: TrainConfig, store: FeatureStore, progress: Progress
) -> tuple[Backbone, Path | None]:
    """Return the record of the backbone that the settings ask for, and its weight file."""
    name, weights, preprocessing = config.backbone, config.weights, config.preprocessing
    if config.strategy == "scratch":
        weights = "random" if weights == "pretrained" else weights  # which is but the default
        if name == "auto":
            size = preprocessing.input_size or small_input_size(dataset.photos)
            preprocessing = replace(preprocessing, input_size=size)
            name = default_convnet(size, len(split.train))
    backbone = get_backbone(
        DEFAULT_BACKBONE if name == "auto" else name,
        weights,
        preprocessing=preprocessing,
        pooling=config.pooling,
        layer=config.layer,
    )
    train = [dataset.photos[i] for i in split.train]
    backbone = with_statistics(backbone, preprocessing, train, config.max_pixels, progress)
    return locate_weights(backbone, store.cache, progress=progress)
