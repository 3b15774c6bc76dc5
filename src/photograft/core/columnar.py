"""Many records of one kind, a column for each field: the records are made as they are asked for.

A record of a photo takes more than a kilobyte as Python objects, and about a hundred bytes so.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, Self, TypeVar, overload

import numpy as np
import numpy.typing as npt

T = TypeVar("T")

#: Records that are turned into columns at once.
_BATCH = 4096


class Column(Protocol):
    """One field of many records."""

    def __len__(self) -> int: ...
    def __getitem__(self, i: int, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...

    def extend(self, values: Sequence[Any]) -> None:
        """Add values behind the others."""

    def some(self, start: int, stop: int) -> list[Any]:
        """Return the values from one on, up to another, if there are so many."""

    def take(self, order: npt.NDArray[np.intp]) -> Self:
        """Return a new column of some of the values."""


class Texts:
    """Text, mostly another one in each record."""

    def __init__(self) -> None:
        self._data, self._ends = bytearray(), array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, i: int) -> str:
        return self._data[self._ends[i] : self._ends[i + 1]].decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        parts = range(0, len(self), _BATCH)
        return itertools.chain.from_iterable(self.some(i, i + _BATCH) for i in parts)

    def some(self, start: int, stop: int) -> list[str]:
        """Return the values from one on, up to another, if there are so many."""
        ends = self._ends[start : min(stop, len(self)) + 1]
        if len(ends) < 2:
            return []
        data = self._data[ends[0] : ends[-1]]
        if data.isascii():  # a character is a byte
            text, first = data.decode("ascii"), ends[0]
            return [text[a - first : b - first] for a, b in itertools.pairwise(ends)]
        return [self[i] for i in range(start, start + len(ends) - 1)]

    def extend(self, values: Sequence[str]) -> None:
        """Add values behind the others."""
        together = "".join(values)
        # Names that are not valid Unicode have halves of characters in them.
        self._data += together.encode("utf-8", "surrogatepass")
        lengths = (
            map(len, values)
            if together.isascii()
            else (len(value.encode("utf-8", "surrogatepass")) for value in values)
        )
        ends = itertools.accumulate(lengths, initial=self._ends[-1])
        self._ends.extend(itertools.islice(ends, 1, None))

    def take(self, order: npt.NDArray[np.intp]) -> Texts:
        """Return a new column of some of the values."""
        found = Texts()
        for start in range(0, len(order), _BATCH):
            found.extend([self[i] for i in order[start : start + _BATCH].tolist()])
        return found


class Codes:
    """Values that are mostly the same: each is kept once, whatever it is.

    Attributes:
        values: The different ones.
    """

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._index: dict[Any, int] = {}
        self._codes = array("i")

    def __len__(self) -> int:
        return len(self._codes)

    def __getitem__(self, i: int) -> Any:
        return self.values[self._codes[i]]

    def __iter__(self) -> Iterator[Any]:
        return map(self.values.__getitem__, self._codes)

    def some(self, start: int, stop: int) -> list[Any]:
        """Return the values from one on, up to another, if there are so many."""
        return [self.values[code] for code in self._codes[start:stop]]

    @property
    def codes(self) -> npt.NDArray[np.int32]:
        """Where each record's value is in `values`, shape ``(n,)``."""
        return np.array(self._codes, np.int32)

    def extend(self, values: Sequence[Any]) -> None:
        """Add values behind the others."""
        for value in dict.fromkeys(values):
            if value not in self._index:
                self._index[value] = len(self.values)
                self.values.append(value)
        self._codes.extend(map(self._index.__getitem__, values))

    def take(self, order: npt.NDArray[np.intp]) -> Codes:
        """Return a new column of some of the values, of which others may no longer occur."""
        found = Codes()
        kept, codes = np.unique(self.codes[order], return_inverse=True)
        found.extend([self.values[i] for i in kept.tolist()])
        found._codes = array("i", codes.astype(np.int32).tobytes())
        return found


class Numbers:
    """Whole numbers."""

    def __init__(self) -> None:
        self._numbers = array("q")

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, i: int) -> int:
        return self._numbers[i]

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def extend(self, values: Iterable[int]) -> None:
        """Add values behind the others."""
        self._numbers.extend(values)

    def some(self, start: int, stop: int) -> list[int]:
        """Return the values from one on, up to another, if there are so many."""
        return self._numbers[start:stop].tolist()

    def take(self, order: npt.NDArray[np.intp]) -> Numbers:
        """Return a new column of some of the values."""
        found = Numbers()
        found._numbers = array("q", np.array(self._numbers, np.int64)[order].tobytes())
        return found


class Records(Sequence[T]):
    """A sequence that does not change once it is handed on.

    Args:
        make: Makes a record of the fields, in their order.
        columns: Of the fields, by name; all as long.
        records: What the columns begin with.
    """

    def __init__(
        self, make: Callable[..., T], columns: Mapping[str, Column], records: Iterable[T] = ()
    ) -> None:
        self._make, self.columns = make, dict(columns)
        several = iter(records)
        while batch := list(itertools.islice(several, _BATCH)):
            for name, column in self.columns.items():
                column.extend([getattr(record, name) for record in batch])

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @overload
    def __getitem__(self, i: int) -> T: ...
    @overload
    def __getitem__(self, i: slice) -> Self: ...

    def __getitem__(self, i: int | slice) -> T | Self:
        if isinstance(i, slice):
            return self.take(np.arange(len(self))[i])
        number, n = int(i), len(self)
        if not -n <= number < n:
            raise IndexError(f"there are {n} records")
        return self._make(*(column[number % n] for column in self.columns.values()))

    def __iter__(self) -> Iterator[T]:
        return map(self._make, *self.columns.values())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Records, tuple)):
            return len(self) == len(other) and all(map(self._same, self, other))
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(itertools.islice(self, 3))}..., {len(self):,} in all)"

    @staticmethod
    def _same(one: object, other: object) -> bool:
        return one == other

    def extend(self, **values: Sequence[Any]) -> None:
        """Add records behind the others, given as columns."""
        for name, column in self.columns.items():
            column.extend(values[name])

    def take(self, order: npt.NDArray[Any]) -> Self:
        """Return some of the records, by their numbers."""
        found = object.__new__(type(self))
        found._make = self._make
        found.columns = {
            name: column.take(order.astype(np.intp)) for name, column in self.columns.items()
        }
        return found
