"""What a fitted classifier is given to carry: calibration, held-out answers, what it has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.certainty.assurance import Assurance, logs_of
from photograft.certainty.calibration import Calibration, apply, apply_to_head, calibrate
from photograft.certainty.held_out import HeldOutAnswers
from photograft.certainty.novelty import fit_novelty
from photograft.classifier import Classifier
from photograft.dataset import Photo
from photograft.explanations.neighbours import Reference, choose_rows, last_columns
from photograft.heads import Floats
from photograft.out_of_fold import out_of_fold, repeated_folds
from photograft.solver import make_basis
from photograft.strategies.base import Fitted, Job, probabilities

#: Training photos that are held out in turn at most: more would tell no more.
_MOST_FOLDED = 5000
#: Training photos that a trained network looks at again at most, and those held out.
_MOST_LOOKED_AT = 3000

#: What is told of abstaining and of sets, where nobody has asked yet.
TARGETS = (0.95, 0.99)
COVERAGE = 0.95
KEPT = 0.95


def assess(job: Job, fitted: Fitted) -> Fitted:
    """Return a fitted classifier with all that it carries to say how sure it is.

    The head is calibrated where that helps: on training photos held out in turn where a frozen
    backbone's logistic head allows it, else on the validation photos.

    Args:
        job: What the strategy was given.
        fitted: What it gave back.
    """
    with job.progress.step("Checking how sure it may be", 1, "classifiers") as step:
        seeds = np.random.default_rng([job.config.seed, 5])
        folded = _folded(job, fitted)
        held_rows, held = _held_out(job, fitted)
        calibration = _calibration(job, folded, held, seeds)
        classifier = fitted.classifier
        if calibration is not None and calibration.kept:
            classifier = replace(classifier, head=apply_to_head(classifier.head, calibration))
            held = None if held is None else apply(logs_of(held), calibration)
        rows, features = _training_rows(job, classifier, folded, seeds)
        novelty = None
        labels, groups = job.labels("train")[rows], job.groups("train")[rows]
        logs = _logs_of_rows(folded, calibration)
        if logs is not None or held is not None:
            novelty = fit_novelty(
                features,
                labels,
                groups,
                logs,
                widths=[layer.num_features for layer in classifier.backbone.layers],
                held_out=None if held is None or held_rows is None else (held_rows, logs_of(held)),
                rng=seeds,
            )
        photos = job.photos("train")
        reference = Reference.fit(
            features[:, last_columns(classifier)],
            labels,
            [photos[i].name for i in rows],
            rng=seeds,
        )
        answers = _answers(job, folded, held, calibration)
        assurance = Assurance(answers, novelty, calibration.to_json() if calibration else None)
        step.advance()
    notes = fitted.notes
    if calibration is not None and calibration.kept:
        notes = (*notes, calibration.reason)
    return replace(
        fitted,
        classifier=replace(classifier, assurance=assurance, reference=reference),
        validation=held,
        notes=notes,
    )


def describe(assurance: Assurance) -> dict[str, Any]:
    """Return what a run's record says of how sure its classifier may be, as plain JSON types."""
    found: dict[str, Any] = {"calibration": assurance.calibration}
    held_out = assurance.held_out
    if held_out is not None and len(held_out.confidence):
        found["held_out"] = held_out.source
        found["abstaining"] = [held_out.abstention(target).to_json() for target in TARGETS]
        sets = held_out.sets(COVERAGE)
        found["sets"] = {**sets.to_json(), "sentence": sets.sentence}
    if assurance.novelty is not None:
        threshold = assurance.novelty.threshold(KEPT)
        share, interval, count = assurance.novelty.share_kept(threshold)
        found["unknown"] = {
            "kept": KEPT,
            "threshold": threshold,
            "share_kept": share,
            "share_kept_interval": list(interval),
            "num_photos": count,
        }
    return found


#: Rows of the training part, and their out-of-fold logarithms ``(m, r, num_classes)``.
_Folded = tuple[npt.NDArray[np.intp], Floats]


def _folded(job: Job, fitted: Fitted) -> _Folded | None:
    """Hold training photos out in turn, where the head is one that is quickly fitted again."""
    chosen = fitted.selection.get("chosen")
    classifier = fitted.classifier
    if fitted.strategy != "features" or not chosen or job.table is None:
        return None
    if len(classifier.head.weights) > 1 or len(np.unique(job.groups("train"))) < 2:
        return None
    labels = job.labels("train")
    rows = _some(len(labels), job.config.seed)
    digests = [job.digests("train")[i] for i in rows]
    table, columns = job.table, classifier.columns()
    basis = make_basis(lambda part: table.rows(digests[part], columns), len(rows), len(columns))
    folds = repeated_folds(labels[rows], job.groups("train")[rows], digests, seed=job.config.seed)
    weights = None
    if job.config.class_weight == "balanced":
        counts = np.bincount(labels[rows])
        weights = (1 / counts[labels[rows]]).astype(np.float32)
    l2 = chosen["l2"] * fitted.selection["num_photos"] / len(rows)
    logs = out_of_fold(basis, labels[rows], folds, l2, photo_weights=weights)
    missing = job.num_classes - logs.shape[2]  # classes that only other photos are of
    if missing:
        logs = np.pad(logs, ((0, 0), (0, 0), (0, missing)), constant_values=-30.0)
    return rows, logs


def _some(num_photos: int, seed: int) -> npt.NDArray[np.intp]:
    """Return the training photos that are looked at: all, or a seeded sample."""
    rng = np.random.default_rng([seed, 7])
    return np.sort(rng.permutation(num_photos)[:_MOST_FOLDED])


def _held_out(job: Job, fitted: Fitted) -> tuple[Floats | None, Floats | None]:
    """Return the validation photos' features, and what the classifier said of them."""
    photos = job.photos("validation")
    if not photos:
        return None, None
    classifier = fitted.classifier
    if not classifier.is_trained:
        said = fitted.validation
        if said is None:
            said = probabilities(job, classifier, "validation")
        table = job.features()
        return table.rows([photo.digest for photo in photos]), said
    rows, said = _looked_at(job, classifier, photos)
    return rows, fitted.validation if fitted.validation is not None else said


def _training_rows(
    job: Job, classifier: Classifier, folded: _Folded | None, rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return training photos, as rows of the training part, and their features."""
    labels, photos = job.labels("train"), job.photos("train")
    if classifier.is_trained:
        rows = choose_rows(labels, rng, most=_MOST_LOOKED_AT)
        return rows, _looked_at(job, classifier, [photos[i] for i in rows])[0]
    rows = folded[0] if folded is not None else _some(len(photos), job.config.seed)
    return rows, job.features().rows([photos[i].digest for i in rows])


def _looked_at(job: Job, classifier: Classifier, photos: Sequence[Photo]) -> tuple[Floats, Floats]:
    """Return features and probabilities of photos by a network that was trained itself."""
    features = np.empty((len(photos), classifier.backbone.num_features), np.float32)
    said = np.empty((len(photos), len(classifier.class_names)), np.float32)
    with job.progress.step("Looking at photos again", len(photos), "photos") as step:
        for indices, rows, found, failed in classifier.looks(photo.read for photo in photos):
            features[indices], said[indices] = rows, found
            for _, error in failed:
                raise error
            step.advance(len(indices))
    return features, said


def _calibration(
    job: Job, folded: _Folded | None, held: Floats | None, rng: np.random.Generator
) -> Calibration | None:
    # A head whose classes were weighed alike does not mean its probabilities as photos come.
    if job.config.class_weight == "balanced":
        return None
    if folded is not None:
        rows, logs = folded
        labels, groups = job.labels("train")[rows], job.groups("train")[rows]
        what = f"{len(rows):,} training photos, held out in turn"
        return calibrate(logs, labels, groups, rng=rng, fitted_on=what)
    if held is None:
        return None
    return calibrate(
        logs_of(held),
        job.labels("validation"),
        job.groups("validation"),
        rng=rng,
        fitted_on=f"{len(held):,} validation photos",
    )


def _logs_of_rows(folded: _Folded | None, calibration: Calibration | None) -> Floats | None:
    """Return one out-of-fold logarithm of each training photo held out in turn, calibrated."""
    if folded is None:
        return None
    logs = folded[1][:, 0]
    kept = calibration is not None and calibration.kept
    return logs_of(apply(logs, calibration)) if calibration is not None and kept else logs


def _answers(
    job: Job, folded: _Folded | None, held: Floats | None, calibration: Calibration | None
) -> HeldOutAnswers | None:
    if held is not None:
        what = f"{len(held):,} validation photos"
        return HeldOutAnswers.of(held, job.labels("validation"), what)
    if folded is None:
        return None
    rows, logs = folded
    said = logs[:, 0]
    if calibration is not None and calibration.kept:
        said = logs_of(apply(said, calibration))
    what = f"{len(rows):,} training photos, held out in turn"
    return HeldOutAnswers.of(np.exp(said), job.labels("train")[rows], what)
