"""From a source and settings to what a strategy is given: photos, their split, their features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from photograft.backbones.get import default_convnet
from photograft.core.progress import Progress
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset, Photo
from photograft.data.loading import Source, read_dataset, split_of, with_near_duplicates
from photograft.features.calibration import fit_to_photos, goes_by_photos
from photograft.features.opening import open_extractor
from photograft.features.pixel_statistics import small_input_size
from photograft.features.series import with_series
from photograft.features.settings import ExtractionSettings
from photograft.learning.feasibility import check_can_run
from photograft.learning.job import Job, needs_features
from photograft.learning.settings import TrainConfig


def prepare(source: Source, config: TrainConfig, *, store: FeatureStore, progress: Progress) -> Job:
    """Read a source, split it, and look at its photos as the settings' strategy needs it.

    Args:
        source: As in `photograft.train`.
        config: The settings.
        store: Where features are kept.
        progress: Told how far it is.

    Raises:
        InputError: The source, or a setting, can't be used.
        WeightsError: The backbone's weights are not here and can't be fetched.
        StorageError: The cache can't be written.
    """
    check_can_run(config)
    dataset = read_dataset(source, config, cache=store.cache, progress=progress)
    return prepare_dataset(dataset, config, store=store, progress=progress)


def prepare_dataset(
    dataset: Dataset,
    config: TrainConfig,
    *,
    store: FeatureStore,
    progress: Progress,
    finds_series: bool = True,
) -> Job:
    """Do for a dataset that was read what `prepare` does for a source.

    Args:
        dataset: The photos.
        config: As in `prepare`, as are the others that are not here.
        store: Likewise.
        progress: Likewise.
        finds_series: Whether to look for series; not where somebody has done so.
    """
    check_can_run(config)
    # What is wrong with the classes or the backbone is better said at once. That is all that this
    # split is for: the photos that don't decode, near duplicates and series are not known yet, and
    # make the split for good another one.
    split = split_of(dataset, config)
    settings = network_settings(config, dataset.records.take(split.train))
    extractor = open_extractor(settings, store=store, progress=progress)
    dataset = with_near_duplicates(dataset, config, store=store, progress=progress)
    # What the network is, and how it is fed, may go by the training photos: who is among them must
    # be known before it looks at any.
    if not needs_features(config) or goes_by_photos(config):
        dataset = dataset.verified(progress=progress)
    while True:
        split, engine = split_of(dataset, config), extractor.engine
        train = dataset.records.take(split.train)
        settings = network_settings(config, train)
        # The engine may have fallen back on torch before.
        extractor = open_extractor(settings, store=store, progress=progress)
        extractor = fit_to_photos(replace(extractor, engine=engine), train, settings)
        if not needs_features(config):
            return Job(dataset, split, extractor, None, config, progress)
        table, failures, extractor = extractor.extract(dataset.photos)
        if failures:
            dataset = dataset.without(failures)
            continue
        marked = dataset
        if finds_series:
            marked = with_series(dataset, extractor, table, settings, progress)
        if marked is dataset:
            return Job(dataset, split, extractor, table, config, progress)
        dataset, finds_series = marked, False  # their split is another one


def network_settings(config: TrainConfig, train: Sequence[Photo]) -> ExtractionSettings:
    """Return the settings with the network that the strategy takes where the user names none.

    Args:
        config: The settings.
        train: The photos to train on: by their size and number a small network is chosen.
    """
    settings = config.part(ExtractionSettings)
    if config.strategy != "scratch":
        return settings
    if settings.weights == "pretrained":  # which is but the default
        settings = replace(settings, weights="random")
    if settings.backbone == "auto":
        size = settings.preprocessing.input_size or small_input_size(train)
        preprocessing = replace(settings.preprocessing, input_size=size)
        name = default_convnet(size, len(train))
        settings = replace(settings, backbone=name, preprocessing=preprocessing)
    return settings
