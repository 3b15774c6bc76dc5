"""Series among the photos that candidates are compared on: the same for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from photograft.backbones.settings import DEFAULT_BACKBONE
from photograft.core.progress import Progress
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.evaluation.comparison.candidates import Candidate
from photograft.features.calibration import goes_by_photos
from photograft.features.opening import open_extractor
from photograft.features.series import with_series
from photograft.features.settings import ExtractionSettings


def mark_series(
    dataset: Dataset, candidates: Sequence[Candidate], store: FeatureStore, progress: Progress
) -> Dataset:
    """Return a dataset that knows its series, told by what the default network sees.

    By one network, so that all candidates have the same folds; and only where that is one of them,
    so that it costs nothing. Photos that do not decode are skipped in it.

    Args:
        dataset: The photos, near duplicates marked.
        candidates: Those that are compared.
        store: Where features are kept.
        progress: Told how far it is.

    Raises:
        WeightsError: The network's weights are not here and can't be fetched.
        StorageError: The cache can't be written.
    """
    for candidate in candidates:
        config = candidate.config
        is_default = config.backbone in ("auto", DEFAULT_BACKBONE)
        is_plain = config.weights == "pretrained" and not goes_by_photos(config)
        if candidate.is_stored and is_default and is_plain:
            settings = config.part(ExtractionSettings)
            extractor = open_extractor(settings, store=store, progress=progress)
            table, failures, extractor = extractor.extract(dataset.photos)
            return with_series(dataset.without(failures), extractor, table, settings, progress)
    return dataset


def fingerprint_of(dataset: Dataset) -> str:
    """Return what trials go by: the photos, and which of them are held out together."""
    series = [photo.series for photo in dataset.photos]
    if not any(number is not None for number in series):
        return dataset.fingerprint()
    return hashlib.sha256(repr((dataset.fingerprint(), series)).encode()).hexdigest()
