"""From a source and settings to what a strategy is given: photos, their split, their features."""

from __future__ import annotations

import os

from photograft.core.progress import Progress
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.loading import read_dataset, split_of, with_near_duplicates
from photograft.features.opening import find_extractor
from photograft.learning.job import Job, needs_features
from photograft.learning.settings import TrainConfig


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
