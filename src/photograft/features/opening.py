"""From settings to a backbone that is ready to look at photos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from photograft.backbones.engines import choose_engine
from photograft.backbones.get import default_convnet, get_backbone
from photograft.backbones.registry import Backbone
from photograft.backbones.settings import DEFAULT_BACKBONE
from photograft.backbones.weights import locate_weights
from photograft.core.progress import Progress
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.splits import Split
from photograft.features.extractor import Extractor
from photograft.features.pixel_statistics import small_input_size, with_statistics
from photograft.learning.settings import TrainConfig


def find_extractor(
    dataset: Dataset, split: Split, config: TrainConfig, *, store: FeatureStore, progress: Progress
) -> Extractor:
    """Return the backbone that the settings ask for, ready to look at photos.

    Args:
        dataset: The photos.
        split: The pixels of its training part are measured, where the preprocessing goes by them.
            So it must be the split for good: photos that don't decode, and near duplicates, make
            it another one.
        config: The settings.
        store: Where features are kept.
        progress: Told how far it is.
    """
    extractor = open_extractor(dataset, split, config, store=store, progress=progress)
    return replace(
        extractor, backbone=_measured(extractor.backbone, dataset, split, config, progress)
    )


def open_extractor(
    dataset: Dataset, split: Split, config: TrainConfig, *, store: FeatureStore, progress: Progress
) -> Extractor:
    """Do what `find_extractor` does, but measure no pixels: soon done, whatever the split.

    Raises:
        InputError: The settings ask for what is not there.
        WeightsError: The backbone's weights are not here and can't be fetched.
    """
    backbone, path = _located(dataset, split, config, store, progress)
    engine = choose_engine(config.engine, config.precision, config.device)
    return Extractor(
        backbone, path, engine, store, config.max_pixels, progress, config.engine == "auto"
    )


def find_backbone(
    dataset: Dataset, split: Split, config: TrainConfig, store: FeatureStore, progress: Progress
) -> tuple[Backbone, Path | None]:
    """Return the record of the backbone that the settings ask for, and its weight file."""
    backbone, path = _located(dataset, split, config, store, progress)
    return _measured(backbone, dataset, split, config, progress), path


def _located(
    dataset: Dataset, split: Split, config: TrainConfig, store: FeatureStore, progress: Progress
) -> tuple[Backbone, Path | None]:
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
    return locate_weights(backbone, store.cache, progress=progress)


def _measured(
    backbone: Backbone, dataset: Dataset, split: Split, config: TrainConfig, progress: Progress
) -> Backbone:
    train = [dataset.photos[i] for i in split.train]
    return with_statistics(backbone, config.preprocessing, train, config.max_pixels, progress)
