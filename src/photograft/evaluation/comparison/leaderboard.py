"""From trials to a table of candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.core.statistics import wilson_interval
from photograft.evaluation.comparison.candidates import Candidate
from photograft.evaluation.comparison.paired import Paired, verdicts
from photograft.evaluation.comparison.trial_store import Trial
from photograft.learning.head.trying import NUM_FOLDS

Row = dict[str, Any]

_COSTS = (
    "num_params",
    "num_trainable",
    "num_non_trainable",
    "multiply_adds",
    "train_seconds",
    "ms_per_photo",
    "num_bytes",
)


def make_rows(
    candidates: Sequence[Candidate],
    trials: Mapping[str, Trial],
    reasons: Mapping[str, str],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
) -> list[Row]:
    """Return one row a candidate, as plain JSON types, the best first.

    Args:
        candidates: All of them.
        trials: By name, of those that were tried, be it in part.
        reasons: By name, why a candidate was not tried, or not to the end.
        labels: Class indices of the photos, shape ``(n,)``.
        groups: Their groups, shape ``(n,)``.
    """
    hits = {
        name: np.where(trial.predicted < 0, np.nan, trial.predicted == labels[:, None])
        for name, trial in trials.items()
    }
    complete = {name: hits[name] for name in hits if trials[name].is_complete}
    said = verdicts(complete, groups, NUM_FOLDS) if complete else {}
    rows = []
    for candidate in candidates:
        name, config = candidate.name, candidate.config
        trial = trials.get(name)
        row: Row = {
            "id": name,
            "backbone": config.backbone,
            "strategy": config.strategy,
            "recipe": candidate.recipe or None,
            "status": "not run" if not trial else "complete" if trial.is_complete else "partial",
            "why": reasons.get(name, ""),
            "folds_done": len(trial.done) if trial else 0,
            "verdict": said[name][0] if name in said else "",
        }
        row |= _scores(trial, hits[name], labels, groups) if trial else {}
        row |= _difference(said[name][1]) if name in said else {}
        row |= {cost: trial.costs.get(cost) if trial else None for cost in _COSTS}
        rows.append(row)
    return sorted(rows, key=_place)


def _scores(
    trial: Trial,
    hits: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
) -> Row:
    tested = ~np.isnan(hits).all(axis=1)
    accuracy = float(np.nanmean(hits))
    # Photos of one group are one witness.
    witnesses = len(np.unique(groups[tested]))
    learned = float(np.mean(trial.train_accuracies))
    repeats = [r for r in range(hits.shape[1]) if not np.isnan(hits[:, r]).all()]
    return {
        "num_photos": int(tested.sum()),
        "accuracy": accuracy,
        "accuracy_interval": list(wilson_interval(accuracy * witnesses, witnesses)),
        "macro_f1": float(np.mean([_macro_f1(trial.predicted[:, r], labels) for r in repeats])),
        "log_loss": float(np.nanmean(trial.losses)),
        "train_accuracy": learned,
        "overfitting": learned - accuracy,
        "chosen": trial.chosen,
    }


def _macro_f1(predicted: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> float:
    """Return the mean F1 over classes that occur or are predicted, of photos held out."""
    rows = predicted >= 0
    found, true = predicted[rows], labels[rows]
    scores = []
    for c in np.union1d(found, true).tolist():
        right = np.count_nonzero((found == c) & (true == c))
        scores.append(2 * right / (np.count_nonzero(found == c) + np.count_nonzero(true == c)))
    return float(np.mean(scores))


def _difference(paired: Paired) -> Row:
    return {
        "difference": paired.difference,
        "difference_interval": list(paired.interval),
        "p_value": paired.p_value,
    }


def _place(row: Row) -> tuple[int, float, bool, float, str]:
    order = ("complete", "partial", "not run").index(row["status"])
    accuracy, loss = row.get("accuracy", 0.0), row.get("log_loss", 0.0)
    return order, -accuracy, row["verdict"] != "best", loss, row["id"]
