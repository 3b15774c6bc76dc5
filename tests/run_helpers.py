"""What the tests of `photograft train` read from a run folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

import system_helpers as system


def split_of(run: Path) -> dict[str, str]:
    return {row["name"]: row["split"] for row in system.read_rows(run / "files.parquet")}


def predictions(run_path: Path) -> dict[str, dict[str, npt.NDArray[np.float32]]]:
    """Of each part, each file's probabilities."""
    found: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
    for row in system.read_rows(run_path / "predictions.parquet"):
        values = np.array(row["probabilities"], np.float32)
        found.setdefault(row["split"], {})[row["name"]] = values
    return found
