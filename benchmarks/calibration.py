"""Calibration error before and after: ``python -m benchmarks.calibration SOURCE... [--seed N]``.

For each set, what `train` does: a head is chosen and fitted on the training photos, and calibrated
on what heads say of them out of fold. The error is that of the photos that neither has seen: the
test, or validation where there is no test. Beside it stands what it would be by noise alone, were
the probabilities exactly right. The same is done with a head that is overconfident on purpose: its
penalty is next to none. Features come from the store.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import report
from photograft.classifier.head import Head
from photograft.classifier.uncertainty.calibration import Calibration, apply_to_head, calibrate
from photograft.core.arrays import Floats
from photograft.core.progress import Silent
from photograft.core.statistics import expected_calibration_error
from photograft.core.store import FeatureStore
from photograft.learning.head.basis import Basis, make_basis
from photograft.learning.head.out_of_fold import out_of_fold, repeated_folds
from photograft.learning.head.selection import Selection
from photograft.learning.head.solver import solve
from photograft.learning.job import Job
from photograft.learning.preparation import prepare
from photograft.learning.settings import TrainConfig
from photograft.learning.strategies.features import choose_head

#: The penalty of a head that is overconfident on purpose, and those on the way to it.
_TINY = (1e-1, 1e-3, 1e-5, 1e-6)
_NUM_DRAWS = 200


@dataclass(frozen=True)
class Chosen:
    """A head and what was said out of fold by heads like it.

    Attributes:
        job: What it learned from.
        selection: Its layers.
        head: As fitted on all training photos.
        held_out: Log-probabilities of training photos out of fold, shape ``(n, r, num_classes)``.
    """

    job: Job
    selection: Selection
    head: Head
    held_out: Floats

    def says(self, part: str, head: Head | None = None) -> Floats:
        """Return the probabilities of a part's photos, shape ``(n, num_classes)``."""
        rows = self.job.features().rows(self.job.digests(part), self.selection.columns)
        return (head or self.head).predict_proba(rows)


def main() -> None:
    """Calibrate, and measure on photos that had no part in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sets = {}
    for source in options.sources:
        job = prepare(
            str(source), TrainConfig(seed=options.seed), store=FeatureStore(), progress=Silent()
        )
        selection, basis = chosen_basis(job)
        own = selection.members[0].strength * selection.num_photos / len(job.split.train)
        sets["/".join(source.parts[-2:])] = {
            "as_chosen": _measured(with_penalty(job, selection, basis, (own,)), options.seed),
            "tiny_penalty": _measured(with_penalty(job, selection, basis, _TINY), options.seed),
        }
    rows = [row for found in sets.values() for row in found.values()]
    report(
        "calibration",
        seed=options.seed,
        none_is_worse=all(row["after"] <= row["before"] for row in rows),
        sets=sets,
    )


def chosen_basis(job: Job) -> tuple[Selection, Basis]:
    """Return the layers and penalty that are chosen for a logistic head, and their basis."""
    table, digests = job.features(), job.digests("train")
    selection = choose_head(job.with_config(head="logistic"), [table])
    columns = selection.columns
    basis = make_basis(lambda rows: table.rows(digests[rows], columns), len(digests), len(columns))
    return selection, basis


def with_penalty(job: Job, selection: Selection, basis: Basis, path: tuple[float, ...]) -> Chosen:
    """Return the head of the last penalty of a path, reached by way of the others."""
    labels, groups, digests = job.labels("train"), job.groups("train"), job.digests("train")
    weights = np.full((len(labels), 1), 1 / len(labels), np.float32)
    w = np.zeros((len(basis.variances), 1, int(labels.max()) + 1), np.float32)
    for l2 in path:
        w = solve(basis, labels, weights, l2, w, tolerance=1e-7)
    folds = repeated_folds(labels, groups, digests, seed=job.config.seed)
    held_out = out_of_fold(basis, labels, folds, path[-1])
    return Chosen(job, selection, basis.head(w[:, 0]), held_out)


def calibrated(chosen: Chosen, seed: int) -> Calibration:
    """Return the calibration of a head by what was said out of fold."""
    job = chosen.job
    return calibrate(
        chosen.held_out,
        job.labels("train"),
        job.groups("train"),
        rng=np.random.default_rng(seed),
        fitted_on=f"{len(chosen.held_out):,} training photos out of fold",
    )


def _measured(chosen: Chosen, seed: int) -> dict[str, Any]:
    found = calibrated(chosen, seed)
    part = "test" if len(chosen.job.split.test) else "validation"
    labels = chosen.job.labels(part)
    before = chosen.says(part)
    after = chosen.says(part, apply_to_head(chosen.head, found))
    rng = np.random.default_rng(seed)
    return {
        "measured_on": f"{len(labels)} {part} photos",
        "before": _rounded(_error(before, labels)),
        "after": _rounded(_error(after, labels)),
        "by_noise_alone": _rounded(_noise(after, rng)),
        "log_loss_before": _rounded(_log_loss(before, labels)),
        "log_loss_after": _rounded(_log_loss(after, labels)),
        "kept": found.kept,
        "slope": _rounded(found.slope),
        "offset": _rounded(found.offset),
        "out_of_fold_before": _rounded(found.before.calibration_error),
        "out_of_fold_after": _rounded(found.after.calibration_error),
        "reason": found.reason,
    }


def _error(probabilities: Floats, labels: npt.NDArray[np.int64]) -> float:
    right = probabilities.argmax(axis=1) == labels
    return expected_calibration_error(probabilities.max(axis=1), right)


def _noise(probabilities: Floats, rng: np.random.Generator) -> float:
    """Return the mean error were right answers drawn by the confidences."""
    confidences = probabilities.max(axis=1)
    return float(
        np.mean(
            [
                expected_calibration_error(confidences, rng.random(len(confidences)) < confidences)
                for _ in range(_NUM_DRAWS)
            ]
        )
    )


def _log_loss(probabilities: Floats, labels: npt.NDArray[np.int64]) -> float:
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(own, 1e-7, 1)).mean())


def _rounded(value: float) -> float:
    return round(value, 4)


if __name__ == "__main__":
    main()
