"""What it is to run a prepared network: photos one by one, as many at once as there are cores.

A photo has the network to itself, so that its features are the same, bit for bit, whatever photos
come with it, and one alone is answered at once. On a core of its own each is through in less time
than all cores take, photo by photo, for a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.backbones.registry import BATCH_SIZE
from photograft.core.parallel import num_cores

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
#: Photos' pixels in, at least one, uint8, shape ``(n, height, width, 3)``; what a model gives out
#: for each, float32, the first axis of length n. Threads may call it.
Run = Callable[[Pixels], list[Floats]]
#: Photos' pixels in, all together, uint8 ``(n, height, width, 3)``; a model's outputs, by name.
Whole = Callable[[Pixels], dict[str, npt.NDArray[Any]]]

#: More copies of a network's activations than this are not kept.
_MOST_AT_ONCE = 32


def num_at_once() -> int:
    """Return how many photos are in a network at the same time."""
    return min(num_cores(), _MOST_AT_ONCE)


def in_batches(network: Callable[[Pixels], Floats]) -> Callable[[Pixels], Floats]:
    """Return a network that is run on batches of `BATCH_SIZE` only, blanks filling up the last."""

    def run(pixels: Pixels) -> Floats:
        found = []
        for i in range(0, len(pixels), BATCH_SIZE):
            batch = np.ascontiguousarray(pixels[i : i + BATCH_SIZE])
            missing = np.zeros((BATCH_SIZE - len(batch), *batch.shape[1:]), np.uint8)
            filled = np.concatenate([batch, missing]) if len(missing) else batch
            found.append(network(filled)[: len(batch)])
        return found[0] if len(found) == 1 else np.concatenate(found)

    return run
