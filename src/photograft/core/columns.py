"""Columns of Python's values as PyArrow's, without pandas.

``pyarrow.array`` imports pandas wherever it is installed, to ask whether it was given something of
its; that takes longer than all that is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def arrow_column(cells: Sequence[Any], kind: str = "") -> Any:
    """Return a column as a ``pyarrow.Array``.

    Args:
        cells: All text, all whole numbers, all numbers, or all one-dimensional float32 arrays; None
            where there is nothing. Anything else is left to PyArrow.
        kind: ``"string"``, ``"int64"`` or ``"float64"``; what the cells are where not given.
    """
    import pyarrow as pa  # slow to import

    kinds = {type(cell) for cell in cells if cell is not None}
    if kind == "string" or (not kind and kinds == {str}):
        texts = [b"" if cell is None else cell.encode() for cell in cells]
        ends = np.cumsum([0, *map(len, texts)]).astype(np.int32)
        return _array(pa.string(), cells, pa.py_buffer(ends), pa.py_buffer(b"".join(texts)))
    if kind == "int64" or (not kind and kinds == {int}):
        return _array(pa.int64(), cells, pa.py_buffer(_filled(cells, np.int64)))
    if kind in ("double", "float64") or (not kind and kinds and kinds <= {int, float}):
        return _array(pa.float64(), cells, pa.py_buffer(_filled(cells, np.float64)))
    if kinds == {np.ndarray} and all(c is not None and c.dtype == np.float32 for c in cells):
        ends = np.cumsum([0, *map(len, cells)]).astype(np.int32)
        values = np.concatenate(cells)
        offsets = pa.Array.from_buffers(pa.int32(), len(ends), [None, pa.py_buffer(ends)])
        flat = pa.Array.from_buffers(pa.float32(), len(values), [None, pa.py_buffer(values)])
        return pa.ListArray.from_arrays(offsets, flat)
    return pa.nulls(len(cells)) if not kinds else pa.array(cells)


def _array(type_: Any, cells: Sequence[Any], *buffers: Any) -> Any:
    import pyarrow as pa

    here = np.array([cell is not None for cell in cells], np.bool_)
    bits = None if here.all() else pa.py_buffer(np.packbits(here, bitorder="little"))
    return pa.Array.from_buffers(type_, len(cells), [bits, *buffers])


def _filled(cells: Sequence[Any], dtype: type[Any]) -> Any:
    return np.array([0 if cell is None else cell for cell in cells], dtype)
