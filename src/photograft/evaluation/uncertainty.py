"""What a fitted classifier is given to carry: calibration, held-out answers, what it has seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.classifier.classifier import Classifier
from photograft.classifier.reference import Reference
from photograft.classifier.scoring import score_with_features
from photograft.classifier.uncertainty.calibration import (
    Calibration,
    apply,
    apply_to_head,
    calibrate,
)
from photograft.classifier.uncertainty.held_out import HeldOutAnswers
from photograft.classifier.uncertainty.ood_detector import DEFAULT_KEPT
from photograft.classifier.uncertainty.ood_fitting import ValidationPhotos, fit_ood_detector
from photograft.classifier.uncertainty.uncertainty import Uncertainty, logs_of
from photograft.core.arrays import Floats
from photograft.core.blas import one_thread
from photograft.core.text import count
from photograft.features.similarity import choose_rows
from photograft.learning.job import Fitted, Job, OutOfFold

#: Training photos that a trained network looks at again at most, and those held out.
_MOST_LOOKED_AT = 3000
#: Numbers of features that are held in memory at most (200 MB), but of so many photos at least.
_MAX_ELEMENTS = 50_000_000
_FEWEST_ROWS = 500
#: Validation photos that can speak for themselves.
_ENOUGH = 50

#: What is told of abstaining and of sets, where nobody has asked yet.
TARGETS = (0.95, 0.99)
COVERAGE = 0.95


@dataclass(frozen=True)
class Assessed:
    """A fitted classifier that carries what it takes to say how sure it is.

    Attributes:
        fitted: The same, its head calibrated where that helps.
        validation: Probabilities of the validation photos by what had not learned from them,
            calibrated likewise, float32, shape ``(n, num_classes)``; None where there are none.
    """

    fitted: Fitted
    validation: Floats | None


@one_thread()
def fit_uncertainty(job: Job, fitted: Fitted) -> Assessed:
    """Give a fitted classifier all that it carries to say how sure it is.

    The head is calibrated where that helps: on training photos held out in turn where the choice of
    a frozen backbone's head held them out, else on the validation photos.

    Args:
        job: What the strategy was given.
        fitted: What it gave back.
    """
    seeds = np.random.default_rng([job.config.seed, 5])
    folded = _out_of_fold(job, fitted)
    val_features, val_probs = _validation(job, fitted)
    with job.progress.step("Checking confidences", 1, "classifiers") as step:
        calibration = _calibration(job, folded, val_probs, seeds)
        step.advance()
    classifier, notes = fitted.classifier, fitted.notes
    if calibration is not None and calibration.kept:
        classifier = replace(classifier, head=apply_to_head(classifier.head, calibration))
        val_probs = _said_again(job, fitted, classifier, val_features, val_probs, calibration)
        folded = None if folded is None else OutOfFold(folded.rows, _applied(folded, calibration))
        notes = (*notes, calibration.reason)
    rows, features, log_probs = _training_rows(job, classifier, folded, seeds)
    labels, photos = job.labels("train")[rows], job.photos("train")
    with job.progress.step("Fitting the OOD detector", 1, "classifiers") as step:
        ood_detector = None
        if log_probs is not None or val_probs is not None:
            ood_detector = fit_ood_detector(
                features,
                labels,
                job.groups("train")[rows],
                log_probs,
                widths=[layer.num_features for layer in classifier.backbone.layers],
                held_out=None
                if val_probs is None or val_features is None
                else ValidationPhotos(val_features, logs_of(val_probs), job.labels("validation")),
                rng=seeds,
            )
        reference = Reference.fit(
            features[:, classifier.last_columns()],
            labels,
            [photos[i].name for i in rows],
            rng=seeds,
        )
        step.advance()
    figures = calibration.to_json() if calibration else None
    uncertainty = Uncertainty(_answers(job, folded, val_probs), ood_detector, figures)
    classifier = replace(classifier, uncertainty=uncertainty, reference=reference)
    return Assessed(
        replace(fitted, classifier=classifier, notes=notes, out_of_fold=None), val_probs
    )


def describe(uncertainty: Uncertainty) -> dict[str, Any]:
    """Return what a run's record says of how sure its classifier may be, as plain JSON types."""
    found: dict[str, Any] = {"calibration": uncertainty.calibration}
    held_out = uncertainty.held_out
    if held_out is not None and len(held_out.confidence):
        found["held_out"] = held_out.source
        found["abstaining"] = [held_out.abstention(target).to_json() for target in TARGETS]
        sets = held_out.sets(COVERAGE)
        found["sets"] = {**sets.to_json(), "sentence": sets.sentence}
    if uncertainty.ood_detector is not None:
        threshold = uncertainty.ood_detector.threshold(DEFAULT_KEPT)
        share, interval, count = uncertainty.ood_detector.share_kept(threshold)
        through = uncertainty.ood_detector.let_through(threshold)
        found["unknown"] = {
            "kept": DEFAULT_KEPT,
            "threshold": threshold,
            "share_kept": share,
            "share_kept_interval": list(interval),
            "num_photos": count,
            "let_through": None
            if through is None
            else {
                "share": through.share,
                "interval": list(through.interval),
                "num_photos": through.num_photos,
            },
        }
    return found


def _out_of_fold(job: Job, fitted: Fitted) -> OutOfFold | None:
    """Return what was said of training photos that were held out in turn, of every class."""
    folded = fitted.out_of_fold
    if folded is None or len(np.unique(job.groups("train"))) < 2:
        return None
    missing = job.num_classes - folded.log_probs.shape[2]  # classes that only other photos are of
    if not missing:
        return folded
    widths = ((0, 0), (0, 0), (0, missing))
    return OutOfFold(folded.rows, np.pad(folded.log_probs, widths, constant_values=-30.0))


def _validation(job: Job, fitted: Fitted) -> tuple[Floats | None, Floats | None]:
    """Return the validation photos' features, and their probabilities by what had not seen them."""
    photos = job.photos("validation")
    if not photos:
        return None, None
    features, found = score_with_features(fitted.classifier, photos, job.extractor, job.table)
    return features, found if fitted.before_refit is None else fitted.before_refit


def _said_again(
    job: Job,
    fitted: Fitted,
    classifier: Classifier,
    rows: Floats | None,
    val_probs: Floats | None,
    calibration: Calibration,
) -> Floats | None:
    """Return what the calibrated classifier says of the validation photos."""
    if val_probs is None or rows is None:
        return None
    if fitted.before_refit is not None:  # said by a head that is no more
        return apply(logs_of(val_probs), calibration)
    if classifier.views == ("plain",):
        return classifier.classify(rows)
    return job.score(classifier, "validation")


def _training_rows(
    job: Job, classifier: Classifier, folded: OutOfFold | None, rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], Floats, Floats | None]:
    """Return rows of the training part, their features, and out-of-fold logarithms of each."""
    labels, photos = job.labels("train"), job.photos("train")
    most = max(_FEWEST_ROWS, _MAX_ELEMENTS // classifier.backbone.num_features)
    if folded is not None:
        kept = choose_rows(labels[folded.rows], rng, most=most)
        rows, log_probs = folded.rows[kept], folded.log_probs[kept, 0]
        return rows, job.features().rows([photos[i].digest for i in rows]), log_probs
    rows = choose_rows(labels, rng, most=min(_MOST_LOOKED_AT, most))
    chosen = [photos[i] for i in rows]
    features, _ = score_with_features(classifier, chosen, job.extractor, job.table)
    return rows, features, None


def _calibration(
    job: Job, folded: OutOfFold | None, val_probs: Floats | None, rng: np.random.Generator
) -> Calibration | None:
    # A head whose classes were weighed alike does not mean its probabilities as photos come.
    if job.config.class_weight == "balanced":
        return None
    if folded is not None:
        rows, log_probs = folded.rows, folded.log_probs
        labels, groups = job.labels("train")[rows], job.groups("train")[rows]
        what = f"{count(len(rows), 'training photo')}, held out in turn"
        return calibrate(log_probs, labels, groups, rng=rng, fitted_on=what)
    if val_probs is None:
        return None
    return calibrate(
        logs_of(val_probs),
        job.labels("validation"),
        job.groups("validation"),
        rng=rng,
        fitted_on=count(len(val_probs), "validation photo"),
    )


def _applied(folded: OutOfFold, calibration: Calibration) -> Floats:
    return logs_of(apply(folded.log_probs, calibration))


def _answers(job: Job, folded: OutOfFold | None, val_probs: Floats | None) -> HeldOutAnswers | None:
    """Return answers to validation photos, and to training photos too where those are few."""
    probabilities, labels, what = [], [], []
    if val_probs is not None:
        probabilities.append(val_probs)
        labels.append(job.labels("validation"))
        what.append(count(len(val_probs), "validation photo"))
    if folded is not None and (val_probs is None or len(val_probs) < _ENOUGH):
        probabilities.append(np.exp(folded.log_probs[:, 0]))
        labels.append(job.labels("train")[folded.rows])
        what.append(f"{count(len(folded.rows), 'training photo')}, held out in turn")
    if not probabilities:
        return None
    return HeldOutAnswers.of(
        np.concatenate(probabilities), np.concatenate(labels), " and ".join(what)
    )
