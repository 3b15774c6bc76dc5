"""What a strategy gave back, scored and written as a run folder: how `train` and `compare` end."""

from __future__ import annotations

import datetime
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from photograft.backbones.registry import INCLUDED_WEIGHTS
from photograft.classifier.classifier import Classifier
from photograft.core.arrays import Floats
from photograft.core.files import new_folder
from photograft.core.progress import Silent
from photograft.diagnosis.examine import Diagnosis
from photograft.evaluation.metrics import Scored, evaluate_probabilities
from photograft.evaluation.uncertainty import describe, fit_uncertainty
from photograft.evaluation.warnings import warnings
from photograft.learning.job import Fitted, Job, learned_photos
from photograft.learning.settings import TrainConfig
from photograft.report.plots.run_pictures import draw_run_pictures
from photograft.report.run_page import write_run_page
from photograft.runs.folder import CLASSIFIER, PAGE, PICTURES, Facts
from photograft.runs.record import make_record, metrics_of, provenance, run_info, write_record
from photograft.runs.run import Run


@dataclass(frozen=True)
class Finished:
    """A run that was just written, and what a page shows of it.

    Attributes:
        run: The run.
        facts: What its folder holds.
        classifier: Its classifier, as it was fitted.
    """

    run: Run
    facts: Facts
    classifier: Classifier


def finish(
    job: Job,
    fitted: Fitted,
    folder: Path,
    *,
    started: datetime.datetime,
    seconds: float,
    recipe: dict[str, Any] | None = None,
    diagnosis: Diagnosis | None = None,
) -> Finished:
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
    job = fitted.as_seen(job)
    held_out = _held_out(job, fitted)
    assessed = fit_uncertainty(job, fitted)
    fitted = assessed.fitted
    dataset, split, config = job.dataset, job.split, job.config
    classifier = fitted.classifier
    scored = {
        "validation": _scored(job, classifier, "validation", assessed.validation),
        "test": _scored(job, classifier, "test"),
    }
    metrics = metrics_of(scored)
    info = run_info(
        dataset,
        split,
        config,
        fitted,
        started=started,
        seconds=seconds,
        certainty=describe(classifier.uncertainty) if classifier.uncertainty else {},
        warnings=warnings(dataset, split, scored["validation"] or held_out, config),
        diagnosis=diagnosis,
        recipe=recipe,
    )
    trained = provenance(info, metrics, has_learned_validation=fitted.has_learned_validation)
    classifier = replace(classifier, trained=trained, learned=learned_photos(job, fitted))
    record = make_record(dataset, split, scored, fitted, info, diagnosis)
    facts = record.facts()
    reads = {photo.name: photo.read for photo in dataset.photos}
    with job.progress.step("Writing the run", 1, "folders") as step, new_folder(folder) as partial:
        write_record(partial, record)
        classifier.save(partial / CLASSIFIER, include_weights=_carries_weights(config, classifier))
        draw_run_pictures(partial / PICTURES, dataset, scored, fitted.history)
        page = partial / PAGE
        write_run_page(
            facts, reads, page, classifier=classifier, store=job.store, progress=Silent()
        )
        step.advance()
    if classifier.is_trained:
        classifier = replace(classifier, weights_path=folder / CLASSIFIER / INCLUDED_WEIGHTS)
    for leftover in fitted.leftovers:
        shutil.rmtree(leftover, ignore_errors=True)
    return Finished(Run(folder, info, metrics, record.findings), facts, classifier)


def _scored(
    job: Job, classifier: Classifier, part: str, found: Floats | None = None
) -> Scored | None:
    """Score a part's photos by what was said of them, or is said now."""
    indices, labels = job.split.parts()[part], job.labels(part)
    if not len(indices):
        return None
    majority = int(np.bincount(job.labels("train")).argmax())
    if found is None:
        found = job.score(classifier, part)
    scores = evaluate_probabilities(found, labels, job.dataset.class_names, majority)
    return Scored(indices, labels, found, scores)


def _held_out(job: Job, fitted: Fitted) -> Scored | None:
    """Score training photos that were held out in turn, where they were."""
    found = fitted.out_of_fold
    if found is None:
        return None
    labels, missing = job.labels("train"), job.num_classes - found.log_probs.shape[2]
    said = np.pad(np.exp(found.log_probs[:, 0]), ((0, 0), (0, missing)))
    majority, own = int(np.bincount(labels).argmax()), labels[found.rows]
    scores = evaluate_probabilities(said, own, job.dataset.class_names, majority)
    return Scored(job.split.train[found.rows], own, said, scores)


def _carries_weights(config: TrainConfig, classifier: Classifier) -> bool:
    """Return whether the saved classifier is to hold the backbone's weights."""
    if config.include_weights == "auto":
        return not classifier.backbone.weights.startswith("package:")
    return config.include_weights == "always"
