"""Is what is suggested worth labelling: ``python -m benchmarks.suggestion SOURCE... [OPTIONS]``.

From a small labelled seed, 100 photos more are labelled in two rounds, once those suggested and
a few times ones drawn by chance, for the mean of these; the heads are scored on the test photos
(validation where there are none). Features come from the store.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common import report
from photograft.classifier.head import Head
from photograft.classifier.suggestion import choose_suggestions
from photograft.core.arrays import Floats
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.features.similarity import unit_rows
from photograft.learning.head.basis import make_basis
from photograft.learning.head.solver import solve
from photograft.learning.job import Job
from photograft.learning.preparation import prepare
from photograft.learning.settings import TrainConfig

#: Penalties of the head, solved one after another; the last one counts.
_PENALTIES = (1.0, 0.1, 0.03)
_NUM_LAYERS = 3
#: Of a set with fewer training photos than this, half as many are labelled.
_SMALL = 500
#: Draws by chance whose mean is compared with.
_NUM_DRAWS = 3

Labels = npt.NDArray[np.int64]


def main() -> None:
    """Label by suggestion and by chance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--per-class", type=int, default=10, help="Labelled photos at first.")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--num", type=int, default=50, help="Photos labelled a round.")
    options = parser.parse_args()
    sets = {}
    for source in options.sources:
        job = prepare(str(source), TrainConfig(), store=FeatureStore(), progress=Silent())
        num = options.num if len(job.split.train) >= _SMALL else options.num // 2
        runs = np.array(
            [
                _compare(job, options.per_class, options.rounds, num, seed)
                for seed in range(options.seeds)
            ]
        )
        start, by_chance, suggested = runs.mean(axis=0).tolist()
        gain = runs[:, 2] - runs[:, 1]
        name = [part for part in source.parts if part not in ("all", "/")][-1]
        sets[name] = {
            "labelled": options.rounds * num,
            "start": round(start, 4),
            "by_chance": round(by_chance, 4),
            "suggested": round(suggested, 4),
            "gain": round(float(gain.mean()), 4),
            "gain_se": round(float(gain.std(ddof=1) / np.sqrt(len(gain))), 4),
        }
    report(
        "suggestion",
        num_seeds=options.seeds,
        per_class=options.per_class,
        mean_gain=float(np.mean([row["gain"] for row in sets.values()])),
        least_gain=float(min(row["gain"] for row in sets.values())),
        sets=sets,
    )


def _compare(
    job: Job, per_class: int, rounds: int, num: int, seed: int
) -> tuple[float, float, float]:
    """Return the accuracy of the seed, of labels by chance and of suggested ones."""
    widths = [layer.num_features for layer in job.backbone.layers]
    ends = np.cumsum(widths)
    bounds = np.stack([ends - widths, ends], axis=1)[-_NUM_LAYERS:]
    columns = np.arange(bounds[0, 0], ends[-1])
    part = "test" if len(job.split.test) else "validation"
    table = job.features()
    x, test = table.rows(job.digests("train")), table.rows(job.digests(part))
    labels, truth = job.labels("train"), job.labels(part)
    units, x, test = unit_rows(x, bounds), x[:, columns], test[:, columns]
    names = job.dataset.class_names
    rng = np.random.default_rng(seed)
    first = np.concatenate(
        [rng.permutation(np.flatnonzero(labels == c))[:per_class] for c in range(len(names))]
    )
    start = _learn(x[first], labels[first], len(names))

    def accuracy(head: Head) -> float:
        return float((head.predict_proba(test).argmax(axis=1) == truth).mean())

    by_chance = []
    for _ in range(_NUM_DRAWS):
        rest = rng.permutation(np.setdiff1d(np.arange(len(x)), first))
        chance = np.concatenate([first, rest[: rounds * num]])
        by_chance.append(accuracy(_learn(x[chance], labels[chance], len(names))))
    known, head = first, start
    for _ in range(rounds):
        rest = np.setdiff1d(np.arange(len(x)), known)
        found = choose_suggestions(
            units[rest],
            head.predict_proba(x[rest]),
            num=num,
            class_names=names,
            labelled_features=units[known],
            num_labelled_per_class=np.bincount(labels[known], minlength=len(names)).tolist(),
            rng=rng,
        )
        known = np.concatenate([known, rest[[s.index for s in found]]])
        head = _learn(x[known], labels[known], len(names))
    return accuracy(start), float(np.mean(by_chance)), accuracy(head)


def _learn(x: Floats, labels: Labels, num_classes: int) -> Head:
    basis = make_basis(lambda part: x[part], len(x), x.shape[1])
    weights = np.full((len(labels), 1), 1 / len(labels), np.float32)
    solution = np.zeros((len(basis.variances), 1, num_classes), np.float32)
    for penalty in _PENALTIES:
        solution = solve(basis, labels, weights, penalty, solution, tolerance=1e-3)
    return basis.head(solution[:, 0])


if __name__ == "__main__":
    main()
