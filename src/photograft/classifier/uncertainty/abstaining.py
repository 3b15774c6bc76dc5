"""Abstaining: answering only where the confidence is high enough to be right often enough.

A confidence threshold that is chosen on the photos that its accuracy is counted on looks better
than it is: of many thresholds, the luckiest is taken. So two are found. The lowest that *reaches*
the target on the held-out photos is but a guess, as likely as not to miss it on others. The lowest
that is *shown* to reach it, with 95 % confidence in spite of the choice, is found by testing
thresholds in an order that is fixed beforehand, from the highest down, until one fails
(fixed-sequence testing: Angelopoulos et al., 2021, "Learn then test", arXiv:2110.01052). The order
is entered at several places, each with its part of the 5 %, so that one confident mistake does not
end it all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.core.errors import InputError
from photograft.core.schema import Schema, check_range
from photograft.core.statistics import wilson_interval
from photograft.core.text import exact_percent, percent

Counts = npt.NDArray[np.int64]

#: The chance that is taken of calling a threshold shown that is not.
_RISK = 0.05
#: Places at which the tests begin: more find something oftener among thousands of photos, and
#: seldomer among hundreds.
_NUM_STARTS = 2
#: Held-out photos beyond which nobody need be told how many it would take.
_MOST_NEEDED = 100_000


@dataclass(frozen=True)
class Abstention(Schema):
    """A confidence below which a classifier had better say nothing.

    Attributes:
        threshold: Photos with at least this confidence are answered. Where the target is not
            reached, the one that comes nearest to it.
        min_accuracy: The target: the accuracy that is asked of answers.
        accuracy: Of the held-out photos that are answered.
        accuracy_interval: Its 95 % Wilson interval; that the threshold was chosen on the same
            photos is not in it, see `is_shown`.
        share: Of the held-out photos that are answered.
        share_interval: Its 95 % Wilson interval.
        is_reached: Whether `accuracy` is at least the target.
        is_shown: Whether that holds for photos in general with 95 % confidence, the choice of the
            threshold accounted for.
        num_photos: Held-out photos.
        sentence: What this means, for users.
        reached_threshold: The lowest threshold that reaches the target, without proof; None where
            none does.
        reached_share: The share that it answers; 0 where there is none.
        more_photos: About how many more held-out photos would show what is only reached, were they
            like these; None where it is shown or not reached, and where no number would do.
    """

    threshold: float
    min_accuracy: float
    accuracy: float
    accuracy_interval: tuple[float, float]
    share: float
    share_interval: tuple[float, float]
    is_reached: bool
    is_shown: bool
    num_photos: int
    sentence: str
    reached_threshold: float | None = None
    reached_share: float = 0.0
    more_photos: int | None = None


def choose_threshold(
    confidences: npt.NDArray[np.floating[Any]], right: npt.NDArray[np.bool_], min_accuracy: float
) -> Abstention:
    """Choose the confidence from which on answers are right often enough.

    The lowest threshold that is shown to reach the target, where there is one; else the lowest that
    reaches it on these photos; else the one that comes nearest. `Abstention` says which.

    Args:
        confidences: Probability of the predicted class for photos that the head did not learn from,
            shape ``(n,)``, n at least 1.
        right: Whether the prediction is right, shape ``(n,)``.
        min_accuracy: The target, above 0 and at most 1.

    Raises:
        InputError: There are no photos, the shapes differ, or the target is out of its range.
    """
    check_range("the least accuracy", min_accuracy, 0, 1)
    if confidences.ndim != 1 or confidences.shape != right.shape or np.isnan(confidences).any():
        raise InputError(
            "a confidence and whether it was right belong to every photo",
            expected="two arrays of shape (n,)",
            got=f"{confidences.shape} and {right.shape}",
        )
    n = len(confidences)
    if not n:
        raise InputError(
            "there are no held-out photos to choose a confidence by",
            expected="at least one, better some hundreds",
            fix="Train with photos in validation.",
        )
    order = np.argsort(-confidences, kind="stable")
    ranked = confidences[order]
    # Photos of the same confidence are answered together: only where a run of them ends.
    answered = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]) + 1, n).astype(np.int64)
    hits = np.cumsum(right[order].astype(np.int64))[answered - 1]
    accuracy = hits / answered
    reaching = np.flatnonzero(hits >= min_accuracy * answered - 1e-9)
    shown = _shown(answered, hits, min_accuracy)
    if shown is not None:
        place = shown
    elif len(reaching):
        place = int(reaching[-1])
    else:
        place = int(np.flatnonzero(accuracy == accuracy.max())[-1])
    count, num_right = int(answered[place]), int(hits[place])
    lowest = int(reaching[-1]) if len(reaching) else None
    how = "shown" if shown is not None else "reached" if len(reaching) else ""
    needed = _photos_needed(answered, hits, min_accuracy) if how == "reached" else None
    more = None if needed is None else _rounded(needed - n)
    threshold = float(ranked[count - 1])
    return Abstention(
        threshold=threshold,
        min_accuracy=float(min_accuracy),
        accuracy=num_right / count,
        accuracy_interval=wilson_interval(num_right, count),
        share=count / n,
        share_interval=wilson_interval(count, n),
        is_reached=bool(len(reaching)),
        is_shown=shown is not None,
        num_photos=n,
        sentence=_sentence(min_accuracy, threshold, num_right / count, count / n, how, more),
        reached_threshold=None if lowest is None else float(ranked[answered[lowest] - 1]),
        reached_share=0.0 if lowest is None else float(answered[lowest] / n),
        more_photos=more,
    )


def _shown(answered: Counts, hits: Counts, target: float) -> int | None:
    """Return the lowest threshold that is shown to reach the target, an index; None for none.

    Given the confidences, each tested null hypothesis is that answers down to a threshold are right
    less often than the target. The sum of unequal chances has lighter tails than a binomial one of
    their mean (Hoeffding, 1956), so that the binomial test holds.
    """
    n, risk = int(answered[-1]), _RISK / _NUM_STARTS
    if target >= 1:
        return None  # no number of photos shows that there are no mistakes
    fewest = _fewest(target)
    if fewest > n:
        return None
    found: int | None = None
    for start in _starts(fewest, n):
        i = int(np.searchsorted(answered, math.ceil(start)))
        if found is not None and i <= found:
            continue  # passed already
        while i < len(answered) and _tail(int(answered[i]), int(hits[i]), target) <= risk:
            found = i
            i += 1
    return found


def _tail(count: int, num_right: int, target: float) -> float:
    """Return the chance of so few mistakes or fewer where answers are right as often as asked."""
    if target <= 0:
        return 0.0
    wrong = np.arange(count - num_right + 1)
    # Binomial coefficients by their ratios, in logarithms.
    ratios = np.log((count - wrong[:-1]) / wrong[1:])
    logs = np.concatenate([[0.0], np.cumsum(ratios)])
    logs += wrong * math.log1p(-target) + (count - wrong) * math.log(target)
    return float(min(np.exp(logs).sum(), 1.0))


def _photos_needed(answered: Counts, hits: Counts, target: float) -> int | None:
    """Return how many held-out photos would show the target, were they like those that there are.

    The same tests as in `_shown`, on as many times the same answers.

    Args:
        answered: As in `_shown`, where nothing was shown.
        hits: Likewise.
        target: Likewise.

    Returns:
        None where not even `_MOST_NEEDED` would.
    """
    n = int(answered[-1])
    if target >= 1:
        return None
    fewest = _fewest(target)

    def are_enough(total: int) -> bool:
        for start in _starts(fewest, total):
            i = int(np.searchsorted(answered, start * n / total - 1e-9))
            count = int(answered[i] * total / n + 1e-9)
            wrong = min(count, math.ceil(int(answered[i] - hits[i]) * total / n - 1e-9))
            if count >= fewest and _tail(count, count - wrong, target) <= _RISK / _NUM_STARTS:
                return True
        return False

    low, high = max(n, fewest - 1), max(n + 1, fewest)
    while not are_enough(high):
        low, high = high, 2 * high
        if low > _MOST_NEEDED:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if are_enough(middle) else (middle, high)
    return high


def _fewest(target: float) -> int:
    """Return the number of answers, all of them right, that show nothing if there are fewer."""
    return math.ceil(math.log(_RISK / _NUM_STARTS) / math.log(target)) if target > 0 else 1


def _starts(fewest: int, n: int) -> npt.NDArray[np.float64]:
    """Return the numbers of answers at which the tests begin."""
    return np.linspace(fewest, n, _NUM_STARTS, endpoint=False)


def _sentence(
    target: float, threshold: float, accuracy: float, share: float, how: str, more: int | None
) -> str:
    """Return what is found for users; `how` is ``"shown"``, ``"reached"`` or empty."""
    wanted = exact_percent(target)
    if how == "shown":
        return (
            f"Where it is at least {sureness(threshold)} sure ({percent(share)} of photos), at "
            f"least {wanted} of its answers are right; leave the others to a person."
        )
    if not how:
        return (
            f"However sure it is, fewer than {wanted} of its answers are right: at best "
            f"{percent(accuracy)} of those to the held-out photos were."
        )
    if target >= 1:
        return f"No number of photos can promise that {wanted} of its answers are right."
    would = "it would take far more than can be had"
    if more is not None:
        would = f"about {more:,} more would do, if it does as well on them"
    return (
        f"Not enough photos were held out to promise that {wanted} of its answers are right; "
        f"{would}."
    )


def sureness(confidence: float) -> str:
    """Return a confidence in percent, with as many digits as keep it from looking certain.

    >>> sureness(0.97993), sureness(0.99997)
    ('98.0%', '99.997%')
    """
    digits = next((n for n in range(1, 6) if round(100 * confidence, n) < 100), 1)
    return f"{confidence:.{digits}%}"


def _rounded(more: int) -> int:
    """Return a number that is but a guess, to two figures, no less than it."""
    step: int = 10 ** max(1, len(str(more)) - 2)
    return -(-more // step) * step
