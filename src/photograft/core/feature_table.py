"""Rows of features that are found by their photos' digests."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from photograft.core.digests import Digests, digest_array
from photograft.core.errors import StorageError

_READ_ROWS = 1024

#: Which features of a row.
Columns = npt.NDArray[np.intp] | slice


class Table(Protocol):
    """Features of photos, found by their content digests; see `FeatureTable`."""

    num_features: int

    def __contains__(self, digest: object) -> bool: ...

    def __len__(self) -> int: ...

    def rows(self, digests: Sequence[bytes], columns: Columns = ...) -> npt.NDArray[np.float32]:
        """Return the rows of some photos; see `FeatureTable.rows`."""
        ...


class FeatureTable:
    """Rows of a space, memory-mapped: nothing is in memory until it is asked for.

    Args:
        num_features: Length of a row.
        maps: Segments, in order.
        digests: Of the photos, each once.
        places: Of each photo, the number of its row, counted through all of these.
    """

    def __init__(
        self,
        num_features: int,
        maps: list[npt.NDArray[np.float32]],
        digests: Sequence[bytes] | Digests,
        places: npt.NDArray[np.intp],
    ) -> None:
        self.num_features = num_features
        self._maps = maps
        order = np.argsort(own := digest_array(digests))
        self._digests, self._places = own[order], places[order]
        self._ends = np.cumsum([len(rows) for rows in maps])

    def __getstate__(self) -> dict[str, Any]:
        """Return what is sent to another process: where the rows are, and not they themselves."""
        maps = [
            (rows.filename, rows.shape) if isinstance(rows, np.memmap) else rows
            for rows in self._maps
        ]
        return {**vars(self), "_maps": maps}

    def __setstate__(self, state: dict[str, Any]) -> None:
        try:
            state["_maps"] = [
                np.memmap(rows[0], np.float32, "r", shape=rows[1])
                if isinstance(rows, tuple)
                else rows
                for rows in state["_maps"]
            ]
        except OSError as error:
            raise StorageError(
                f"a worker can't read the features that are kept in {error.filename}",
                fix="Give, in the environment variable PHOTOGRAFT_CACHE, a folder that all see.",
            ) from error
        vars(self).update(state)

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, bytes) and bool(self.holds([digest])[0])

    def __len__(self) -> int:
        return len(self._places)

    def holds(self, digests: Sequence[bytes] | Digests) -> npt.NDArray[np.bool_]:
        """Return of each photo whether its row is there, shape ``(n,)``."""
        return find_among(self._digests, digest_array(digests)) >= 0

    def rows(
        self, digests: Sequence[bytes] | Digests, columns: Columns = slice(None)
    ) -> npt.NDArray[np.float32]:
        """Return the rows of some photos, in their order.

        Args:
            digests: All of them must be in the table.
            columns: Which features of each row.

        Returns:
            Float32, shape ``(len(digests), number of columns)``, a copy.

        Raises:
            KeyError: A photo's row is not there.
        """
        width = np.empty((1, self.num_features), np.bool_)[:, columns].shape[1]
        found = np.empty((len(digests), width), np.float32)
        at = find_among(self._digests, digest_array(digests))
        if (at < 0).any():
            raise KeyError(digests[int(np.argmax(at < 0))])
        places = self._places[at]
        segments = np.searchsorted(self._ends, places, side="right")
        for start in range(0, len(places), _READ_ROWS):
            part = slice(start, start + _READ_ROWS)
            for segment in np.unique(segments[part]).tolist():
                own = np.flatnonzero(segments[part] == segment)
                rows = self._maps[segment]
                within = places[part][own] - (self._ends[segment] - len(rows))
                found[part][own] = np.asarray(rows)[within][:, columns]
                release(rows)
        return found


def find_among(known: Digests, wanted: Digests) -> npt.NDArray[np.intp]:
    """Return where each digest is among those that are known, -1 where it is not.

    Args:
        known: In order, each once.
        wanted: Any.
    """
    if not len(known):
        return np.full(len(wanted), -1, np.intp)
    at = np.searchsorted(known, wanted)
    at[at == len(known)] = 0
    return np.where(known[at] == wanted, at, -1)


def release(rows: npt.NDArray[Any]) -> None:
    """Let go of the pages that were read, so that what was looked at does not count as memory."""
    mapped = getattr(rows, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
