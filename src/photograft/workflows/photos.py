"""Fitting, scoring and looking at photos that are handed over from Python, without a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from photograft._version import __version__
from photograft.backbones.weights import check_fetchable, locate_weights
from photograft.classifier.classifier import Classifier
from photograft.classifier.scoring import extractor_of, score
from photograft.core.arrays import Floats
from photograft.core.errors import DatasetError
from photograft.core.feature_table import Table
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.inputs import is_column as is_column
from photograft.data.inputs import read_photos, refuse_unusable
from photograft.data.inputs import understand as understand
from photograft.features.extractor import Extractor
from photograft.features.opening import extractor_for
from photograft.features.opening import find_layers as find_layers
from photograft.features.settings import ExtractionSettings
from photograft.learning.job import Fitted, learned_photos
from photograft.learning.preparation import prepare_dataset
from photograft.learning.settings import TrainConfig
from photograft.learning.strategies.registry import find_strategy


def fit_photos(
    X: Any,
    labels: Sequence[str],
    groups: Sequence[str] | None,
    config: TrainConfig,
    store: FeatureStore,
    *,
    name: str,
) -> Fitted:
    """Fit a classifier on photos, all of them; none are held back.

    Args:
        X: As `understand` takes them.
        labels: The name of each one's class.
        groups: The group of each one.
        config: The settings.
        store: Where features are kept.
        name: What the classifier says that it was made by.

    Raises:
        InputError: A photo can't be used, or a class has fewer than two.
        WeightsError: The backbone's weights are not here and can't be fetched.
        StorageError: The cache can't be written.
    """
    dataset = read_photos(understand(X), labels, groups, max_pixels=config.max_pixels)
    try:
        job = prepare_dataset(dataset, config, store=store, progress=Silent())
    except DatasetError:
        # Less the photos that do not decode, too few may be left: say what the matter is.
        refuse_unusable(dataset.verified(progress=False))
        raise
    refuse_unusable(job.dataset)
    fitted = find_strategy(config.strategy)(job)
    counts = dataset.class_counts()
    trained = {
        "name": name,
        "data_fingerprint": dataset.fingerprint(),
        "seed": config.seed,
        "versions": {"photograft": __version__},
        "num_train": len(dataset.photos),
        "majority_class": max(counts, key=lambda name: counts[name]),
    }
    classifier = replace(fitted.classifier, trained=trained, learned=learned_photos(job, fitted))
    return replace(fitted, classifier=classifier)


def score_photos(classifier: Classifier, X: Any, store: FeatureStore) -> Floats:
    """Return the probabilities of photos, float32, shape ``(n, num_classes)``.

    Raises:
        InputError: A photo can't be used; the error names it.
    """
    if classifier.weights_path is not None and not classifier.weights_path.exists():
        # Fitted on another machine, or before an update.
        _, path = locate_weights(classifier.backbone, store.cache)
        classifier = replace(classifier, weights_path=path)
    dataset, table, extractor = _extracted(extractor_of(classifier, store), X)
    return score(classifier, dataset.photos, extractor, table)


def extract_photos(X: Any, settings: ExtractionSettings, store: FeatureStore) -> Floats:
    """Return the features of photos, float32, shape ``(n, num_features)``.

    Args:
        X: As `understand` takes them.
        settings: Which network, layers, and what runs it; see `find_layers`.
        store: Where features are kept.

    Raises:
        InputError: A photo or a setting can't be used.
        WeightsError: The backbone's weights are not here and can't be fetched.
        StorageError: The cache can't be written.
    """
    check_fetchable(settings.backbone, settings.weights, store.cache)
    backbone, columns = find_layers(settings)
    extractor = extractor_for(backbone, settings, store=store, progress=Silent())
    dataset, table, _ = _extracted(extractor, X)
    return table.rows([photo.digest for photo in dataset.photos], columns)


def _extracted(extractor: Extractor, X: Any) -> tuple[Dataset, Table, Extractor]:
    """Return the photos of ``X``, in order, their features, and what ran."""
    dataset = read_photos(understand(X), max_pixels=extractor.max_pixels)
    table, failures, extractor = extractor.extract(dataset.photos)
    refuse_unusable(dataset.without(failures))
    return dataset, table, extractor
