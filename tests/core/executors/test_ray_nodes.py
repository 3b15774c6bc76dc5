"""What each worker on a Ray cluster has: all of it on one node."""

from __future__ import annotations

import sys

import pytest

from photograft.core.errors import InputError
from photograft.core.executors.ray_nodes import Node, Part, apart, loopback, together


@pytest.mark.parametrize(
    ("nodes", "accelerated", "expected"),
    [
        ([Node(8)], False, Part(8, 1)),
        ([Node(8, 2), Node(4)], False, Part(12, 1)),
        ([Node(8)], True, Part(1, 8)),
        ([Node(2), Node(8)], True, Part(1, 8)),  # more than a node has would never be there
        ([Node(4, 1)], True, Part(1, 4, 1.0)),
        ([Node(16, 1)], True, Part(4, 4, 0.25)),
        ([Node(64, 1)], True, Part(4, 16, 0.25)),
        ([Node(16, 2)], True, Part(4, 4, 0.5)),
        ([Node(4, 8)], True, Part(8, 1, 1.0)),
        ([Node(64), Node(4, 4)], True, Part(4, 1, 1.0)),  # cores elsewhere help no accelerator
        ([Node(16, 1), Node(8, 1)], True, Part(4, 4, 0.5)),
    ],
)
def test_workers_that_work_each_for_itself(
    nodes: list[Node], accelerated: bool, expected: Part
) -> None:
    """Enough of them decode for an accelerator, which they share."""
    assert apart(nodes, accelerated=accelerated) == expected


@pytest.mark.parametrize(
    ("nodes", "size", "accelerated", "expected"),
    [
        ([Node(8)], 2, False, Part(2, 4)),
        ([Node(6), Node(2)], 2, False, Part(2, 3)),
        ([Node(4), Node(4), Node(1)], 2, False, Part(2, 4)),
        ([Node(3), Node(3)], 4, False, Part(4, 1)),
        ([Node(8)], 2, True, Part(2, 4)),
        ([Node(32), Node(8, 2)], 2, True, Part(2, 4, 1)),
        ([Node(8, 1), Node(6, 1)], 2, True, Part(2, 6, 1)),
    ],
)
def test_workers_that_train_together(
    nodes: list[Node], size: int, accelerated: bool, expected: Part
) -> None:
    assert together(nodes, size, accelerated=accelerated) == expected


@pytest.mark.parametrize(
    ("nodes", "accelerated", "words"),
    [
        (
            [Node(2)],
            False,
            r"\(1 machine\) has room for 2 workers with a core each.* Give --workers 2",
        ),
        ([Node(1), Node(0)], False, r"\(2 machines\) has room for 1 worker .* Leave --workers out"),
        ([Node(1, 8), Node(8, 1)], True, "room for 2 workers with a core and an accelerator each"),
    ],
)
def test_no_room_for_so_many(nodes: list[Node], accelerated: bool, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        together(nodes, 3, accelerated=accelerated)
    assert "too few for 3 workers" in str(caught.value)


def test_a_node_as_ray_tells_of_it() -> None:
    told = {"Resources": {"CPU": 4.0, "memory": 1e9}, "NodeManagerAddress": "10.0.0.2"}
    assert Node.of(told) == Node(4, 0, "10.0.0.2")


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="looks for its interfaces")
def test_only_those_of_one_machine_talk_where_nobody_hears() -> None:
    assert (
        loopback([Node(4, address="127.0.0.1")]) == {"linux": "lo", "darwin": "lo0"}[sys.platform]
    )
    assert loopback([Node(4, address="127.0.0.1"), Node(4, address="10.0.0.2")]) == ""
