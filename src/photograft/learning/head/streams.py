"""Rows that are too many for memory, passes over them, and the way into a basis and back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

import numpy as np

from photograft.core.arrays import Doubles, Floats, Labels
from photograft.core.parallel import in_order, num_cores
from photograft.learning.head.basis import Basis, Reader

#: Rows that are read at once by each thread.
ROWS = 4096

T = TypeVar("T")


@dataclass(frozen=True)
class Rows:
    """Rows that heads are fitted on.

    Attributes:
        read: Gives a slice of them, float32, shape ``(m, d)``: a copy, which may be written to.
        labels: Class indices, shape ``(n,)``.
        weights: What each counts, float32, shape ``(n,)``.
        blocks: Lengths of the blocks of features, adding up to d.
    """

    read: Reader
    labels: Labels
    weights: Floats
    blocks: tuple[int, ...]


class Passes:
    """Counts passes over the rows, and tells of each."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell, self._number = tell, 0

    def over(self, rows: Rows, work: Callable[[slice], T]) -> Iterator[T]:
        """Yield what becomes of each part of the rows, in order."""
        self._number += 1
        n, threads = len(rows.labels), num_cores()
        parts = [slice(i, min(i + ROWS, n)) for i in range(0, n, ROWS)]
        with contextlib.closing(in_order(work, parts, window=threads + 1)) as done:
            for part, found in zip(parts, done, strict=True):
                yield found
                self._tell(f"pass {self._number}: {part.stop / n:.0%}")


class Turn:
    """The way from raw features to the columns of a basis, and back."""

    def __init__(self, basis: Basis) -> None:
        self._rotations = [block.rotation.astype(np.float64) for block in basis.blocks]
        self.mean = np.concatenate([block.mean for block in basis.blocks])
        self.scale = np.concatenate([block.scale for block in basis.blocks])
        self._wide = self.scale.astype(np.float64)[:, None]

    def into(self, columns: Doubles) -> Doubles:
        """Return what raw features' ``(d, m)`` are in the basis, ``(r, m)``."""
        return self._blocks(columns / self._wide, [axes.T for axes in self._rotations])

    def out_of(self, columns: Doubles) -> Doubles:
        """Return for what acts in the basis, ``(r, m)``, what acts likewise on raw features."""
        found: Doubles = self._blocks(columns, self._rotations) / self._wide
        return found

    @staticmethod
    def _blocks(columns: Doubles, turns: Sequence[Doubles]) -> Doubles:
        ends = list(accumulate(turn.shape[1] for turn in turns))
        parts = zip(turns, [0, *ends], ends, strict=False)
        return np.concatenate([turn @ columns[start:end] for turn, start, end in parts])
