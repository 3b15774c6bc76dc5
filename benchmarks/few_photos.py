"""What few photos are worth: ``python -m benchmarks.few_photos SOURCE...``.

Of each class 5, 10 and 20 photos are drawn; heads on the default network's features are chosen and
fitted on these, and scored on others that are no duplicates of theirs. Medians over the draws of
what is chosen by itself, of the best logistic head (the default of before there were others), and
of each candidate alone; and how often, of the draws, the chosen one was better and worse than that.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.choice import log_losses, quick_job, said_by_heads, without_split
from benchmarks.common import report
from photograft.core.arrays import Indices
from photograft.core.store import FeatureStore
from photograft.data.groups import content_groups
from photograft.learning.job import Job


def main() -> None:
    """Draw, choose and score; print a line for each source and number of photos."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--sizes", type=int, nargs="+", default=[5, 10, 20], help="A class.")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--most", type=int, default=1500, help="Photos that are scored on.")
    parser.add_argument("--cache", type=Path, help="Where features are kept.")
    options = parser.parse_args()
    store = FeatureStore(options.cache) if options.cache else FeatureStore()
    for source in options.sources:
        job = quick_job(without_split(source), store)
        for size in options.sizes:
            found = _measured(job, size, options.draws, options.most)
            report("few photos", source=source.name, photos_a_class=size, **found)


def _measured(job: Job, size: int, num_draws: int, most: int) -> dict[str, Any]:
    labels = job.dataset.labels
    accuracies: dict[str, list[float]] = {}
    losses: dict[str, list[float]] = {}
    for draw in range(num_draws):
        train, test = _drawn(job, size, most, np.random.default_rng(draw))
        for name, said in said_by_heads(job, train, test, seed=draw).items():
            right = said.argmax(axis=1) == labels[test]
            accuracies.setdefault(name, []).append(float(right.mean()))
            losses.setdefault(name, []).append(float(log_losses(said, labels[test]).mean()))
    difference = np.subtract(accuracies["chosen"], accuracies["before"])
    sureness = np.subtract(losses["chosen"], losses["before"])
    return {
        "num_draws": num_draws,
        "accuracy": {name: round(float(np.median(own)), 4) for name, own in accuracies.items()},
        "log_loss": {name: round(float(np.median(own)), 4) for name, own in losses.items()},
        "better_accuracy": int((difference > 0).sum()),
        "worse_accuracy": int((difference < 0).sum()),
        "better_log_loss": int((sureness < 0).sum()),
        "worse_log_loss": int((sureness > 0).sum()),
    }


def _drawn(job: Job, size: int, most: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Return places of photos to learn from, as many of each class, and of others to score on."""
    labels, groups = job.dataset.labels, content_groups(job.dataset)
    order = rng.permutation(len(labels))
    _, firsts = np.unique(groups[order], return_index=True)
    alone = order[np.sort(firsts)]  # one of those that are doubled
    own = [alone[labels[alone] == label][:size] for label in range(len(job.dataset.class_names))]
    train = np.sort(np.concatenate(own))
    left = alone[~np.isin(alone, train)]
    return train, np.sort(left[:most])


if __name__ == "__main__":
    main()
