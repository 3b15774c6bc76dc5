"""What it is to run a prepared network: photos one by one, as many at once as there are cores.

A photo has the network to itself, so that its features are the same, bit for bit, whatever photos
come with it, and one alone is answered at once. On a core of its own each is through in less time
than all cores take, photo by photo, for a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Floats, Pixels
from photograft.core.parallel import num_cores

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


def filled_batches(pixels: Pixels, size: int) -> Iterator[tuple[Pixels, int]]:
    """Yield photos in batches of one size, blanks filling up the last, and how many are no blanks.

    Args:
        pixels: Uint8, shape ``(n, height, width, 3)``.
        size: Of a batch.
    """
    for i in range(0, len(pixels), size):
        batch = np.ascontiguousarray(pixels[i : i + size])
        missing = np.zeros((size - len(batch), *batch.shape[1:]), np.uint8)
        yield np.concatenate([batch, missing]) if len(missing) else batch, len(batch)
