"""Validation photos from elsewhere: told by how much worse they are classified, and heard.

Cross-validation within the training photos says how new photos of the same kind are classified:
from the same cameras, places, days. Where validation photos come from others, it flatters, and what
it chooses is too sure of itself. Then the validation photos choose: kind of head, layers,
regularisation, and how sure the head may be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from photograft.core.arrays import Floats
from photograft.core.text import count, percent
from photograft.learning.head.selection import Selection
from photograft.learning.job import Job

#: Validation photos, groups of them counted once, that can disagree, at least.
_ENOUGH = 20
#: Standard errors that count: one split at random in a thousand is further off.
_BEYOND = 3.1


@dataclass(frozen=True)
class Disagreement:
    """How far validation photos are from what cross-validation says of training photos.

    Attributes:
        cross_validated: Accuracy of held-out training photos.
        validation: Of validation photos.
        num_validation: How many of these there are.
    """

    cross_validated: float
    validation: float
    num_validation: int

    @property
    def sentence(self) -> str:
        """What the user should know."""
        return (
            f"within the training photos {percent(self.cross_validated)} of held-out ones are "
            f"right, on the {count(self.num_validation, 'validation photo')} "
            f"{percent(self.validation)}: these are from elsewhere. Expect the latter; they "
            "decided on looks and head, and on how sure it may be"
        )


def disagreement(selection: Selection, job: Job, probabilities: Floats) -> Disagreement | None:
    """Return how far validation is from cross-validation, where it is worse beyond noise.

    Args:
        selection: By cross-validation of the training photos.
        job: Its validation photos are asked.
        probabilities: What a classifier that did not learn from them says of them, shape
            ``(n, num_classes)``.
    """
    labels = job.labels("validation")
    # Photos of a group are right or wrong together: on either side it counts once.
    m = len(np.unique(job.groups("validation")))
    n = len(np.unique(job.groups("train")[selection.held_out.rows]))
    if m < _ENOUGH:
        return None
    validation = float((probabilities.argmax(axis=1) == labels).mean())
    held_out = selection.accuracy
    # Under the hypothesis that both are of one kind.
    pooled = (held_out * n + validation * m) / (n + m)
    noise = math.sqrt(max(pooled * (1 - pooled), 0.5 / n) * (1 / n + 1 / m))
    if held_out - validation <= _BEYOND * noise:
        return None
    return Disagreement(held_out, validation, len(labels))
