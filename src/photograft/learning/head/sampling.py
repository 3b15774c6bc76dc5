"""A sample of the training photos, to choose on where they are many."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def sample_photos(
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    keys: Sequence[bytes],
    seed: int,
    most: int,
) -> npt.NDArray[np.intp]:
    """Return indices, sorted, of all photos, or of a stratified seeded sample of whole groups.

    Args:
        labels: Class indices, shape ``(n,)``.
        groups: Of the photos, shape ``(n,)``.
        keys: Their content digests.
        seed: Of the sample.
        most: So many are taken, but ten of each class at least.
    """
    most = max(most, 10 * (int(labels.max()) + 1))
    if len(labels) <= most:
        return np.arange(len(labels))
    salt = seed.to_bytes(8, "little") + b"subset"
    smallest: dict[int, bytes] = {}
    for group, key in zip(groups.tolist(), keys, strict=True):
        smallest[group] = min(key, smallest.get(group, key))
    rank = [hashlib.sha256(salt + smallest[group]).digest() for group in groups.tolist()]
    taken: list[int] = []
    share = most / len(labels)
    for c in range(int(labels.max()) + 1):
        own = sorted(np.flatnonzero(labels == c).tolist(), key=lambda i: (rank[i], i))
        taken += own[: max(10, round(share * len(own)))]
    return np.array(sorted(taken), dtype=np.intp)
