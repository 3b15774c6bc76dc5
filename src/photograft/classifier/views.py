"""What the network sees of each photo, where that is more than the photo as it is, and says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from photograft.core.errors import ImageError
from photograft.features.extraction import PLAIN
from photograft.features.looks import JoinedNetwork


class ScoredBatch(NamedTuple):
    """Some photos, looked at together.

    Attributes:
        indices: Their positions in what was given.
        features: Float32, shape ``(n, num_features)``: all layers of the photos as they are.
        probabilities: Float32, shape ``(n, num_classes)``.
        failures: Positions and errors of files that failed since the batch before.
    """

    indices: list[int]
    features: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]
    failures: list[tuple[int, ImageError]]


def looking_at(views: Sequence[str], network: JoinedNetwork) -> JoinedNetwork:
    """Return a network that gives the features of all views of a photo, side by side.

    Args:
        views: As in `Classifier.views`.
        network: Gives those of one.
    """
    if tuple(views) == (PLAIN.name,):
        return network
    return lambda *stacks: np.concatenate(
        [network(*(_seen(view, pixels) for pixels in stacks)) for view in views], axis=1
    )


def average(parts: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Return the mean of several views' probabilities, each ``(n, num_classes)``."""
    return parts[0] if len(parts) == 1 else np.mean(parts, axis=0, dtype=np.float32)


def _seen(view: str, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return pixels if view == PLAIN.name else np.ascontiguousarray(pixels[:, :, ::-1])
