"""How often the intervals cover: ``python -m benchmarks.learning_curve SOURCE... [OPTIONS]``.

Each set, and each half of it, is one that somebody may come to have who has a quarter of it now.
From each quarter the accuracy at four times the photos is predicted, and compared with what the
same measurement says once all of them are there. Features come from the store.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common import report
from photograft.core.arrays import Indices
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.data.splits import make_folds
from photograft.evaluation.learning_curve.curve import LearningCurve
from photograft.evaluation.learning_curve.measuring import measure_learning_curve
from photograft.learning.job import Job
from photograft.learning.preparation import prepare
from photograft.learning.settings import TrainConfig

#: Columns of a case: low, median, high, what came true, and what was measured before.
Cases = npt.NDArray[np.float64]


def main() -> None:
    """Predict and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=2, help="Deals into quarters.")
    options = parser.parse_args()
    by_set = {}
    for source in options.sources:
        job = prepare(str(source), TrainConfig(), store=FeatureStore(), progress=Silent())
        by_set[source.name] = np.array(list(_cases(job, options.seeds)))
    report(
        "learning_curve",
        num_seeds=options.seeds,
        **_figures(np.concatenate(list(by_set.values()))),
        mean_of_sets=float(np.mean([_figures(cases)["coverage"] for cases in by_set.values()])),
        sets={name: _rounded(_figures(cases)) for name, cases in by_set.items()},
    )


def _cases(job: Job, num_seeds: int) -> Iterator[tuple[float, ...]]:
    rows = np.concatenate([job.split.train, job.split.validation])
    labels, groups = (
        np.concatenate([of(part) for part in ("train", "validation")])
        for of in (job.labels, job.groups)
    )
    digests = job.digests("train") + job.digests("validation")
    whole = _curve(job, rows)
    for seed in range(num_seeds):
        eighth = make_folds(labels, groups, digests, num_folds=8, seed=100 + seed)
        for half in range(2):
            full = _curve(job, rows[eighth // 4 == half])
            for part in range(4 * half, 4 * half + 4):
                yield _case(_curve(job, rows[eighth == part]), full)
        for quarter in range(4):
            yield _case(_curve(job, rows[eighth // 2 == quarter]), whole)


def _curve(job: Job, rows: Indices) -> LearningCurve:
    split = replace(job.split, train=rows, validation=rows[:0])
    return measure_learning_curve(replace(job, split=split), multiples=(4.0,))


def _case(part: LearningCurve, full: LearningCurve) -> tuple[float, ...]:
    (ahead,) = part.forecasts
    truth, before = float(full.overall[-1]), float(part.overall[-1])
    return ahead.low, ahead.accuracy, ahead.high, truth, before


def _figures(cases: Cases) -> dict[str, float]:
    low, median, high, truth, before = cases.T
    covered = (low <= truth + 1e-9) & (truth <= high + 1e-9)
    return {
        "num_cases": len(cases),
        "coverage": float(covered.mean()),
        "width": float((high - low).mean()),
        "mean_absolute_error": float(np.abs(median - truth).mean()),
        "error_if_nothing_changed": float(np.abs(before - truth).mean()),
    }


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}


if __name__ == "__main__":
    main()
