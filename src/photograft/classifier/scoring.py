"""A classifier on a dataset's photos: features from the store where its network is a frozen one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from photograft.classifier.classifier import Classifier
from photograft.classifier.views import average
from photograft.core.arrays import Floats
from photograft.core.feature_table import Table
from photograft.core.progress import Progress, Silent
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset, Photo
from photograft.features.extraction import FLIPPED, PLAIN
from photograft.features.extractor import Extractor, join_extractors
from photograft.features.similarity import chunks

#: Rows of a table that are classified at once.
_ROWS = 2048


def extractor_of(
    classifier: Classifier, store: FeatureStore, progress: Progress | None = None
) -> Extractor:
    """Return a classifier's network, ready to look at photos.

    Args:
        classifier: Any.
        store: Where features are kept.
        progress: Told how far it is.

    Raises:
        WeightsError: Its backbone's weights are not here.
    """
    engine = classifier.engine.available()
    return join_extractors(
        [
            Extractor(
                look.backbone,
                look.path,
                engine,
                store,
                classifier.max_pixels,
                progress or Silent(),
            )
            for look in classifier.looks()
        ]
    )


def usable(
    classifier: Classifier, dataset: Dataset, extractor: Extractor
) -> tuple[Dataset, Extractor, Table | None]:
    """Return a dataset less the photos that do not decode.

    Args:
        classifier: Any.
        dataset: The photos.
        extractor: From `extractor_of`.

    Returns:
        The dataset; what ran, which may be another engine; and the features of every photo, or None
        for a network that was trained itself, whose features are not stored.
    """
    if classifier.is_trained:
        return dataset.verified(progress=extractor.progress), extractor, None
    table, failures, extractor = extractor.extract(dataset.photos)
    return dataset.without(failures), extractor, table


def score(
    classifier: Classifier,
    photos: Sequence[Photo],
    extractor: Extractor,
    table: Table | None = None,
) -> Floats:
    """Return the probabilities of photos that all decode, float32, shape ``(n, num_classes)``.

    In bounded memory, but for the result.

    Args:
        classifier: Any.
        photos: The photos.
        extractor: Of its backbone.
        table: Features of the photos as they are; where not given they come from the store.

    Raises:
        ImageError: A photo does not decode after all.
    """
    found = np.empty((len(photos), len(classifier.class_names)), np.float32)
    if not len(photos):
        return found
    if classifier.is_trained:
        for indices, _, probabilities in _batches(classifier, photos, extractor.progress):
            found[indices] = probabilities
        return found
    digests = [photo.digest for photo in photos]
    views = []
    for view in (PLAIN, FLIPPED):
        if view.name in classifier.views:
            known = table if view is PLAIN else None
            views.append(extractor.extract(photos, view)[0] if known is None else known)
    for i in range(0, len(digests), _ROWS):
        rows = digests[i : i + _ROWS]
        found[i : i + _ROWS] = average([classifier.classify(v.rows(rows)) for v in views])
    return found


def score_and_compare(
    classifier: Classifier,
    photos: Sequence[Photo],
    extractor: Extractor,
    table: Table | None = None,
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return probabilities as `score` does, and which photos are near-identical to training photos.

    In bounded memory, but for the result.

    Args:
        classifier: As in `score`, as are the others.
        photos: Likewise.
        extractor: Likewise.
        table: Likewise.

    Returns:
        Float32, shape ``(n, num_classes)``; and whether the classifier carries a training photo
        along that is near-identical, shape ``(n,)``.
    """
    alike = np.zeros(len(photos), np.bool_)
    reference, columns = classifier.reference, classifier.last_columns()
    if not classifier.is_trained:
        found = score(classifier, photos, extractor, table)
        if reference is not None and len(photos):
            digests = [photo.digest for photo in photos]
            table = extractor.extract(photos)[0] if table is None else table
            for part in chunks(len(photos)):
                alike[part] = reference.has_like(table.rows(digests[part], columns))
        return found, alike
    found = np.empty((len(photos), len(classifier.class_names)), np.float32)
    for indices, rows, probabilities in _batches(classifier, photos, extractor.progress):
        found[indices] = probabilities
        if reference is not None:
            alike[indices] = reference.has_like(rows[:, columns])
    return found, alike


def score_with_features(
    classifier: Classifier,
    photos: Sequence[Photo],
    extractor: Extractor,
    table: Table | None = None,
) -> tuple[Floats, Floats]:
    """Return the features of photos as they are, ``(n, num_features)``, and their probabilities.

    Args:
        classifier: As in `score`, as are the others.
        photos: Not too many: all of their features are held in memory.
        extractor: Of its backbone.
        table: Features of the photos as they are.
    """
    if not classifier.is_trained:
        if table is None:
            table = extractor.extract(photos)[0]
        features = table.rows([photo.digest for photo in photos])
        return features, score(classifier, photos, extractor, table)
    features = np.empty((len(photos), classifier.backbone.num_features), np.float32)
    found = np.empty((len(photos), len(classifier.class_names)), np.float32)
    for indices, rows, probabilities in _batches(classifier, photos, extractor.progress):
        features[indices], found[indices] = rows, probabilities
    return features, found


def _batches(
    classifier: Classifier, photos: Sequence[Photo], progress: Progress
) -> Iterator[tuple[list[int], Floats, Floats]]:
    """Yield positions, features and probabilities by a network that was trained itself."""
    with progress.step("Classifying", len(photos), "photos") as step:
        for indices, features, found, failed in classifier.score_batches(
            photo.read for photo in photos
        ):
            for _, error in failed:
                raise error
            yield indices, features, found
            step.advance(len(indices))
