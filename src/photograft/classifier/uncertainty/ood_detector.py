"""How unlike every class a photo is, so that a classifier can answer "none of these".

A head must share out its probability among the classes it knows, and is often surest of what it
has never seen. Distance tells: photos that lie far from all that was learned from. The score is
the distance to the third nearest training photo (Sun et al., 2022, "Out-of-distribution detection
with deep nearest neighbors", arXiv:2204.06507), on each layer's features scaled to length 1,
compared with how far apart training photos are thereabouts (as the local outlier factor does:
Breunig et al., 2000, doi:10.1145/335191.335388), and a little of the head's own doubt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Floats
from photograft.core.blas import one_thread
from photograft.core.errors import InputError
from photograft.core.statistics import wilson_interval
from photograft.features.similarity import Near, chunks, nearest, squared_distances, unit_rows

#: Share of the user's own photos that is kept where nothing else is asked for.
DEFAULT_KEPT = 0.95

#: How much of the distances that there are thereabouts is taken off, in logarithms, and what the
#: head's doubt (nats) counts beside it: chosen by `benchmarks.unknowns`.
LOCAL_SHARE = 0.5
HEAD_SHARE = 0.5


class Share(NamedTuple):
    """Which share of some photos a threshold lets pass.

    Attributes:
        share: Measured, in [0, 1].
        interval: Its 95 % Wilson interval.
        num_photos: Photos that it was measured on.
    """

    share: float
    interval: tuple[float, float]
    num_photos: int


@dataclass(frozen=True)
class OODDetector:
    """Where training photos lie, and the scores of photos that were held out.

    Attributes:
        bounds: First column of each layer that is used, and the end of it, in a stored row;
            shape ``(num_layers, 2)``.
        projection: From those columns joined, ``(d, r)``; columns are orthonormal.
        rows: Training photos, projected, ``(n, r)``.
        radii: Logarithm of the squared distance from each of them to that neighbour among those of
            other groups, ``(n,)``.
        neighbour: Which neighbour's distance counts, at least 1: the third, or an earlier one where
            classes have fewer photos.
        spread: What a held-out distance strays by, in logarithms; positive.
        held_out: Scores of photos that were not learned from, sorted, ``(h,)``, h at least 1.
        left_out: Scores of such photos had their own class not been among those known, sorted,
            ``(g,)``; g is 0 where there is but one class.
    """

    bounds: npt.NDArray[np.int64]
    projection: Floats
    rows: Floats
    radii: Floats
    neighbour: int
    spread: float
    held_out: Floats
    left_out: Floats

    @one_thread()
    def scores(self, features: Floats, log_probabilities: npt.NDArray[np.floating[Any]]) -> Floats:
        """Return how unlike any class photos are: higher is less like them.

        Args:
            features: Stored rows, all layers joined, float32, shape ``(m, num_features)``.
            log_probabilities: What the head says of them, natural logarithms, ``(m, C)``.

        Returns:
            Float32, shape ``(m,)``, finite.
        """
        found = np.empty(len(features), np.float32)
        for part in chunks(len(features)):
            squared = squared_distances(self._project(features[part]), self.rows)
            stray = strays(nearest(squared, self.neighbour), self.radii)
            found[part] = stray / self.spread + doubt_of(log_probabilities[part])
        return found

    def threshold(self, kept: float = DEFAULT_KEPT) -> float:
        """Return the score above which a photo is none of the classes.

        It is the score that keeps the wanted share of photos like those held out, one more photo
        counted in, as split conformal prediction has it (Vovk et al., 2005). Where too few were
        held out for so large a share, it is the largest of theirs.

        Args:
            kept: Share of the user's own photos that is to be kept, above 0, at most 1.

        Raises:
            InputError: `kept` is no such share.
        """
        if not isinstance(kept, (int, float)) or not 0 < kept <= 1:
            raise InputError(
                "the share of photos to keep is not a share",
                expected="a number above 0, at most 1",
                got=str(kept),
                fix="0.95 sends one of your own photos in twenty away.",
            )
        n = len(self.held_out)
        rank = math.ceil(round((n + 1) * kept, 9))
        return float(self.held_out[min(rank, n) - 1])

    def share_kept(self, threshold: float) -> Share:
        """Return the share of held-out photos whose score is at most the threshold."""
        return _share(self.held_out, threshold)

    def let_through(self, threshold: float) -> Share | None:
        """Return the share of photos of a class that was not known that pass for known.

        Each class is taken for the unknown one in turn: a new class of the same kind, which is the
        hardest. Photos of quite other things are told far better.

        Args:
            threshold: As `threshold` gives it.

        Returns:
            None where there is but one class.
        """
        return _share(self.left_out, threshold) if len(self.left_out) else None

    def tensors(self) -> dict[str, npt.NDArray[np.floating[Any]]]:
        """Return it by name, for a file: 1 to 2 MB, float32 and (the large ones) float16."""
        return {
            "bounds": self.bounds.astype(np.float32),
            "projection": np.ascontiguousarray(self.projection, np.float16),
            "rows": np.ascontiguousarray(self.rows, np.float16),
            "radii": np.ascontiguousarray(self.radii, np.float32),
            "neighbour": np.array([self.neighbour], np.float32),
            "spread": np.array([self.spread], np.float32),
            "held_out": np.ascontiguousarray(self.held_out, np.float32),
            "left_out": np.ascontiguousarray(self.left_out, np.float32),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[np.floating[Any]]]) -> Self:
        """Return what `tensors` gave, to float16's rounding.

        Raises:
            KeyError: A tensor is missing.
        """
        return cls(
            bounds=tensors["bounds"].astype(np.int64),
            projection=tensors["projection"].astype(np.float32),
            rows=tensors["rows"].astype(np.float32),
            radii=tensors["radii"].astype(np.float32),
            neighbour=int(tensors["neighbour"][0]),
            spread=float(tensors["spread"][0]),
            held_out=tensors["held_out"].astype(np.float32),
            left_out=tensors["left_out"].astype(np.float32),
        )

    def _project(self, features: Floats) -> Floats:
        projected: Floats = unit_rows(features, self.bounds) @ self.projection
        return projected


def strays(near: Near, radii: Floats) -> Floats:
    """Return how far photos are from their neighbours, ``(m,)``, to go by how far those are apart.

    Args:
        near: The nearest training photos.
        radii: As in `OODDetector`.
    """
    distances, which = near
    stray: Floats = distances[:, -1] - np.float32(LOCAL_SHARE) * radii[which].mean(axis=1)
    return stray


def doubt_of(log_probabilities: npt.NDArray[np.floating[Any]]) -> Floats:
    """Return what the head's doubt adds to a score, ``(m,)``, of log-probabilities ``(m, C)``."""
    doubt: Floats = (-HEAD_SHARE * log_probabilities.max(axis=1)).astype(np.float32)
    return doubt


def _share(scores: Floats, threshold: float) -> Share:
    n = len(scores)
    count = int(np.searchsorted(scores, np.float32(threshold), side="right"))
    return Share(count / n, wilson_interval(count, n), n)
