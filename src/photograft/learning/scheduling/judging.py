"""When one candidate is better than another: beyond the noise of the difference, photo by photo.

Both are asked about the same photos, none of which they learned from. A photo that is hard for the
one is hard for the other: their difference is known far better than either's own score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from photograft.core.arrays import Doubles
from photograft.core.statistics import NEGLIGIBLE, standard_error

Candidate = TypeVar("Candidate")


@dataclass(frozen=True)
class Gain:
    """By how much one candidate is better than another on the same photos.

    Attributes:
        mean: Of the differences; of losses, in nats.
        noise: The standard error of that.
    """

    mean: float
    noise: float

    @classmethod
    def of(cls, before: Doubles, after: Doubles, shares: Doubles | None = None) -> Gain:
        """Return by how much losses went down.

        Args:
            before: Of the one candidate, shape ``(n,)``.
            after: Of the other on the same photos, shape ``(n,)``.
            shares: What each photo counts, summing to 1; all alike where not given.
        """
        difference = before - after
        if shares is None:
            shares = np.full(len(difference), 1 / len(difference))
        return cls(float(difference @ shares), standard_error(difference, shares))

    @property
    def is_real(self) -> bool:
        """Whether it is beyond noise, and worth telling apart at all."""
        return self.is_beyond(1.0)

    def is_beyond(self, errors: float) -> bool:
        """Return whether it is beyond so many standard errors, and worth telling apart at all."""
        return self.mean > max(errors * self.noise, NEGLIGIBLE)

    @property
    def promise(self) -> float:
        """What is left of it where a closer look may show that it is real; else 0.

        On a sample, noise is larger than on all photos: half of it is enough to go on.
        """
        return self.mean if self.mean > max(self.noise / 2, NEGLIGIBLE) else 0.0


def can_be_beaten(log_loss: float) -> bool:
    """Return whether another candidate could be better beyond noise than one with that loss."""
    return log_loss > NEGLIGIBLE


def cheapest_of_ties(
    candidates: Iterable[Candidate], is_better: Callable[[Candidate, Candidate], bool]
) -> Candidate:
    """Return the candidate that is kept: a dearer one has to be better beyond noise.

    Args:
        candidates: At least one, the cheapest first.
        is_better: Whether the first of two is better than the second, beyond noise.

    >>> cheapest_of_ties([0.50, 0.49, 0.30], lambda one, other: other - one > 0.1)
    0.3
    """
    kept, *dearer = candidates
    for one in dearer:
        if is_better(one, kept):
            kept = one
    return kept
