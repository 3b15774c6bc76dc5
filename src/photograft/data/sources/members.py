"""Photos that are read by their place in something larger: a bucket, a Parquet file, a tar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

#: Reads that are under way at once where each waits for another machine.
NUM_AT_ONCE = 16


class Family(Protocol):
    """What many photos are read from; hashable, and small when it is pickled.

    Attributes:
        is_address: Whether another process may read from it, too, and as quickly.
        is_far: Whether each read waits for another machine, so that many should be under way.
    """

    @property
    def is_address(self) -> bool:
        """As above."""

    @property
    def is_far(self) -> bool:
        """As above."""

    def read(self, place: str) -> bytes:
        """Return the bytes of the file at a place; raises OSError where that fails."""


@dataclass(frozen=True)
class Member:
    """Reads one photo of a family.

    Attributes:
        family: What it is read from.
        place: Where in it, in the family's own terms.
    """

    family: Family
    place: str

    @property
    def is_far(self) -> bool:
        """Whether it waits for another machine."""
        return self.family.is_far

    def __call__(self) -> bytes:
        """Return its bytes.

        Raises:
            OSError: It can't be read.
        """
        return self.family.read(self.place)


def is_far(read: Callable[[], bytes]) -> bool:
    """Return whether a read waits for another machine."""
    return bool(getattr(read, "is_far", False))
