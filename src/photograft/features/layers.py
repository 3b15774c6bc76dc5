"""Which depths of a backbone a head may see: the candidates that are compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from photograft.backbones.registry import Backbone, Layer
from photograft.core.errors import UnknownNameError

#: How many of the deepest earlier layers are joined to the last one.
_JOINED = (0, 2, 4)

#: Names of layers, and their columns in a stored row.
LayerSet = tuple[tuple[str, ...], npt.NDArray[np.intp]]


def layer_sets(layers: Sequence[Layer], wanted: str) -> list[LayerSet]:
    """Return the candidate sets of layers, each with its columns, each a part of the next one.

    Args:
        layers: That a stored row consists of, the last layer at the end.
        wanted: ``"last"``, ``"joined"``, names of layers with commas between, or ``"auto"``: the
            last layer, and the last joined with earlier ones, the more of them the later.

    Raises:
        UnknownNameError: There is no layer of a name that was given.
    """
    if wanted not in ("auto", "last", "joined"):
        return [named_layers(layers, wanted.split(","))]
    sets = []
    for extra in _JOINED:
        if (
            extra >= len(layers)
            or (extra > 0 and wanted == "last")
            or (not extra and wanted == "joined")
        ):
            continue
        sets.append(
            named_layers(layers, [layer.name for layer in layers[len(layers) - 1 - extra :]])
        )
    # A backbone that gives no earlier layer has nothing to join.
    return sets or layer_sets(layers, "last")


def widest_columns(backbone: Backbone, wanted: str) -> npt.NDArray[np.intp]:
    """Return the columns of the widest of the sets of layers of each look; see `layer_sets`."""
    found, start = [], 0
    for look in backbone.looks:
        found.append(start + layer_sets(look.layers, wanted)[-1][1])
        start += look.num_features
    return np.concatenate(found)


def last_columns(layers: Sequence[Layer]) -> npt.NDArray[np.intp]:
    """Return the columns of the last layer in a stored row."""
    return named_layers(layers, [layers[-1].name])[1]


def named_layers(layers: Sequence[Layer], names: Sequence[str]) -> LayerSet:
    """Return layers by name, in the order of a stored row, with their columns.

    Args:
        layers: That a stored row consists of.
        names: Of those that are wanted.

    Raises:
        UnknownNameError: There is no layer of such a name.
    """
    known = [layer.name for layer in layers]
    for name in names:
        if name not in known:
            raise UnknownNameError("layer", name, known, fix=f"There are {', '.join(known)}.")
    ends = np.cumsum([layer.num_features for layer in layers])
    chosen = [i for i, name in enumerate(known) if name in names]
    columns = [np.arange(ends[i] - layers[i].num_features, ends[i]) for i in chosen]
    return tuple(known[i] for i in chosen), np.concatenate(columns)
