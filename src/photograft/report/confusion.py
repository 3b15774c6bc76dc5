"""The confusion matrix as a page shows it: all of it, or the part where most goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photograft.core.palette import shade_of

#: Beyond this many classes the matrix shows only `_MOST_CONFUSED` of them.
_MAX_CLASSES, _MOST_CONFUSED = 30, 20
_MAX_PAIRS = 10


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix.

    Attributes:
        label: Index of the true class.
        predicted: Index of the class that was said.
        num_photos: Photos of the one that were taken for the other.
        share: What share of the true class's photos that is, in [0, 1].
        shade: The name of its CSS class; empty where there are no photos.
    """

    label: int
    predicted: int
    num_photos: int
    share: float
    shade: str


@dataclass(frozen=True)
class Matrix:
    """What is shown of a confusion matrix.

    Attributes:
        classes: Indices of the classes that are shown, of rows and columns alike.
        rows: The cells, a list for each true class.
        pairs: The commonest mistakes over all classes, the commonest first.
        num_classes: How many classes there are.
    """

    classes: Sequence[int]
    rows: Sequence[Sequence[Cell]]
    pairs: Sequence[Cell]
    num_classes: int

    @property
    def is_whole(self) -> bool:
        """Whether all classes are shown."""
        return len(self.classes) == self.num_classes

    def openable(self) -> list[tuple[int, int]]:
        """Return true and predicted class of each cell with photos behind it, each once."""
        cells = [*self.pairs, *(cell for row in self.rows for cell in row)]
        return list(dict.fromkeys((c.label, c.predicted) for c in cells if c.num_photos))


def show_confusion(confusion: Sequence[Sequence[int]]) -> Matrix:
    """Return what to show of a confusion matrix.

    Args:
        confusion: Photo counts, shape ``(num_classes, num_classes)``; rows are the true classes.
    """
    counts: npt.NDArray[np.int64] = np.array(confusion, np.int64)
    wrong = counts - np.diag(np.diag(counts))
    k = len(counts)
    commonest = np.argsort(-wrong, axis=None, kind="stable")
    places = [divmod(int(place), k) for place in commonest[: max(_MAX_PAIRS, _MOST_CONFUSED)]]
    classes = list(range(k))
    if k > _MAX_CLASSES:
        confused = wrong.sum(axis=0) + wrong.sum(axis=1)
        # Those of the commonest mistakes, both sides of each, then those with most mistakes at all.
        order = [c for i, j in places if wrong[i, j] for c in (i, j)]
        order += np.argsort(-confused, kind="stable").tolist()
        classes = sorted(list(dict.fromkeys(order))[:_MOST_CONFUSED])
    return Matrix(
        classes=classes,
        rows=[[_cell(counts, i, j) for j in classes] for i in classes],
        pairs=[_cell(counts, i, j) for i, j in places[:_MAX_PAIRS] if wrong[i, j]],
        num_classes=k,
    )


def _cell(counts: npt.NDArray[np.int64], i: int, j: int) -> Cell:
    number = int(counts[i, j])
    share = number / max(int(counts[i].sum()), 1)
    kind = "right" if i == j else "wrong"
    return Cell(i, j, number, share, f"{kind}-{shade_of(share)}" if number else "")
