"""Which sets of layers are compared, and which columns of a stored row they are."""

from __future__ import annotations

from itertools import pairwise

import pytest

from photograft.backbones.registry import Layer
from photograft.core.errors import UnknownNameError
from photograft.features.layers import layer_sets

LAYERS = [Layer(f"blocks.{i}", 2) for i in range(4)] + [Layer("last", 3)]

LAST = ["last"]
JOINED_2 = ["blocks.2", "blocks.3", "last"]
JOINED_4 = ["blocks.0", "blocks.1", "blocks.2", "blocks.3", "last"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("auto", [LAST, JOINED_2, JOINED_4]),
        ("last", [LAST]),
        ("joined", [JOINED_2, JOINED_4]),
        ("blocks.1", [["blocks.1"]]),
        ("last,blocks.1", [["blocks.1", "last"]]),  # in the network's order
    ],
)
def test_sets(wanted: str, expected: list[list[str]]) -> None:
    assert [list(names) for names, _ in layer_sets(LAYERS, wanted)] == expected


@pytest.mark.parametrize("wanted", ["auto", "joined"])
def test_each_set_is_a_part_of_the_next_one(wanted: str) -> None:
    columns = [set(own.tolist()) for _, own in layer_sets(LAYERS, wanted)]
    assert all(narrow < wide for narrow, wide in pairwise(columns))


def test_columns() -> None:
    columns = {names: found.tolist() for names, found in layer_sets(LAYERS, "auto")}
    assert columns == {
        ("last",): [8, 9, 10],
        tuple(JOINED_2): list(range(4, 11)),
        tuple(JOINED_4): list(range(11)),
    }
    ((_, named),) = layer_sets(LAYERS, "blocks.0,last")
    assert named.tolist() == [0, 1, 8, 9, 10]


@pytest.mark.parametrize("wanted", ["auto", "last", "joined"])
def test_backbone_of_one_layer(wanted: str) -> None:
    ((names, columns),) = layer_sets(LAYERS[-1:], wanted)
    assert (names, columns.tolist()) == (("last",), [0, 1, 2])


@pytest.mark.parametrize(("count", "expected"), [(2, [LAST]), (3, [LAST, JOINED_2])])
def test_backbone_of_few_layers(count: int, expected: list[list[str]]) -> None:
    assert [list(names) for names, _ in layer_sets(LAYERS[-count:], "auto")] == expected


@pytest.mark.parametrize("wanted", ["", "first", "blocks.1,,last", "blocks.9", "last, blocks.1"])
def test_unknown_layers(wanted: str) -> None:
    with pytest.raises(UnknownNameError, match=r"There are blocks\.0.*last"):
        layer_sets(LAYERS, wanted)
