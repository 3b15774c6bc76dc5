"""The choice of one candidate among those that can't be told from the best, and why in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from photograft.core.choices import STRATEGIES
from photograft.core.text import duration, size
from photograft.evaluation.comparison.candidates import Candidate

#: What is to be little: time to classify a photo, bytes on disk; or the highest accuracy at any
#: cost.
PREFERENCES = ("speed", "size", "accuracy")

#: Costs that differ by a smaller share than this are the same.
_ALIKE = 0.05

Row = Mapping[str, Any]


class _Criterion(NamedTuple):
    """What is compared, and what is said of the one that has least of it, and of some that do."""

    of: Callable[[Row], float]
    alike: float
    least: str
    level: str


def choose(
    rows: Sequence[Row], prefer: str, candidates: Sequence[Candidate] = ()
) -> tuple[Row, str]:
    """Return the cheapest candidate of those that can't be told from the best, and why in words.

    The cheapest takes the least time to classify a photo, counted in multiply-adds; of those within
    5 % of it, the one of the simplest strategy is taken; of those, the one that trains in the
    fewest epochs; of those, the one of the least log loss. By what is counted only: measured times
    would choose differently from one day to the next.

    Args:
        rows: As `leaderboard.make_rows` gives them; at least one is complete.
        prefer: One of `PREFERENCES`. ``"size"`` asks for the bytes before the time.
        candidates: Those of the rows, for what rows do not tell.
    """
    best = next(row for row in rows if row["verdict"] == "best")
    ties = [row for row in rows if row["verdict"] in ("best", "tie")]
    if prefer == "accuracy" or len(ties) == 1:
        return best, _praise(best, [row for row in rows if row["status"] == "complete"], ties)
    left, reasons, level = ties, list[str](), ""
    for criterion in _criteria(prefer, candidates):
        value = criterion.of
        least = min(map(value, left))
        kept = [row for row in left if value(row) <= least * (1 + criterion.alike)]
        if len(kept) < len(left):
            reasons.append(f"{level}{criterion.least}")
            level = f"of {len(kept)} {criterion.level} "
        left = kept
    winner = min(left, key=lambda row: str(row["id"]))
    return winner, _reason(winner, best, ties, prefer, reasons)


def _criteria(prefer: str, candidates: Sequence[Candidate]) -> list[_Criterion]:
    """Return what ties are compared by, the first to be asked first."""
    order = {name: i for i, name in enumerate(STRATEGIES)}
    # A head that is solved has no epochs at all.
    epochs = {c.name: 0 if c.is_stored else c.config.loop.epochs for c in candidates}
    costs = [
        _Criterion(lambda r: r["multiply_adds"], _ALIKE, "the fastest to predict", "as fast"),
        _Criterion(lambda r: r["num_bytes"], _ALIKE, "the smallest", "as small"),
    ]
    return [
        *(reversed(costs) if prefer == "size" else costs[:1]),
        _Criterion(lambda r: order[r["strategy"]], 0, "the simplest strategy", "as simple"),
        _Criterion(lambda r: epochs.get(r["id"], 0), _ALIKE, "the shortest to train", "as short"),
        _Criterion(lambda r: r["log_loss"], 0, "the least log loss", "as sure"),
    ]


def _reason(
    winner: Row, best: Row, ties: Sequence[Row], prefer: str, reasons: Sequence[str]
) -> str:
    """Return in words which of several ties was chosen, and why."""
    accuracies = [row["accuracy"] for row in ties]
    why = ", and ".join(reasons) + ("," if len(reasons) > 1 else "") or "no dearer than any"
    words = (
        f"{winner['id']} is chosen: {_share(winner)}, {why} of {len(ties)} that can't be told "
        f"apart ({min(accuracies):.1%} to {max(accuracies):.1%}"
    )
    if winner is best:
        return f"{words}; it had the most right)."
    return f"{words}; {best['id']} had the most right). Beside that one: " + (
        f"{_gain(winner, best, prefer)}."
    )


def _gain(winner: Row, best: Row, prefer: str) -> str:
    """Return what the winner costs, and what the one with the most right would have."""

    def less(key: str) -> bool:
        own, other = winner.get(key), best.get(key)
        return own is not None and other is not None and own * (1 + _ALIKE) < other

    if prefer == "size" and less("num_bytes"):
        return f"{size(winner['num_bytes'])} to {size(best['num_bytes'])}"
    if less("multiply_adds"):
        if less("ms_per_photo"):
            return f"{winner['ms_per_photo']:.1f} ms a photo to {best['ms_per_photo']:.1f} ms"
        # On a busy machine the clock may say otherwise than the count by which it is chosen.
        adds = winner["multiply_adds"] / 1e6, best["multiply_adds"] / 1e6
        return f"{adds[0]:,.0f} million multiply-adds a photo to {adds[1]:,.0f} million"
    said = "they cost the same in use"
    if less("train_seconds"):
        times = duration(winner["train_seconds"]), duration(best["train_seconds"])
        said += f", and it is trained in {times[0]} to {times[1]}"
    return said


def _praise(winner: Row, complete: Sequence[Row], ties: Sequence[Row]) -> str:
    """Return in words why the one with the most right was chosen."""
    others = [row for row in complete if row is not winner]
    if not others:
        return f"{winner['id']} is the only candidate that was tried to the end: {_share(winner)}."
    if len(ties) == 1:
        rival = max(others, key=lambda row: float(row["accuracy"]))
        ahead = winner["accuracy"] - rival["accuracy"]
        return (
            f"{winner['id']} is chosen: {_share(winner)}, better than every other beyond noise "
            f"({rival['id']} comes next, {100 * ahead:.1f} points behind)."
        )
    same = len(ties) - 1
    count = "one other" if same == 1 else f"{same} others"
    return (
        f"{winner['id']} is chosen: {_share(winner)}, the most of all; {count} can't be told "
        "from it."
    )


def _share(row: Row) -> str:
    return f"{row['accuracy']:.1%} of {row['num_photos']:,} held-out photos right"
