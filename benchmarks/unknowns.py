"""Does "none of these" hold: ``python -m benchmarks.unknowns KNOWN FOREIGN... [OPTIONS]``.

A classifier of the KNOWN set, and its OOD detector, learn from its training part. Then its test
photos are told from the photos of each FOREIGN set. With ``--all-ways`` every set is the known one
in turn. With ``--left-out`` each class of a set is left out of training in turn, and its
photos are the foreign ones: much harder, since they are of the same kind.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import report
from photograft.classifier.head import Head
from photograft.classifier.uncertainty.ood_detector import OODDetector
from photograft.classifier.uncertainty.ood_fitting import ValidationPhotos, fit_ood_detector
from photograft.core.arrays import Floats
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.features.layers import layer_sets
from photograft.learning.head.basis import make_basis
from photograft.learning.head.out_of_fold import out_of_fold, repeated_folds
from photograft.learning.head.solver import solve
from photograft.learning.job import Job
from photograft.learning.preparation import prepare
from photograft.learning.settings import TrainConfig

#: The head's penalty, the same for every set: the head matters little here.
_L2 = 1e-2


@dataclass(frozen=True)
class Known:
    """A head with its OOD detector, both learned from some photos."""

    columns: npt.NDArray[np.intp]
    head: Head
    ood_detector: OODDetector
    fit_seconds: float

    def scores(self, rows: Floats) -> Floats:
        """Return OOD scores of stored rows."""
        return self.ood_detector.scores(rows, _logs(self.head, rows[:, self.columns]))


def main() -> None:
    """Tell photos apart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("known", type=Path)
    parser.add_argument("foreign", nargs="*", type=Path)
    parser.add_argument("--kept", type=float, default=0.95, help="Share of own photos kept.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all-ways", action="store_true")
    parser.add_argument("--left-out", action="store_true")
    options = parser.parse_args()
    sources = [options.known, *options.foreign]
    jobs = {_name(source): _job(source) for source in sources}
    for name in jobs if options.all_ways else list(jobs)[:1]:
        if options.left_out:
            report("unknowns_left_out", known=name, **_left_out(jobs[name], options))
        else:
            others = {other: job for other, job in jobs.items() if other != name}
            report("unknowns", known=name, **_told_apart(jobs[name], others, options))


def _told_apart(job: Job, others: dict[str, Job], options: argparse.Namespace) -> dict[str, Any]:
    part = "test" if len(job.split.test) else "validation"
    known = _learn(job, np.arange(len(job.labels("train"))), options.seed)
    rows = job.features().rows(job.digests(part))
    start = time.perf_counter()
    own = known.scores(rows)
    seconds = time.perf_counter() - start
    threshold = known.ood_detector.threshold(options.kept)
    sets = {}
    for name, other in others.items():
        digests = [photo.digest for photo in other.dataset.photos]
        scores = known.scores(other.features().rows(digests))
        sets[name] = {
            "auroc": round(_auroc(own, scores), 4),
            "let_through": round(float((scores <= threshold).mean()), 4),
        }
    tensors = known.ood_detector.tensors().values()
    return {
        "num_photos": len(job.labels("train")),
        "part": part,
        "kept_wanted": options.kept,
        "kept": float((own <= threshold).mean()),
        "mean_auroc": float(np.mean([row["auroc"] for row in sets.values()])),
        "least_auroc": min(row["auroc"] for row in sets.values()),
        "mean_let_through": float(np.mean([row["let_through"] for row in sets.values()])),
        "fit_seconds": known.fit_seconds,
        "ms_per_photo": 1000 * seconds / len(own),
        "megabytes": sum(tensor.nbytes for tensor in tensors) / 1e6,
        "sets": sets,
    }


def _left_out(job: Job, options: argparse.Namespace) -> dict[str, Any]:
    labels = job.labels("train")
    part = "test" if len(job.split.test) else "validation"
    truth, rows = job.labels(part), job.features().rows(job.digests(part))
    classes: dict[str, dict[str, float]] = {}
    for c, name in enumerate(job.dataset.class_names if job.num_classes > 2 else ()):
        known = _learn(job, np.flatnonzero(labels != c), options.seed)
        scores = known.scores(rows)
        threshold = known.ood_detector.threshold(options.kept)
        classes[name] = {
            "auroc": round(_auroc(scores[truth != c], scores[truth == c]), 4),
            "let_through": round(float((scores[truth == c] <= threshold).mean()), 4),
        }
    means = {
        f"mean_{key}": float(np.mean([row[key] for row in classes.values()]))
        for key in ("auroc", "let_through")
        if classes
    }
    # What a classifier of all classes says of itself, without having been trained anew.
    ood_detector = _learn(job, np.arange(len(labels)), options.seed).ood_detector
    said = ood_detector.let_through(ood_detector.threshold(options.kept))
    return {**means, "said_let_through": said and round(said.share, 4), "classes": classes}


def _learn(job: Job, photos: npt.NDArray[np.intp], seed: int) -> Known:
    _, labels = np.unique(job.labels("train")[photos], return_inverse=True)
    groups = job.groups("train")[photos]
    digests = job.digests("train")
    keys = [digests[i] for i in photos]
    rows = job.features().rows(keys)
    columns = layer_sets(job.backbone.layers, "joined")[0][1]
    basis = make_basis(lambda part: rows[part][:, columns], len(rows), len(columns))
    folds = repeated_folds(labels, groups, keys, num_repeats=1, seed=seed)
    logs = out_of_fold(basis, labels, folds, _L2)[:, 0]
    weights = np.full((len(labels), 1), 1 / len(labels), np.float32)
    zeros = np.zeros((len(basis.variances), 1, int(labels.max()) + 1), np.float32)
    head = basis.head(solve(basis, labels, weights, _L2, zeros, tolerance=1e-6)[:, 0])
    held_out = None
    if len(job.split.test):  # else the validation photos are what is told apart
        own = np.isin(job.labels("validation"), np.unique(job.labels("train")[photos]))
        out = job.features().rows(
            [d for d, ok in zip(job.digests("validation"), own, strict=True) if ok]
        )
        names = np.unique(job.labels("train")[photos])
        held_out = ValidationPhotos(
            out,
            _logs(head, out[:, columns]),
            np.searchsorted(names, job.labels("validation")[own]),
        )
    start = time.perf_counter()
    ood_detector = fit_ood_detector(
        rows,
        labels,
        groups,
        logs,
        widths=[layer.num_features for layer in job.backbone.layers],
        held_out=held_out,
        rng=np.random.default_rng(seed),
    )
    return Known(columns, head, ood_detector, time.perf_counter() - start)


def _logs(head: Head, features: Floats) -> Floats:
    logs: Floats = np.log(np.maximum(head.predict_proba(features), np.float32(1e-30)))
    return logs


def _auroc(own: Floats, foreign: Floats) -> float:
    """Return the chance that a foreign photo scores higher than an own one, ties halved."""
    ordered = np.sort(own)
    below = np.searchsorted(ordered, foreign, side="left")
    upto = np.searchsorted(ordered, foreign, side="right")
    return float((below + upto).mean() / (2 * len(own)))


def _job(source: Path) -> Job:
    return prepare(str(source), TrainConfig(), store=FeatureStore(), progress=Silent())


def _name(source: Path) -> str:
    """Return the last name of a path that says something."""
    names: Sequence[str] = [part for part in source.parts if part not in ("all", "train", "/")]
    return names[-1]


if __name__ == "__main__":
    main()
