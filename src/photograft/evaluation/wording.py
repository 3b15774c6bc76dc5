"""How good a classifier is, in a sentence that page and notebook both begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from photograft.core.text import count, percent


def how_good(scores: Mapping[str, Any] | None, part: str) -> str:
    """Return a sentence on the scores of a run.

    Args:
        scores: Of the part that counts, as `Evaluation.to_json` gives them; None where it was not
            scored.
        part: ``"test"`` or ``"validation"``.

    >>> how_good(None, "")
    'How good this classifier is has not been measured.'
    """
    if scores is None:
        return "How good this classifier is has not been measured."
    low, high = scores["accuracy_interval"]
    return (
        f"It classifies {percent(scores['accuracy'])} of {count(scores['num_photos'], 'photo')} "
        f"that were set aside for {part} correctly (95% interval {percent(low)} to "
        f"{percent(high)}); always answering the commonest class would reach "
        f"{percent(scores['baseline_accuracy'])}."
    )
