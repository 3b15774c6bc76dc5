"""Groups of things that pairs join, directly or by a chain of pairs: a union-find."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class Joining:
    """Things by number, each a group of its own until pairs join them.

    Args:
        num: How many.

    >>> joining = Joining(4)
    >>> joining.join(1, 3)
    >>> joining.groups().tolist()
    [0, 1, 2, 1]
    """

    def __init__(self, num: int) -> None:
        self._parent = list(range(num))

    def root(self, i: int) -> int:
        """Return the first thing of the group that a thing is in."""
        parent = self._parent
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        """Join the groups of two things."""
        if i != j:
            a, b = self.root(i), self.root(j)
            self._parent[max(a, b)] = min(a, b)

    def groups(self) -> npt.NDArray[np.int64]:
        """Return the group of each thing, shape ``(num,)``, numbered by their first things."""
        roots = [self.root(i) for i in range(len(self._parent))]
        number = {root: k for k, root in enumerate(dict.fromkeys(roots))}
        return np.array([number[root] for root in roots], np.int64)
