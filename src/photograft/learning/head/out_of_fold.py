"""What heads say of photos that they did not learn from: every photo, held out in turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from photograft.core.arrays import Floats
from photograft.core.blas import one_thread
from photograft.core.parallel import in_order
from photograft.data.splits import make_folds
from photograft.learning.head.basis import Basis
from photograft.learning.head.cross_validation import PENALTIES
from photograft.learning.head.solver import solve

_TOLERANCE = 1e-4
#: Elements of a block of problems that are solved at once, and problems: as many on any machine,
#: so that each gives the same bits.
_MAX_ELEMENTS, _AT_ONCE = 20_000_000, 5


def repeated_folds(
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    keys: Sequence[bytes],
    *,
    num_folds: int = 5,
    num_repeats: int = 2,
    seed: int,
) -> npt.NDArray[np.int64]:
    """Return the fold of each photo in each repeat, shape ``(n, r)``; as `splits.make_folds`."""
    return np.stack(
        [
            make_folds(labels, groups, keys, num_folds=num_folds, seed=seed * 1000 + repeat)
            for repeat in range(num_repeats)
        ],
        axis=1,
    )


@one_thread()
def out_of_fold(
    basis: Basis,
    labels: npt.NDArray[np.int64],
    folds: npt.NDArray[np.int64],
    l2: float,
    *,
    photo_weights: Floats | None = None,
) -> Floats:
    """Return the log-probabilities of held-out photos.

    Args:
        basis: Of the photos' features.
        labels: Class indices, shape ``(n,)``; every class from 0 to the largest may be predicted.
        folds: Of each photo in each repeat, shape ``(n, r)``.
        l2: The penalty, as `cross_validation` and `selection` have it.
        photo_weights: What each photo counts in learning, float32, shape ``(n,)``; 0 leaves it
            out, though it is still scored. All alike where not given.

    Returns:
        Natural logarithms, float32, shape ``(n, r, num_classes)``: of each photo in each repeat,
        by the head that learned from the other folds.
    """
    n, num_repeats = folds.shape
    num_classes, num_folds = int(labels.max()) + 1, int(folds.max()) + 1
    counted = np.ones(n, np.float32) if photo_weights is None else photo_weights
    held_out = (folds[:, :, None] == np.arange(num_folds)).reshape(n, -1)
    weights = np.where(held_out, 0, counted[:, None]).astype(np.float32)
    # A fold that holds out everything (all photos are one group) has nothing to learn from.
    weights /= np.maximum(weights.sum(axis=0), np.float32(1e-30))
    num_problems = held_out.shape[1]
    size = min(max(1, _MAX_ELEMENTS // (n * num_classes)), _AT_ONCE)
    found = np.zeros((n, num_repeats, num_classes), np.float32)

    def fill(block: slice) -> None:
        w = np.zeros((len(basis.variances), block.stop - block.start, num_classes), np.float32)
        # Down to the penalty by way of stronger ones, each quickly solved from the one before.
        for penalty in (*(p for p in PENALTIES[::2] if p > 2 * l2), l2):
            w = solve(basis, labels, weights[:, block], penalty, w, tolerance=_TOLERANCE)
        for column in range(block.start, block.stop):
            rows = held_out[:, column]
            z = (basis.rotated[rows] @ w[:, column - block.start]).astype(np.float64)
            z -= z.max(axis=1, keepdims=True)
            z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
            found[rows, column // num_folds] = z

    blocks = [slice(i, min(i + size, num_problems)) for i in range(0, num_problems, size)]
    for _ in in_order(fill, blocks):
        pass
    return found
