"""The main jobs, from beginning to end: train, evaluate, inspect."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.backbones.engines import Engine, choose_engine, open_network
from photograft.backbones.get import get_backbone
from photograft.backbones.registry import Backbone
from photograft.backbones.weights import locate_weights
from photograft.classifier import Classifier
from photograft.config import TrainConfig
from photograft.dataset import Dataset
from photograft.duplicates import conflicting_labels
from photograft.errors import ConversionError, DatasetError, ImageError, StorageError
from photograft.evaluation import Evaluation, evaluate_probabilities
from photograft.features import extract, open_space
from photograft.files import check_free, new_folder, write_json, write_table
from photograft.images import DEFAULT_MAX_PIXELS
from photograft.progress import Progress, Silent
from photograft.runs import Clock, Run, default_path, environment, now
from photograft.selection import Selection, to_json
from photograft.sources.base import printable
from photograft.splits import Split, make_split
from photograft.store import FeatureStore, FeatureTable
from photograft.strategies import feature_extraction

_CHUNK_ROWS = 2048
_MAX_MISTAKES = 12
#: A class smaller than the largest by this factor is small ...
_IMBALANCE = 3.0
#: ... and worth a warning where its recall is this much below the accuracy.
_RECALL_GAP = 0.10


@dataclass(frozen=True)
class Scored:
    """Photos, their true classes, and what a classifier makes of them.

    Attributes:
        indices: Into ``dataset.photos``, shape ``(n,)``.
        labels: Indices into the classifier's class names, shape ``(n,)``.
        probabilities: Float32, shape ``(n, num_classes)``.
        evaluation: Their scores.
    """

    indices: npt.NDArray[np.intp]
    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    evaluation: Evaluation


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
        "data": _describe_data(dataset, split),
        "backbone": backbone.to_json(),
        "engine": vars(engine),
        "layers": list(classifier.layers),
        "warnings": _warnings(dataset, split, scored["validation"], config),
        **environment(),
    }
    classifier = Classifier(
        **{**vars(classifier), "weights_path": path, "trained": _provenance(info, metrics)}
    )
    folder = Path(out) if out is not None else default_path(dataset.name, clock)
    with progress.step("Writing the run", 1, "folders"):
        _write(folder, dataset, split, scored, classifier, selection, info, metrics)
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
    try:
        table, failures = extract(
            dataset.photos,
            backbone,
            space,
            lambda: open_network(backbone, path, engine, space.folder),
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
) -> Scored | None:
    if not len(indices):
        return None
    labels = dataset.labels
    majority = int(np.bincount(labels[split.train]).argmax())
    probabilities = _probabilities(classifier, dataset, indices, table)
    scores = evaluate_probabilities(
        probabilities, labels[indices], classifier.class_names, majority
    )
    return Scored(indices, labels[indices], probabilities, scores)


def _describe_data(dataset: Dataset, split: Split) -> dict[str, Any]:
    labels = dataset.labels
    counts = {
        part: np.bincount(labels[indices], minlength=len(dataset.class_names)).tolist()
        for part, indices in split.parts().items()
    }
    return {
        "source": printable(Path(dataset.source).resolve()),
        "kind": dataset.kind,
        "fingerprint": dataset.fingerprint(),
        "num_photos": len(dataset.photos),
        "num_skipped": len(dataset.skipped),
        "skipped": dataset.skipped_counts(),
        "num_noted": sum(1 for photo in dataset.photos if photo.note),
        "class_names": list(dataset.class_names),
        "class_counts": counts,
        "notes": [*dataset.notes, *split.notes],
    }


def _warnings(
    dataset: Dataset, split: Split, validation: Scored | None, config: TrainConfig
) -> list[str]:
    found = []
    if split.num_leaks:
        found.append(
            f"the same photo lies on two sides of the given split {split.num_leaks:,} times: "
            "scores on the later side are too good"
        )
    conflicts = conflicting_labels(dataset)
    if conflicts:
        names = ", ".join(dataset.photos[i].name for i in conflicts[0][:3])
        found.append(
            f"{len(conflicts):,} photos stand under two labels with the very same content "
            f"(such as {names}): one of the labels is wrong"
        )
    counts = np.bincount(dataset.labels[split.train], minlength=len(dataset.class_names))
    small = counts * _IMBALANCE < counts.max()
    if small.any() and config.class_weight == "none" and validation is not None:
        scores = validation.evaluation
        for c in np.flatnonzero(small).tolist():
            row = scores.classes[c]
            if row["recall"] is not None and row["recall"] < scores.accuracy - _RECALL_GAP:
                found.append(
                    f"class {row['name']!r} is small ({counts[c]:,} photos to the largest "
                    f"class's {counts.max():,}) and often missed (recall {row['recall']:.0%}): "
                    "--class-weight balanced gives it the same say as the others"
                )
    return found


def _provenance(info: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    """Return what a classifier carries of where it comes from."""
    data = info["data"]
    train_counts = data["class_counts"]["train"]
    keep = ("accuracy", "accuracy_interval", "num_photos", "expected_calibration_error")
    return {
        "name": info["name"],
        "data_fingerprint": data["fingerprint"],
        "seed": info["seed"],
        "versions": info["versions"],
        "num_train": sum(train_counts),
        "majority_class": data["class_names"][int(np.argmax(train_counts))],
        **{part: scores and {k: scores[k] for k in keep} for part, scores in metrics.items()},
    }


def _write(
    folder: Path,
    dataset: Dataset,
    split: Split,
    scored: dict[str, Scored | None],
    classifier: Classifier,
    selection: Selection,
    info: dict[str, Any],
    metrics: dict[str, Any],
) -> None:
    from photograft import figures  # Matplotlib is slow to import

    inclusion = info["config"]["include_weights"]
    with new_folder(folder) as partial:
        write_json(partial / "run.json", info)
        write_json(partial / "metrics.json", metrics)
        write_json(partial / "selection.json", to_json(selection))
        write_table(partial / "files.parquet", _file_columns(dataset, split))
        write_table(
            partial / "predictions.parquet", _prediction_columns(dataset, scored, classifier)
        )
        classifier.save(
            partial / "classifier",
            include_weights=inclusion == "always"
            or (inclusion == "auto" and not classifier.backbone.weights.startswith("package:")),
        )
        pictures = partial / "pictures"
        pictures.mkdir()
        name = "test" if scored["test"] else "validation"
        part = scored[name]
        if part is None:
            return
        scores = part.evaluation
        low, high = scores.accuracy_interval
        figures.confusion_matrix(
            scores.confusion,
            dataset.class_names,
            f"{dataset.name}: {scores.accuracy:.1%} of {scores.num_photos:,} {name} photos right\n"
            f"(95% interval {low:.1%} to {high:.1%})",
            pictures / "confusion_matrix.png",
        )
        wrong = _mistakes(dataset, part)
        if wrong:
            figures.mistakes(
                [figures.Mistake(**row) for row in wrong],
                f"{dataset.name}: the most confident mistakes on {name}",
                pictures / "most_confident_mistakes.png",
            )


def _mistakes(dataset: Dataset, part: Scored) -> list[dict[str, Any]]:
    predicted = part.probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != part.labels)
    confidence = part.probabilities[wrong, predicted[wrong]]
    names = dataset.class_names
    rows = []
    for i in wrong[np.argsort(-confidence, kind="stable")][:_MAX_MISTAKES].tolist():
        photo = dataset.photos[part.indices[i]]
        rows.append(
            {
                "name": photo.name,
                "label": photo.label,
                "predicted": names[predicted[i]],
                "probability": float(part.probabilities[i, predicted[i]]),
                "read": photo.read,
            }
        )
    return rows


def _file_columns(dataset: Dataset, split: Split) -> dict[str, list[Any]]:
    part_of = {
        dataset.photos[i].name: part for part, rows in split.parts().items() for i in rows.tolist()
    }
    rows = dataset.account()
    keys = ("name", "status", "reason", "detail", "label", "group", "sha256", "num_bytes", "format")
    columns = {key: [row.get(key) for row in rows] for key in (*keys, "width", "height")}
    return {**columns, "split": [part_of.get(row["name"]) for row in rows]}


def _prediction_columns(
    dataset: Dataset, scored: dict[str, Scored | None], classifier: Classifier
) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {
        key: [] for key in ("name", "split", "label", "predicted", "probability", "probabilities")
    }
    for name, part in scored.items():
        if part is None:
            continue
        predicted = part.probabilities.argmax(axis=1)
        columns["name"] += [dataset.photos[i].name for i in part.indices]
        columns["split"] += [name] * len(part.indices)
        columns["label"] += [dataset.photos[i].label for i in part.indices]
        columns["predicted"] += [classifier.class_names[c] for c in predicted]
        columns["probability"] += part.probabilities.max(axis=1).tolist()
        columns["probabilities"] += list(part.probabilities)
    return columns
