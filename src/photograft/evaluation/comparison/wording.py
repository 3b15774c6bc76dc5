"""What is said of a comparison beside the choice: how it was tested, and how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from photograft.core.text import count

#: How candidates are compared.
TEST = (
    "Accuracies are compared photo by photo on the same folds, the variance raised for overlapping "
    "training sets (Nadeau & Bengio, 2003; Bayle et al., 2020); 'worse' is what is so at the 5% "
    "level after Bonferroni's correction for the number of candidates."
)


def on_the_test(scores: Mapping[str, Any] | None) -> str:
    """Return what the test says of the one that was chosen.

    Args:
        scores: Of the test; None where there is no such part.
    """
    if not scores:
        return "There is no test part: nothing else tells how good it is."
    low, high = scores["accuracy_interval"]
    return (
        f"On the {count(scores['num_photos'], 'test photo')}, which had no part in the choice, "
        f"{scores['accuracy']:.1%} are right (95% interval {low:.1%} to {high:.1%})."
    )


def worn_out(tested: Sequence[str]) -> list[str]:
    """Return the warning that a test that chooses is no test any more, where that is so.

    Args:
        tested: The winners that it has judged.
    """
    if len(tested) < 2:
        return []
    return [
        f"the test photos have now judged {len(tested)} winners of this comparison "
        f"({', '.join(tested)}): its figures are the less a test the more often one looks"
    ]
