"""The reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from photograft.runs.folder import Answer

#: Bins of the reliability diagram: as many as the expected calibration error is computed over.
NUM_BINS = 15


@dataclass(frozen=True)
class Bin:
    """One bin of the reliability diagram.

    Attributes:
        low: Its lower end, in [0, 1].
        high: Its upper end.
        num_photos: Photos whose confidence is in it.
        confidence: Their mean confidence; 0 where there are none.
        accuracy: The share of them that is right; likewise.
    """

    low: float
    high: float
    num_photos: int
    confidence: float
    accuracy: float


def reliability(answers: Sequence[Answer]) -> list[Bin]:
    """Return the reliability diagram of some answers: `NUM_BINS` bins of equal width over [0, 1].

    Guo et al. (2017), "On calibration of modern neural networks", arXiv:1706.04599.
    """
    bins: list[list[Answer]] = [[] for _ in range(NUM_BINS)]
    for answer in answers:
        bins[min(int(answer.confidence * NUM_BINS), NUM_BINS - 1)].append(answer)
    return [
        Bin(
            low=i / NUM_BINS,
            high=(i + 1) / NUM_BINS,
            num_photos=len(inside),
            confidence=sum(a.confidence for a in inside) / max(len(inside), 1),
            accuracy=sum(a.label == a.predicted for a in inside) / max(len(inside), 1),
        )
        for i, inside in enumerate(bins)
    ]
