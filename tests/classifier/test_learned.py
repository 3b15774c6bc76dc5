"""Which photos a classifier has learned from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from photograft.classifier.learned import FILE_NAME, Learned, read_learned, write_learned
from photograft.core.errors import ClassifierError

DIGESTS = [hashlib.sha256(bytes([i])).digest() for i in range(6)]


def test_photos_are_told_by_their_content() -> None:
    learned = Learned.of(DIGESTS[:3], DIGESTS[2:4])
    expected = ["train", "train", "train", "validation", "", ""]
    assert learned.parts(DIGESTS).tolist() == expected
    assert learned.parts([]).shape == (0,)
    assert repr(learned) == "Learned(3 training photos, 1 validation photo)"


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    learned = Learned.of(DIGESTS[:3], DIGESTS[3:5])
    write_learned(tmp_path, learned)
    first = (tmp_path / FILE_NAME).read_bytes()
    assert read_learned(tmp_path) == learned
    write_learned(tmp_path, Learned.of(DIGESTS[2::-1], DIGESTS[4:2:-1]))
    assert (tmp_path / FILE_NAME).read_bytes() == first


def test_without_validation(tmp_path: Path) -> None:
    write_learned(tmp_path, Learned.of(DIGESTS))
    assert read_learned(tmp_path).parts(DIGESTS).tolist() == ["train"] * 6


@pytest.mark.parametrize(
    "tensors",
    [
        {"train": np.zeros((2, 8), np.uint8)},
        {"train": np.zeros((2, 7), np.uint8), "validation": np.zeros((0, 8), np.uint8)},
        {"train": np.zeros((2, 8), np.int16), "validation": np.zeros((0, 8), np.uint8)},
    ],
    ids=["no validation", "shape", "type"],
)
def test_a_damaged_file_is_refused(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    (tmp_path / FILE_NAME).write_bytes(save(tensors))
    with pytest.raises(ClassifierError, match="is not as it was written"):
        read_learned(tmp_path)
