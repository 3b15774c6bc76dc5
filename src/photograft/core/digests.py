"""Content digests of many photos, held side by side: 32 bytes each, a third of a Python object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

_NUM_BYTES = 32

#: SHA-256 digests, dtype ``S32``. NumPy compares them as they are; but a single one that is taken
#: out loses the zero bytes at its end; `DigestColumn` keeps them.
Digests: TypeAlias = npt.NDArray[np.bytes_]


def digest_array(digests: Sequence[bytes] | Digests) -> Digests:
    """Return digests side by side, shape ``(n,)``."""
    return digests if isinstance(digests, np.ndarray) else np.array(digests, f"S{_NUM_BYTES}")


def first_of_each(digests: Digests) -> npt.NDArray[np.intp]:
    """Return where each different digest comes first, in that order.

    >>> first_of_each(digest_array([b"b" * 32, b"a" * 32, b"b" * 32])).tolist()
    [0, 1]
    """
    return np.sort(np.unique(digests, return_index=True)[1])


class DigestColumn:
    """A column of digests; see `columnar.Column`.

    Raises:
        ValueError: What is added is no digest of 32 bytes.
    """

    def __init__(self) -> None:
        self._data = bytearray()

    def __len__(self) -> int:
        return len(self._data) // _NUM_BYTES

    def __getitem__(self, i: int) -> bytes:
        start = range(len(self))[i] * _NUM_BYTES
        return bytes(self._data[start : start + _NUM_BYTES])

    def __iter__(self) -> Iterator[bytes]:
        return map(self.__getitem__, range(len(self)))

    @property
    def array(self) -> Digests:
        """A copy of all of them, shape ``(n,)``."""
        return np.frombuffer(bytes(self._data), f"S{_NUM_BYTES}")

    def extend(self, values: Sequence[bytes]) -> None:
        """Add values behind the others."""
        if any(len(value) != _NUM_BYTES for value in values):
            raise ValueError(f"a digest has {_NUM_BYTES} bytes")
        self._data += b"".join(values)

    def some(self, start: int, stop: int) -> list[bytes]:
        """Return the values from one on, up to another, if there are so many."""
        return [self[i] for i in range(start, min(stop, len(self)))]

    def take(self, order: npt.NDArray[Any]) -> DigestColumn:
        """Return a new column of some of the values."""
        found = DigestColumn()
        found._data = bytearray(self.array[order].tobytes())
        return found
