"""Several looks at a photo: their features side by side, from the store or from their networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from photograft.backbones.networks import Network
from photograft.backbones.registry import Backbone
from photograft.core.arrays import Floats, Pixels
from photograft.core.feature_table import Columns, Table

#: Pixels as each look prepares them, an argument ``(n, height, width, 3)`` a look, uint8, in;
#: features of all looks, ``(n, num_features)``, float32, out. Of one look it is a `Network`.
JoinedNetwork = Callable[..., Floats]


class JoinedTable:
    """The features of several looks, each in a table of its own, side by side.

    Attributes:
        tables: Of each look.
    """

    def __init__(self, tables: Sequence[Table]) -> None:
        self.num_features = sum(table.num_features for table in tables)
        self.tables = tuple(tables)

    def __contains__(self, digest: object) -> bool:
        return all(digest in table for table in self.tables)

    def __len__(self) -> int:
        return min(len(table) for table in self.tables)

    def rows(self, digests: Sequence[bytes], columns: Columns = slice(None)) -> Floats:
        """Return the rows of some photos; see `FeatureTable.rows`."""
        wanted = np.arange(self.num_features)[columns]
        found = np.empty((len(digests), len(wanted)), np.float32)
        start = 0
        for table in self.tables:
            own = (wanted >= start) & (wanted < start + table.num_features)
            if own.any():
                found[:, own] = table.rows(digests, wanted[own] - start)
            start += table.num_features
        return found


class MeanTable:
    """The means of features that lie in several tables, as those of photos and mirror images."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self.num_features = tables[0].num_features
        self._tables = tuple(tables)

    def __contains__(self, digest: object) -> bool:
        return all(digest in table for table in self._tables)

    def __len__(self) -> int:
        return min(len(table) for table in self._tables)

    def rows(self, digests: Sequence[bytes], columns: Columns = slice(None)) -> Floats:
        """Return the rows of some photos; see `FeatureTable.rows`."""
        total = self._tables[0].rows(digests, columns)
        for table in self._tables[1:]:
            total += table.rows(digests, columns)
        return total / np.float32(len(self._tables))


def join_networks(backbone: Backbone, networks: Sequence[Network]) -> JoinedNetwork:
    """Return what gives the features of all of a backbone's looks.

    Args:
        backbone: Of one look or of several.
        networks: Of each look.
    """
    runs = [
        _mirrored(network) if look.mirror else network
        for look, network in zip(backbone.looks, networks, strict=True)
    ]
    if len(runs) == 1:
        return runs[0]
    return lambda *stacks: np.concatenate(
        [run(stack) for run, stack in zip(runs, stacks, strict=True)], axis=1
    )


def _mirrored(network: Network) -> Network:
    def run(pixels: Pixels) -> Floats:
        total = network(pixels) + network(np.ascontiguousarray(pixels[:, :, ::-1]))
        return total / np.float32(2)

    return run
