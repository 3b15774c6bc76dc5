"""What tests of the feature store share: photos' keys, and features that follow from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photograft.core.feature_table import FeatureTable
from photograft.core.segments import Space

WIDTH = 7


KEY = {"backbone": "tiny", "engine": "torch", "precision": "fp32"}


KEY_BYTES, ROW_BYTES = 36, 4 * WIDTH


Floats = npt.NDArray[np.float32]


def digest(i: int) -> bytes:
    return hashlib.sha256(str(i).encode()).digest()


def row(key: bytes, width: int = WIDTH) -> Floats:
    """The features of a photo, which in these tests follow from its digest alone."""
    return np.frombuffer(hashlib.shake_256(key).digest(width), np.uint8).astype(np.float32)


def rows(keys: Iterable[bytes], width: int = WIDTH) -> Floats:
    return np.array([row(key, width) for key in keys], np.float32).reshape(-1, width)


def digests(*numbers: int) -> list[bytes]:
    return [digest(i) for i in numbers]


def put(space: Space, keys: list[bytes]) -> Path:
    """Write a segment; return its file of keys."""
    before = set(space.folder.glob("*.keys"))
    with space.writer() as writer:
        writer.append(keys, rows(keys, space.num_features))
    (made,) = set(space.folder.glob("*.keys")) - before
    return made


def found(table: FeatureTable, keys: list[bytes]) -> list[bytes]:
    """Which of the keys the table holds; each must have the right row."""
    there = [key for key in keys if key in table]
    assert len(there) == len(table)
    assert np.array_equal(table.rows(there), rows(there, table.num_features))
    return there
