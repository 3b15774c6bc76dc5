"""From trials to a table of candidates, and the choice of one of them in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.core.choices import STRATEGIES
from photograft.core.statistics import wilson_interval
from photograft.evaluation.comparison.candidates import Candidate, Trial
from photograft.evaluation.comparison.paired import Paired, verdicts
from photograft.learning.head.selection import NUM_FOLDS

#: What is cheap: milliseconds a photo, bytes on disk; or the highest accuracy at any cost.
PREFERENCES = ("speed", "size", "accuracy")

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


def choose(rows: Sequence[Row], prefer: str) -> tuple[Row, str]:
    """Return the cheapest candidate of those that can't be told from the best, and why in words.

    Args:
        rows: As `make_rows` gives them; at least one is complete.
        prefer: One of `PREFERENCES`.
    """
    best = next(row for row in rows if row["verdict"] == "best")
    ties = [row for row in rows if row["verdict"] in ("best", "tie")]
    complete = [row for row in rows if row["status"] == "complete"]
    if prefer == "accuracy":
        return best, _praise(best, complete, ties)
    # By what can be counted: measured times would choose differently from one day to the next.
    first, second = "multiply_adds", "num_bytes"
    if prefer == "size":
        first, second = second, first
    order = {name: i for i, name in enumerate(STRATEGIES)}
    winner = min(ties, key=lambda row: (row[first], row[second], order[row["strategy"]]))
    if len(ties) == 1 or winner is best:
        return winner, _praise(winner, complete, ties)
    accuracies = [row["accuracy"] for row in ties]
    times = winner["ms_per_photo"], best["ms_per_photo"]
    gain = (
        f"{winner['num_bytes'] / 1e6:.1f} MB to {best['num_bytes'] / 1e6:.1f} MB"
        if prefer == "size"
        else f"{times[0]:.1f} ms a photo to {times[1]:.1f} ms"
        if times[0] < times[1]
        # On a busy machine the clock may say otherwise than the count by which it is chosen.
        else f"{winner['multiply_adds'] / 1e6:,.0f} million multiply-adds a photo to "
        f"{best['multiply_adds'] / 1e6:,.0f} million"
    )
    quality = "smallest" if prefer == "size" else "fastest"
    if winner[first] == best[first]:
        quality, gain = "simplest", "they cost the same in use"
    return winner, (
        f"{winner['id']} is chosen: {winner['accuracy']:.1%} of {winner['num_photos']:,} held-out "
        f"photos right, the {quality} of {len(ties)} that can't be told apart "
        f"({min(accuracies):.1%} to {max(accuracies):.1%}; {best['id']} had the most right). "
        f"Beside that one: {gain}."
    )


def _praise(winner: Row, complete: Sequence[Row], ties: Sequence[Row]) -> str:
    share = f"{winner['accuracy']:.1%} of {winner['num_photos']:,} held-out photos right"
    others = [row for row in complete if row is not winner]
    if not others:
        return f"{winner['id']} is the only candidate that was tried to the end: {share}."
    if len(ties) == 1:
        rival = max(others, key=lambda row: row["accuracy"])
        ahead = winner["accuracy"] - rival["accuracy"]
        return (
            f"{winner['id']} is chosen: {share}, better than every other beyond noise "
            f"({rival['id']} comes next, {100 * ahead:.1f} points behind)."
        )
    same = len(ties) - 1
    count = "one other" if same == 1 else f"{same} others"
    return f"{winner['id']} is chosen: {share}, the most of all; {count} can't be told from it."


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
