"""The main jobs, from beginning to end: train, evaluate, inspect."""

from __future__ import annotations

import datetime
import os
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.classifier.classifier import Classifier
from photograft.classifier.uncertainty.assurance import Assurance, Rules
from photograft.classifier.uncertainty.conformal import check
from photograft.core.config import TrainConfig
from photograft.core.errors import DatasetError
from photograft.core.progress import Progress, Silent
from photograft.core.statistics import wilson_interval
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.images import DEFAULT_MAX_PIXELS
from photograft.data.loading import check_out
from photograft.data.splits import Split
from photograft.doctor.diagnosis import examine_job
from photograft.doctor.examine import Diagnosis
from photograft.evaluation.certify import assess, describe
from photograft.evaluation.metrics import Evaluation, Scored, evaluate_probabilities
from photograft.evaluation.warnings import warnings
from photograft.features.extractor import Extractor
from photograft.learning.job import Fitted, Job, probabilities
from photograft.learning.preparation import prepare
from photograft.learning.strategies.registry import find_strategy
from photograft.learning.tracking.protocol import Start, outcome_of, settings_of, tracked
from photograft.learning.tracking.trackers import open_tracker
from photograft.runs import record
from photograft.runs.run import Clock, Run, default_path, environment, now


def train(
    source: str | os.PathLike[str],
    config: TrainConfig | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    store: FeatureStore | None = None,
    progress: Progress | None = None,
    clock: Clock = now,
    recipe: dict[str, Any] | None = None,
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
        recipe: What the settings come from and the figures it was published with, for the record.

    Returns:
        The finished run.

    Raises:
        InputError: The source, or a setting, can't be used.
        WeightsError: The backbone's weights are not here and can't be fetched.
        StorageError: The run folder or the cache can't be written.
    """
    config, store, progress = config or TrainConfig(), store or FeatureStore(), progress or Silent()
    started, ticks = clock(), time.perf_counter()
    check_out(default_path("run", clock) if out is None else Path(out), source)
    tracker = open_tracker(config.track, Path(out) if out is not None else None)
    job = prepare(source, config, store=store, progress=progress)
    diagnosis = examine_job(job)
    folder = Path(out) if out is not None else default_path(job.dataset.name, clock)
    data = record.describe_data(job.dataset, job.split)
    settings = settings_of(config, job.dataset.name, data, environment(), recipe)
    with tracked(tracker, Start(folder, job.dataset.name, settings), progress) as tracking:
        fitted = find_strategy(config.strategy)(replace(job, tracking=tracking))
        if out is None and folder.exists():  # another training was quicker
            folder = default_path(job.dataset.name, clock)
        seconds = time.perf_counter() - ticks
        run = finish(
            job,
            fitted,
            folder,
            started=started,
            seconds=seconds,
            recipe=recipe,
            diagnosis=diagnosis,
        )
        if tracking is not None:
            tracking.outcome(outcome_of(run.path, run.info, run.metrics))
    if tracking is None:
        return run
    return replace(run, info={**run.info, "warnings": [*run.info["warnings"], *tracking.warnings]})


def finish(
    job: Job,
    fitted: Fitted,
    folder: Path,
    *,
    started: datetime.datetime,
    seconds: float,
    recipe: dict[str, Any] | None = None,
    diagnosis: Diagnosis | None = None,
) -> Run:
    """Score what a strategy gave back, and write the run folder.

    Args:
        job: What the strategy was given.
        fitted: What it gave back.
        folder: The run folder, new or empty.
        started: When the work began.
        seconds: How long it took.
        recipe: As in `train`.
        diagnosis: What is wrong with the photos and labels; None where nobody has looked.

    Raises:
        StorageError: The folder can't be written.
    """
    fitted = assess(job, fitted)
    dataset, split, config = job.dataset, job.split, job.config
    scored = {part: _score(job, fitted, part) for part in ("validation", "test")}
    metrics = {name: part.evaluation.to_json() if part else None for name, part in scored.items()}
    info = {
        "name": dataset.name,
        "started": started.isoformat(),
        "seconds": round(seconds, 2),
        "config": {
            **config.to_json(),
            "training": config.loop.to_json() if fitted.history else None,
        },
        "strategy": fitted.strategy,
        "seed": config.seed,
        "data": record.describe_data(dataset, split),
        "backbone": fitted.classifier.backbone.to_json(),
        "engine": vars(fitted.classifier.engine),
        "layers": list(fitted.classifier.layers),
        "params": fitted.params,
        "notes": list(fitted.notes),
        "certainty": describe(fitted.classifier.assurance) if fitted.classifier.assurance else {},
        "history": {"kept": fitted.history.kept} if fitted.history else None,
        "recipe": recipe,
        "doctor": diagnosis.figures if diagnosis else None,
        "warnings": warnings(dataset, split, scored["validation"], config),
        **environment(),
    }
    classifier = replace(fitted.classifier, trained=record.provenance(info, metrics))
    fitted = replace(fitted, classifier=classifier)
    with job.progress.step("Writing the run", 1, "folders") as step:
        record.write(folder, dataset, split, scored, fitted, info, metrics, diagnosis)
        step.advance()
    for leftover in fitted.leftovers:
        shutil.rmtree(leftover, ignore_errors=True)
    return Run(folder, info, metrics)


@dataclass(frozen=True)
class Evaluated:
    """How a classifier did on labelled photos.

    Attributes:
        scores: Its scores on all of them.
        dataset: The photos.
        asked: How it did by the rules that were asked for, as plain JSON types: ``"answered"``:
            accuracy and share of the photos that it answered, each with its 95 % interval;
            ``"sets"``: how often the sets of classes held the right one, and their mean size.
    """

    scores: Evaluation
    dataset: Dataset
    asked: dict[str, Any]


def evaluate(
    classifier: Classifier,
    source: str | os.PathLike[str],
    *,
    min_accuracy: float | None = None,
    coverage: float | None = None,
    store: FeatureStore | None = None,
    progress: Progress | None = None,
) -> Evaluated:
    """Score a classifier on labelled photos: all of the source's, whatever split it gives.

    Args:
        classifier: A fitted classifier.
        source: As in `train`; its class names must be among the classifier's.
        min_accuracy: Also score what is answered where so many answers are to be right.
        coverage: Also score sets of classes that are to hold the right one so often.
        store: Where features are kept; the user's cache where not given.
        progress: Told how far it is.

    Raises:
        InputError: The classifier carries nothing to tell by what is asked.
        DatasetError: The source has no usable photo, or classes that the classifier does not know.
    """
    store, progress = store or FeatureStore(), progress or Silent()
    rules = (classifier.assurance or Assurance()).rules(
        min_accuracy=min_accuracy, coverage=coverage
    )
    dataset = Dataset.load(source, max_pixels=classifier.max_pixels, progress=progress)
    classifier = classifier.located()
    extractor = Extractor(
        classifier.backbone,
        classifier.weights_path,
        classifier.engine.available(),
        store,
        classifier.max_pixels,
        progress,
    )
    if classifier.is_trained:
        dataset = dataset.verified(progress=progress)
        table = None
    else:
        table, failures, extractor = extractor.look(dataset.photos)
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
    names = np.array([classifier.class_names.index(p.label) for p in dataset.photos], np.int64)
    majority = classifier.trained.get("majority_class")
    if majority not in classifier.class_names:
        majority = classifier.class_names[int(np.bincount(names).argmax())]
    everything = Split(np.arange(len(dataset.photos)), np.arange(0), np.arange(0))
    job = Job(dataset, everything, extractor, table, TrainConfig(), progress)
    said = probabilities(job, classifier, "train")
    scores = evaluate_probabilities(
        said, names, classifier.class_names, classifier.class_names.index(majority)
    )
    return Evaluated(scores, dataset, _asked(rules, said, names))


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


def _asked(
    rules: Rules, said: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Return how photos fare by rules, as plain JSON types."""
    found: dict[str, Any] = {}
    n = len(labels)
    if rules.confidence is not None:
        answered = said.max(axis=1) >= rules.confidence
        num_right = int((answered & (said.argmax(axis=1) == labels)).sum())
        count = int(answered.sum())
        found["answered"] = {
            "confidence": rules.confidence,
            "accuracy": num_right / count if count else None,
            "accuracy_interval": list(wilson_interval(num_right, count)) if count else None,
            "share": count / n,
            "share_interval": list(wilson_interval(count, n)),
        }
    if rules.sets is not None:
        found["sets"] = check(rules.sets.sets(said), labels).to_json()
    return found


def _score(job: Job, fitted: Fitted, part: str) -> Scored | None:
    indices, labels = job.split.parts()[part], job.labels(part)
    if not len(indices):
        return None
    majority = int(np.bincount(job.labels("train")).argmax())
    found = fitted.validation if part == "validation" else None
    if found is None:
        found = probabilities(job, fitted.classifier, part)
    scores = evaluate_probabilities(found, labels, job.dataset.class_names, majority)
    return Scored(indices, labels, found, scores)
