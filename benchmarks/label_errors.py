"""How many wrong labels are found: ``python -m benchmarks.label_errors SOURCE... [OPTIONS]``.

Some labels are moved to another class at random; of as many photos as were moved, those ranked as
the most suspicious, how many were? And how many are flagged, outliers named and pairs called hard
where nothing was moved? All photos of a set take part, whatever part of its split they are in.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import report
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.diagnosis.hard_pairs import hard_pairs
from photograft.diagnosis.outliers import find_outliers
from photograft.diagnosis.suspects import Judgement, judge_labels
from photograft.learning.preparation import prepare
from photograft.learning.settings import TrainConfig


def main() -> None:
    """Move labels and look for them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=5, help="Ways to move labels.")
    parser.add_argument("--share", type=float, default=0.05, help="Of the labels that are moved.")
    options = parser.parse_args()
    sets = {
        source.parent.name if source.name == "all" else source.name: _measured(
            source, options.seeds, options.share
        )
        for source in options.sources
    }
    report("label_errors", num_seeds=options.seeds, share=options.share, sets=sets)


def _measured(source: Path, num_seeds: int, share: float) -> dict[str, Any]:
    job = prepare(str(source), TrainConfig(), store=FeatureStore(), progress=Silent())
    assert job.table is not None
    used = [part for part in ("train", "validation", "test") if len(getattr(job.split, part))]
    labels, groups = (
        np.concatenate([of(part) for part in used]) for of in (job.labels, job.groups)
    )
    keys = [digest for part in used for digest in job.digests(part)]
    rows = np.concatenate([getattr(job.split, part) for part in used])
    last = job.backbone.layers[-1].num_features
    columns = np.arange(job.backbone.num_features)[-last:]
    features = job.table.rows(keys, columns)
    hits, flagged, right, moved_total, seconds = [], 0, 0, 0, 0.0
    for seed in range(num_seeds):
        changed, moved = move_labels(labels, share, seed)
        start = time.perf_counter()
        judgement = judge_labels(features, changed, groups, keys, seed=seed)
        seconds += time.perf_counter() - start
        order = _order(judgement)
        hits.append(float(moved[order[: moved.sum()]].mean()))
        first = order[: judgement.ranking.count]
        flagged, right = flagged + len(first), right + int(moved[first].sum())
        moved_total += int(moved.sum())
    clean = judge_labels(features, labels, groups, keys, seed=0)
    outliers = find_outliers(
        features, labels, groups=groups, log_probabilities=clean.log_probabilities
    )
    names = job.dataset.class_names
    pairs = hard_pairs(clean.log_probabilities, labels, names)
    return {
        "num_photos": len(labels),
        "precision": round(float(np.mean(hits)), 4),
        "lowest": round(min(hits), 4),
        "flagged_precision": round(right / max(flagged, 1), 4),
        "flagged_recall": round(right / moved_total, 4),
        "seconds": round(seconds / num_seeds, 2),
        "flagged_unmoved": clean.ranking.count,
        "first_unmoved": [
            f"{job.dataset.photos[rows[s.index]].name} -> {names[s.suggested]}"
            for s in clean.ranking.suspects[:5]
        ],
        "num_outliers": len(outliers),
        "outliers": [job.dataset.photos[rows[found.index]].name for found in outliers[:5]],
        "hard_pairs": [f"{p.first} / {p.second} {p.share:.3f}" for p in pairs[:5]],
    }


def _order(judgement: Judgement) -> npt.NDArray[np.int64]:
    return np.array([suspect.index for suspect in judgement.ranking.suspects], np.int64)


def move_labels(
    labels: npt.NDArray[np.int64], share: float, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Move a share of the labels to another class, each as likely; return them and which."""
    rng = np.random.default_rng(seed)
    num = round(share * len(labels))
    which = rng.choice(len(labels), num, replace=False)
    num_classes = int(labels.max()) + 1
    changed = labels.copy()
    changed[which] = (labels[which] + rng.integers(1, num_classes, num)) % num_classes
    return changed, changed != labels


if __name__ == "__main__":
    main()
