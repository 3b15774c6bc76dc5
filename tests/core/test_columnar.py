"""Records kept as columns are what they were."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np
import pytest

from photograft.core.columnar import Codes, Numbers, Records, Texts
from photograft.core.digests import DigestColumn, digest_array


class Thing(NamedTuple):
    name: str
    kind: str | None
    size: int
    made: bytes


def digest(i: int) -> bytes:
    """Now and then with zeros at the end, which NumPy's own text drops."""
    return hashlib.sha256(str(i).encode()).digest()[: 32 - i % 3] + bytes(i % 3)


def things(n: int = 10) -> list[Thing]:
    odd = ("", "caf\u00e9", "\udce9.jpg", "\ud83d\ude00", "a\nb")
    kinds = ("a", None, "b")
    return [Thing(f"{i}{odd[i % 5]}", kinds[i % 3], i * 10**9 - 5, digest(i)) for i in range(n)]


def records(values: list[Thing]) -> Records[Thing]:
    columns: dict[str, Any] = {
        "name": Texts(),
        "kind": Codes(),
        "size": Numbers(),
        "made": DigestColumn(),
    }
    return Records(Thing, columns, values)


@pytest.mark.parametrize("n", [0, 1, 10, 9000])
def test_same_records(n: int) -> None:
    values = things(n)
    found = records(values)
    assert len(found) == n
    assert list(found) == values
    assert [found[i] for i in range(n)] == values
    assert found == tuple(values)
    assert found[2:7] == tuple(values[2:7])
    assert (found != tuple(values[:-1])) is bool(n)
    for column, cells in zip(found.columns.values(), zip(*values, strict=True), strict=False):
        assert list(column) == list(cells)
        assert column.some(1, 6) == list(cells)[1:6]
        assert column.some(n, n + 5) == []


def test_some_of_them_in_another_order() -> None:
    values, order = things(), np.array([7, 0, 0, 3])
    found = records(values).take(order)
    assert list(found) == [values[i] for i in order]
    # What no longer occurs is not among the values, either.
    kinds = found.columns["kind"]
    assert isinstance(kinds, Codes)
    assert sorted(kinds.values, key=str) == sorted({values[i].kind for i in order}, key=str)
    assert [kinds.values[i] for i in kinds.codes] == [values[i].kind for i in order]


def test_places_as_of_a_list() -> None:
    values = things()
    found = records(values)
    assert found[-1] == values[-1]
    assert found[int(np.int64(3))] == values[3]
    for place in (10, -11):
        with pytest.raises(IndexError):
            found[place]
    assert found[3:1] == ()
    assert values[4] in found
    assert found.index(values[4]) == 4


def test_columns_are_added_behind() -> None:
    found = records(things(2))
    found.extend(name=["x"], kind=["c"], size=[3], made=[digest(3)])
    assert found[2] == Thing("x", "c", 3, digest(3))
    assert repr(found).endswith("3 in all)")


def test_digests_side_by_side() -> None:
    values = [digest(i) for i in range(9)]
    column = DigestColumn()
    column.extend(values)
    assert list(column) == values
    assert column.array.tobytes() == digest_array(values).tobytes() == b"".join(values)
    assert digest_array([]).shape == (0,)
    with pytest.raises(ValueError, match="32 bytes"):
        column.extend([b"short"])
