"""Columns for PyArrow: as it would make them itself, and without pandas."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from photograft.core.columns import arrow_column


@pytest.mark.parametrize(
    "cells",
    [
        ["a", "", "größer", "名前"],
        ["a", None, "b"],
        [None, None],
        [],
        [1, None, -(2**40), 3, 4, 5, 6, 7, 8, None],
        [0.5, None, float("nan"), 2],
        [True, False],
        [np.array([1, 2], np.float32), np.array([], np.float32), np.array([3], np.float32)],
        [["x"], ["y", "z"]],
    ],
)
def test_as_pyarrow_makes_them(cells: list[Any]) -> None:
    expected = pa.array(cells)
    found = arrow_column(cells)
    found.validate(full=True)
    assert found.type == expected.type
    assert str(found.to_pylist()) == str(expected.to_pylist())


@pytest.mark.parametrize(("kind", "cells"), [("string", []), ("int64", [None]), ("float64", [1])])
def test_the_type_that_was_asked_for(kind: str, cells: list[Any]) -> None:
    found = arrow_column(cells, kind)
    assert found.type == pa.type_for_alias(kind)
    assert found.to_pylist() == cells


def test_pandas_is_not_imported(tmp_path: Any) -> None:
    code = (
        "import sys; from pathlib import Path; from photograft.core.files import write_table; "
        f"write_table(Path({str(tmp_path / 'a.parquet')!r}), "
        "{'a': ['x', None], 'b': [1, 2], 'c': [0.5, None]}); assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
