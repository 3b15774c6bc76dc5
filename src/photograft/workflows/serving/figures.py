"""What a server counts while it works: plain numbers, for whoever shows them."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

#: Upper bounds of times, in seconds.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
#: Upper bounds of the photos in a batch.
PHOTOS = (1, 2, 4, 8, 16, 32, 64)


class Histogram:
    """How often values fell below each of some bounds.

    Args:
        bounds: Ascending; a value that is equal to one counts as below.

    Attributes:
        counts: Of the values up to each bound and above the one before; the last, above them all.
        sum: Of all values.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)


@dataclass
class ModelFigures:
    """Of one classifier, since the server was started.

    Attributes:
        decisions: Photos by what was decided: ``"class"``, ``"unknown"``, ``"unsure"``, or
            ``"unreadable"``.
        batches: Photos in each batch.
        decode_seconds: Of each photo, from when it was taken on until its pixels were there.
        wait_seconds: Of each photo, from then until its batch began.
        batch_seconds: Of each batch, in the network and the head.
        succeeded: Requests that were answered, and their seconds.
        failed: Those that could not be, likewise.
        loads: How often the classifier was loaded: once, and once for each change.
        failed_loads: How often a changed one could not be.
        latest: Time of the latest batch, in seconds since the epoch; 0 before the first.
    """

    decisions: Counter[str] = field(default_factory=Counter)
    batches: Histogram = field(default_factory=lambda: Histogram(PHOTOS))
    decode_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    wait_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    batch_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    succeeded: Histogram = field(default_factory=lambda: Histogram(()))
    failed: Histogram = field(default_factory=lambda: Histogram(()))
    loads: int = 0
    failed_loads: int = 0
    latest: float = 0.0
