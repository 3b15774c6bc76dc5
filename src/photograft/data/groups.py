"""Photos that belong together: the same content, near duplicates, or by the user's word."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from photograft.data.dataset import Dataset


def content_groups(dataset: Dataset) -> npt.NDArray[np.int64]:
    """Return each photo's group, shape ``(n,)``: photos that must fall on one side of a split.

    Two photos are in one group where they have the same content, are near duplicates (as far as
    they were looked for), have the same group in the source, or are joined by a chain of such
    pairs. Groups are numbered by their first photo.
    """
    parent = list(range(len(dataset.photos)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[object, int] = {}
    for i, photo in enumerate(dataset.photos):
        keys: list[object] = [photo.digest]
        if photo.group is not None:
            keys.append(photo.group)
        if photo.alike is not None:
            keys.append(photo.alike)
        for key in keys:
            a, b = root(first.setdefault(key, i)), root(i)
            parent[max(a, b)] = min(a, b)
    roots = [root(i) for i in range(len(parent))]
    number = {r: k for k, r in enumerate(dict.fromkeys(roots))}
    return np.array([number[r] for r in roots], dtype=np.int64)


def same_content(dataset: Dataset) -> list[list[int]]:
    """Return the indices of the photos of each content that occurs more than once."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for i, photo in enumerate(dataset.photos):
        found[photo.digest].append(i)
    return [indices for indices in found.values() if len(indices) > 1]


def conflicting_labels(dataset: Dataset) -> list[list[int]]:
    """Return the indices of the photos of each content that occurs under more than one label."""
    return [
        indices
        for indices in same_content(dataset)
        if len({dataset.photos[i].label for i in indices}) > 1
    ]


def across_given_splits(dataset: Dataset) -> list[list[int]]:
    """Return the indices of the photos of each group that the source puts in several splits."""
    members: dict[int, list[int]] = defaultdict(list)
    for i, group in enumerate(content_groups(dataset).tolist()):
        members[group].append(i)
    return [
        indices
        for indices in members.values()
        if len({dataset.photos[i].split for i in indices}) > 1
    ]
