"""Coverage of sets of classes: ``python -m benchmarks.conformal SOURCE... [--coverage 0.95]``.

The photos that the head did not learn from (validation and test, or what was said of training
photos out of fold where they are few) are dealt at random into two halves, twenty times: sets are
made by the one and checked on the other. Both halves are samples: the number of right sets among m,
made by n photos, is beta-binomial, with parameters k and n + 1 - k for the rank k of the threshold,
exactly so where scores differ. The interval of 95 % is that one's; a binomial one would leave out
the half that the threshold comes from, and be too narrow.

A set always holds the most probable class. Where that alone is right more often than was asked,
sets have to cover more: those deals are counted apart, and the same deals are made with sets that
may be empty, which keep to the coverage on every set of photos. Beside it stand adaptive sets (APS,
the most probable class always in, not randomised) on the same deals, for their sizes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import betabinom

from benchmarks.calibration import chosen_basis, with_penalty
from benchmarks.common import report
from photograft.classifier.uncertainty.conformal import check, fit_scores, true_scores
from photograft.core.arrays import Floats
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.learning.job import Job
from photograft.learning.preparation import prepare
from photograft.learning.settings import TrainConfig

Labels = npt.NDArray[np.int64]

#: Fewer held-out photos than this are not dealt in two: out-of-fold ones are.
_FEWEST = 400


def main() -> None:
    """Make sets, check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--coverage", type=float, default=0.95)
    parser.add_argument("--seeds", type=int, default=20, help="Deals into two halves.")
    options = parser.parse_args()
    sets = {}
    for source in options.sources:
        job = prepare(str(source), TrainConfig(), store=FeatureStore(), progress=Silent())
        pool, probabilities, labels = _held_out(job)
        found = [_deal(probabilities, labels, options.coverage, s) for s in range(options.seeds)]
        sets["/".join(source.parts[-2:])] = {"pool": pool, **_summary(found)}
    report(
        "conformal",
        asked=options.coverage,
        num_deals=options.seeds,
        below=sum(found["below"] for found in sets.values()),
        emptiable_within=sum(found["emptiable_within"] for found in sets.values()),
        above_without_need=sum(found["above_without_need"] for found in sets.values()),
        sets=sets,
    )


def _held_out(job: Job) -> tuple[str, Floats, Labels]:
    """Return photos that the head did not learn from: what they are, probabilities, labels."""
    selection, basis = chosen_basis(job)
    own = selection.members[0].strength * selection.num_photos / len(job.split.train)
    chosen = with_penalty(job, selection, basis, (own,))
    parts = [part for part in ("validation", "test") if len(job.split.parts()[part])]
    num_photos = sum(len(job.split.parts()[part]) for part in parts)
    if num_photos < _FEWEST:
        # One repeat: each photo once.
        probabilities = np.exp(chosen.held_out[:, 0])
        return f"{len(probabilities)} out of fold", probabilities, job.labels("train")
    labels = np.concatenate([job.labels(part) for part in parts])
    said = np.concatenate([chosen.says(part) for part in parts])
    return f"{num_photos} of {' and '.join(parts)}", said, labels


def _deal(probabilities: Floats, labels: Labels, coverage: float, seed: int) -> dict[str, Any]:
    order = np.random.default_rng(seed).permutation(len(labels))
    made, checked = np.array_split(order, 2)
    fitted = fit_scores(true_scores(probabilities[made], labels[made]), coverage)
    found = check(fitted.sets(probabilities[checked]), labels[checked])
    n, m = len(made), len(checked)
    rank = int(np.ceil((n + 1) * coverage - 1e-6))
    low, high = betabinom(m, rank, n + 1 - rank).interval(0.95)
    accuracy = float((probabilities[checked].argmax(axis=1) == labels[checked]).mean())
    covered = round(found.coverage * m)
    below, above = bool(covered < low), bool(covered > high)
    adaptive = _adaptive(probabilities, labels, made, checked, coverage)
    emptiable = _emptiable(probabilities, labels, made, checked, rank)
    return {
        "coverage": found.coverage,
        "size": found.mean_size,
        "accuracy": accuracy,
        "below": below,
        "above": above,
        # No smaller sets are to be had where the first class alone covers as much.
        "by_need": above and fitted.threshold == 0,
        "emptiable_coverage": emptiable / m,
        "emptiable_within": bool(low <= emptiable <= high),
        "adaptive_coverage": adaptive[0],
        "adaptive_size": adaptive[1],
    }


def _emptiable(
    probabilities: Floats,
    labels: Labels,
    made: npt.NDArray[np.intp],
    checked: npt.NDArray[np.intp],
    rank: int,
) -> int:
    """Return how many sets hold the right class where no class is always in."""
    # Logarithms of what the others have: in single precision, 1 less a probability has ties at 0.
    others = probabilities.astype(np.float64)
    others[np.arange(len(labels)), labels] = 0
    scores = np.log(np.maximum(others.sum(axis=1), 1e-300))
    threshold = np.sort(scores[made])[rank - 1]
    return int((scores[checked] <= threshold).sum())


def _adaptive(
    probabilities: Floats,
    labels: Labels,
    made: npt.NDArray[np.intp],
    checked: npt.NDArray[np.intp],
    coverage: float,
) -> tuple[float, float]:
    """Return coverage and mean size of APS: a class's score is the probability down to it."""
    order = np.argsort(-probabilities, axis=1)
    sums = np.cumsum(np.take_along_axis(probabilities, order, axis=1).astype(np.float64), axis=1)
    scores = np.empty_like(sums)
    np.put_along_axis(scores, order, sums, axis=1)
    scores[np.arange(len(labels)), order[:, 0]] = 0
    rank = int(np.ceil((len(made) + 1) * coverage - 1e-6))
    threshold = np.sort(scores[made, labels[made]])[rank - 1] if rank <= len(made) else np.inf
    found = check(scores[checked] <= threshold, labels[checked])
    return found.coverage, found.mean_size


def _summary(deals: list[dict[str, Any]]) -> dict[str, Any]:
    def mean(name: str) -> float:
        return round(float(np.mean([deal[name] for deal in deals])), 4)

    below = sum(deal["below"] for deal in deals)
    above = sum(deal["above"] for deal in deals)
    need = sum(deal["by_need"] for deal in deals)
    return {
        "mean_coverage": mean("coverage"),
        "lowest": round(min(deal["coverage"] for deal in deals), 4),
        "highest": round(max(deal["coverage"] for deal in deals), 4),
        "accuracy": mean("accuracy"),
        "mean_size": mean("size"),
        "within": len(deals) - below - above,
        "below": below,
        "above_since_the_first_class_does": need,
        "above_without_need": above - need,
        "emptiable_mean_coverage": mean("emptiable_coverage"),
        "emptiable_within": sum(deal["emptiable_within"] for deal in deals),
        "adaptive_mean_coverage": mean("adaptive_coverage"),
        "adaptive_mean_size": mean("adaptive_size"),
    }


if __name__ == "__main__":
    main()
