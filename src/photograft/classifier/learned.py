"""Which photos a classifier has learned from, so that scores on them are not taken for honest.

A photo is told by its content: the first bytes of the SHA-256 of its file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from photograft.classifier.files import changed, read_tensors
from photograft.core.text import count

#: In a saved classifier's folder.
FILE_NAME = "learned.safetensors"

#: What is kept of each hash: among a billion photos, the chance that two agree is 3 %.
_NUM_BYTES = 8


@dataclass(frozen=True)
class Learned:
    """Which photos a classifier has learned from.

    Attributes:
        train: The first 8 bytes of the SHA-256 of each file that it was fitted on.
        validation: Likewise of those by which settings, calibration and thresholds were chosen.
    """

    train: frozenset[bytes]
    validation: frozenset[bytes]

    def __repr__(self) -> str:
        return (
            f"Learned({count(len(self.train), 'training photo')}, "
            f"{count(len(self.validation), 'validation photo')})"
        )

    @classmethod
    def of(cls, train: Iterable[bytes], validation: Iterable[bytes] = ()) -> Self:
        """Take photos, by their SHA-256: what is in both counts as trained on."""
        fitted = frozenset(digest[:_NUM_BYTES] for digest in train)
        return cls(fitted, frozenset(digest[:_NUM_BYTES] for digest in validation) - fitted)

    def parts(self, digests: Sequence[bytes]) -> npt.NDArray[np.str_]:
        """Return what photos were to it: ``"train"``, ``"validation"``, or ``""`` for new ones.

        Args:
            digests: The SHA-256 of each file.

        Returns:
            Shape ``(n,)``.
        """
        starts = [digest[:_NUM_BYTES] for digest in digests]
        found = [
            "train" if s in self.train else "validation" if s in self.validation else ""
            for s in starts
        ]
        return np.array(found, dtype=np.str_)

    def tensors(self) -> dict[str, npt.NDArray[np.uint8]]:
        """Return it by name, for a file: uint8, shape ``(n, 8)``, the rows sorted."""
        return {"train": _rows(self.train), "validation": _rows(self.validation)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Return what `tensors` gave.

        Raises:
            KeyError: A tensor is missing.
            ValueError: One is of another shape or type.
        """
        return cls(_starts(tensors["train"]), _starts(tensors["validation"]))


def write_learned(folder: Path, learned: Learned) -> None:
    """Write it into the folder of a saved classifier."""
    # As bytes: written by safetensors itself, a full disk would be no OSError.
    (folder / FILE_NAME).write_bytes(save(learned.tensors()))


def read_learned(folder: Path) -> Learned:
    """Return what the folder of a saved classifier knows.

    Raises:
        ClassifierError: The file is damaged.
    """
    path = folder / FILE_NAME
    try:
        return Learned.from_tensors(read_tensors(path))
    except (KeyError, ValueError) as error:
        raise changed(path) from error


def _rows(starts: frozenset[bytes]) -> npt.NDArray[np.uint8]:
    joined = b"".join(sorted(starts))
    return np.frombuffer(joined, np.uint8).reshape(-1, _NUM_BYTES).copy()


def _starts(rows: npt.NDArray[Any]) -> frozenset[bytes]:
    if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != _NUM_BYTES:
        raise ValueError(f"hashes of shape {rows.shape} and type {rows.dtype}")
    return frozenset(row.tobytes() for row in rows)
