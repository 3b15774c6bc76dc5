"""Photos through a network one by one, as many at once as there are cores.

A photo has the network to itself, so that its features are the same, bit for bit, whatever photos
come with it, and one alone is answered at once. On a core of its own each is through in less time
than all cores take, photo by photo, for a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from photograft.core.parallel import num_cores

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
#: One photo's pixels in, uint8, shape ``(1, height, width, 3)``; what a model gives out, each
#: float32 with a first axis of length 1. Threads may call it at the same time.
Run = Callable[[Pixels], list[Floats]]

#: More copies of a network's activations than this are not kept.
_MOST_AT_ONCE = 32


def num_at_once() -> int:
    """Return how many photos are in a network at the same time."""
    return min(num_cores(), _MOST_AT_ONCE)


class PhotoByPhoto:
    """A network's features; see `engines.Network`.

    Args:
        run: Gives one photo's features first.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        # One more than run at once: it waits at the door while the others are in.
        self._executor = ThreadPoolExecutor(num_at_once() + 1, "network")

    def __call__(self, pixels: Pixels) -> Floats:
        """Return features of photos, in order."""
        photos = [pixels[i : i + 1] for i in range(len(pixels))]
        if len(photos) == 1:
            return self._run(photos[0])[0]
        return np.concatenate(list(self._executor.map(self._first, photos)))

    def _first(self, photo: Pixels) -> Floats:
        return self._run(photo)[0]
