"""The main jobs, from beginning to end: train, evaluate, inspect."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photograft import recording
from photograft.backbones.engines import Engine, Network, choose_engine, is_prepared, open_network
from photograft.backbones.get import get_backbone
from photograft.backbones.registry import Backbone
from photograft.backbones.weights import locate_weights
from photograft.classifier import Classifier
from photograft.config import TrainConfig
from photograft.dataset import Dataset
from photograft.errors import ConversionError, DatasetError, ImageError, StorageError
from photograft.evaluation import Evaluation, evaluate_probabilities
from photograft.features import extract, open_space
from photograft.files import check_free
from photograft.images import DEFAULT_MAX_PIXELS
from photograft.progress import Progress, Silent
from photograft.runs import Clock, Run, default_path, environment, now
from photograft.segments import FeatureTable
from photograft.sources.base import printable
from photograft.splits import Split, make_split
from photograft.store import FeatureStore
from photograft.strategies import feature_extraction

_CHUNK_ROWS = 2048


def train(
    source: str | os.PathLike[str],
    config: TrainConfig | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    store: FeatureStore | None = None,
    progress: Progress | None = None,
    clock: Clock = now,
) -> Run:
    """Train a classifier on labelled photos, evaluate it, and write a run folder.

    Features are kept in the store as they are computed: interrupted, the same call goes on from
    there, and gives the very same result.

    Args:
        source: A folder of class folders (flat or split into train, validation and test), a CSV or
            Parquet manifest, an ``.npz``, or a ``.zip`` or ``.tar`` of class folders.
        config: The settings.
        out: The run folder; ``runs/NAME-TIMESTAMP`` where not given.
        store: Where features are kept; the user's cache where not given.
        progress: Told how far it is, and what the user should know.
        clock: Tells the time.

    Returns:
        The finished run.

    Raises:
        InputError: The source, or a setting, can't be used.
        WeightsError: The backbone's weights are not here and can't be fetched.
        StorageError: The run folder or the cache can't be written.
    """
    config, store, progress = config or TrainConfig(), store or FeatureStore(), progress or Silent()
    started, ticks = clock(), time.perf_counter()
    _check_out(default_path("run", clock) if out is None else Path(out), source)
    dataset = Dataset.load(source, max_pixels=config.max_pixels, progress=progress)
    _split(dataset, config)  # what is wrong with the classes is better said at once
    backbone = get_backbone(config.backbone, config.weights)
    backbone, path = locate_weights(backbone, store.cache, progress=progress)
    engine = choose_engine(config.engine, config.precision)
    table, failures, engine = _features(
        dataset, backbone, path, engine, store, progress, may_fall_back=config.engine == "auto"
    )
    dataset = dataset.without(failures)
    split = _split(dataset, config)
    classifier, selection = feature_extraction.fit(
        dataset, split, table, backbone, engine, config, progress
    )
    scored = {
        name: _score(classifier, dataset, indices, table, split)
        for name, indices in (("validation", split.validation), ("test", split.test))
    }
    metrics = {name: part.evaluation.to_json() if part else None for name, part in scored.items()}
    info = {
        "name": dataset.name,
        "started": started.isoformat(),
        "seconds": round(time.perf_counter() - ticks, 2),
        "config": config.to_json(),
        "seed": config.seed,
        "data": recording.describe_data(dataset, split),
        "backbone": backbone.to_json(),
        "engine": vars(engine),
        "layers": list(classifier.layers),
        "warnings": recording.warnings(dataset, split, scored["validation"], config),
        **environment(),
    }
    classifier = replace(classifier, weights_path=path, trained=recording.provenance(info, metrics))
    folder = Path(out) if out is not None else default_path(dataset.name, clock)
    with progress.step("Writing the run", 1, "folders") as step:
        recording.write(folder, dataset, split, scored, classifier, selection, info, metrics)
        step.advance()
    return Run(folder, info, metrics)


def evaluate(
    classifier: Classifier,
    source: str | os.PathLike[str],
    *,
    store: FeatureStore | None = None,
    progress: Progress | None = None,
) -> tuple[Evaluation, Dataset]:
    """Score a classifier on labelled photos: all of the source's, whatever split it gives.

    Args:
        classifier: A fitted classifier.
        source: As in `train`; its class names must be among the classifier's.
        store: Where features are kept; the user's cache where not given.
        progress: Told how far it is.

    Returns:
        The scores, and the dataset that they are of.

    Raises:
        DatasetError: The source has no usable photo, or classes that the classifier does not know.
    """
    store, progress = store or FeatureStore(), progress or Silent()
    dataset = Dataset.load(source, max_pixels=classifier.max_pixels, progress=progress)
    classifier = classifier.located()
    engine = classifier.engine.available()
    table, failures, _ = _features(
        dataset, classifier.backbone, classifier.weights_path, engine, store, progress
    )
    dataset = dataset.without(failures)
    if not dataset.photos:
        raise DatasetError(f"{dataset.source} has no usable photo")
    unknown = [name for name in dataset.class_names if name not in classifier.class_names]
    if unknown:
        raise DatasetError(
            f"{dataset.source} has classes that the classifier does not know",
            expected=", ".join(classifier.class_names[:20]),
            got=", ".join(unknown[:20]),
        )
    everything = np.arange(len(dataset.photos))
    names = np.array([classifier.class_names.index(p.label) for p in dataset.photos], np.int64)
    majority = classifier.trained.get("majority_class")
    if majority not in classifier.class_names:
        majority = classifier.class_names[int(np.bincount(names).argmax())]
    probabilities = _probabilities(classifier, dataset, everything, table)
    scores = evaluate_probabilities(
        probabilities, names, classifier.class_names, classifier.class_names.index(majority)
    )
    return scores, dataset


def inspect(
    source: str | os.PathLike[str],
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Progress | None = None,
) -> Dataset:
    """Read a source, decode every photo, and account for every file; nothing is trained.

    Args:
        source: As in `train`.
        max_pixels: Photos with more pixels are skipped.
        progress: Told how far it is.

    Raises:
        SourceError: The source can't be read as labelled photos.
    """
    dataset = Dataset.load(source, max_pixels=max_pixels, progress=progress)
    return dataset.verified(progress=progress)


def _features(
    dataset: Dataset,
    backbone: Backbone,
    path: Path | None,
    engine: Engine,
    store: FeatureStore,
    progress: Progress,
    *,
    may_fall_back: bool = True,
) -> tuple[FeatureTable, dict[bytes, ImageError], Engine]:
    """Return a dataset's features, what was wrong with photos that have none, and what ran."""
    space = open_space(store, backbone, engine)

    def opened() -> Network:
        if not is_prepared(engine, space.folder):
            progress.say(f"Preparing {backbone.name} for {engine.name}: some seconds, once")
        return open_network(backbone, path, engine, space.folder)

    try:
        table, failures = extract(
            dataset.photos,
            backbone,
            space,
            opened,
            max_pixels=dataset.max_pixels,
            progress=progress,
        )
    except ConversionError as error:
        if not may_fall_back or engine == engine.fallback():
            raise
        progress.say(f"{error} Going on with torch.")
        return _features(dataset, backbone, path, engine.fallback(), store, progress)
    store.prune()
    return table, failures, engine


def _check_out(folder: Path, source: str | os.PathLike[str]) -> None:
    """Make sure, before any work, that the run can be written, and not among the photos."""
    check_free(folder)
    root = Path(source).expanduser().resolve()
    if root.is_dir() and folder.resolve().is_relative_to(root):
        raise StorageError(
            f"the run folder would lie in {printable(root)}, among the photos",
            fix="Choose a folder elsewhere with --out: nothing in the source is ever changed.",
        )


def _split(dataset: Dataset, config: TrainConfig) -> Split:
    return make_split(dataset, validation=config.validation, test=config.test, seed=config.seed)


def _probabilities(
    classifier: Classifier,
    dataset: Dataset,
    indices: npt.NDArray[np.intp],
    table: FeatureTable,
) -> npt.NDArray[np.float32]:
    digests = [dataset.photos[i].digest for i in indices]
    parts = [
        classifier.classify(table.rows(digests[i : i + _CHUNK_ROWS]))
        for i in range(0, len(digests), _CHUNK_ROWS)
    ]
    return np.concatenate(parts)


def _score(
    classifier: Classifier,
    dataset: Dataset,
    indices: npt.NDArray[np.intp],
    table: FeatureTable,
    split: Split,
) -> recording.Scored | None:
    if not len(indices):
        return None
    labels = dataset.labels
    majority = int(np.bincount(labels[split.train]).argmax())
    probabilities = _probabilities(classifier, dataset, indices, table)
    scores = evaluate_probabilities(
        probabilities, labels[indices], classifier.class_names, majority
    )
    return recording.Scored(indices, labels[indices], probabilities, scores)
