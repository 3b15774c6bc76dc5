"""What reads each of many files, as a column: by their places, and what they are read from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from photograft.core.columnar import Codes, Texts
from photograft.data.known_files import FileOnDisk
from photograft.data.sources.members import NUM_AT_ONCE, Family, Member


class Reads:
    """What reads each file: of those on the disk, and of a family's members, the places alone."""

    def __init__(self) -> None:
        self._places, self._of = Texts(), Codes()
        self._others = dict[int, Callable[[], bytes]]()

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, i: int) -> Callable[[], bytes]:
        family, place = self._of[i], self._places[i]
        if family is not None:
            return Member(family, place)
        other = self._others.get(i)
        return FileOnDisk(Path(place)) if other is None else other

    def __iter__(self) -> Iterator[Callable[[], bytes]]:
        return map(self.__getitem__, range(len(self)))

    @property
    def are_far(self) -> bool:
        """Whether some wait for another machine."""
        return any(family is not None and family.is_far for family in self._of.values)

    def extend(self, values: Sequence[Callable[[], bytes] | str]) -> None:
        """Add values behind the others, which may be paths, too."""
        if set(map(type, values)) == {str}:
            self._places.extend(cast("Sequence[str]", values))
            self._of.extend([None] * len(values))
            return
        start, texts, families = len(self), list[str](), list[Family | None]()
        for i, value in enumerate(values, start):
            family = value.family if isinstance(value, Member) else None
            if isinstance(value, Member):
                value = value.place
            elif isinstance(value, FileOnDisk):
                value = os.fspath(value.path)
            if not isinstance(value, str):
                self._others[i] = value
            texts.append(value if isinstance(value, str) else "")
            families.append(family)
        self._places.extend(texts)
        self._of.extend(families)

    def some(self, start: int, stop: int) -> list[Callable[[], bytes]]:
        """Return the values from one on, up to another, if there are so many."""
        return [self[i] for i in range(start, min(stop, len(self)))]

    def take(self, order: npt.NDArray[np.intp]) -> Reads:
        """Return a new column of some of the values."""
        found = Reads()
        found._places, found._of = self._places.take(order), self._of.take(order)
        if self._others:
            found._others = {
                i: self._others[old] for i, old in enumerate(order.tolist()) if old in self._others
            }
        return found


def num_readers(records: Sequence[Any]) -> int | None:
    """Return how many threads read photos or items best; None for one a core.

    Those at addresses wait for another machine, most of the time.
    """
    reads = getattr(records, "columns", {}).get("read")
    return NUM_AT_ONCE if isinstance(reads, Reads) and reads.are_far else None
