"""Looks that a blend takes nothing of are looked with no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from photograft.backbones.joined import join, layer_name
from photograft.backbones.registry import Backbone
from photograft.learning.head.selection import Selection


def narrowed(looks: Sequence[Backbone], selection: Selection) -> tuple[list[int], Selection]:
    """Return which looks a selection takes something of, and the selection among these alone.

    Args:
        looks: None of them joined itself, in the order of the joined rows.
        selection: Of heads on all of them.
    """
    widths = [look.num_features for look in looks]
    starts = np.cumsum([0, *widths])
    owners = np.searchsorted(starts, selection.columns, side="right") - 1
    used = sorted(set(owners.tolist()))
    if len(used) == len(looks):
        return used, selection
    before, record = join(looks), join([looks[i] for i in used])
    names, shift, start = {}, {}, 0
    for i in used:
        for layer in looks[i].layers:
            names[layer_name(before, looks[i], layer)] = layer_name(record, looks[i], layer)
        shift[i] = start - int(starts[i])
        start += widths[i]

    def moved(columns: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        owner = np.searchsorted(starts, columns, side="right") - 1
        return columns + np.array([shift[i] for i in owner.tolist()], np.intp)

    members = tuple(
        replace(
            member,
            layers=tuple(names[name] for name in member.layers),
            columns=moved(member.columns),
        )
        for member in selection.members
    )
    return used, replace(
        selection,
        members=members,
        layers=tuple(names[name] for name in selection.layers),
        columns=np.sort(moved(selection.columns)),
    )
