"""What tests of the estimators share: drawn photos as paths, their labels, and a count of looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from estimator_helpers import count_photos, draw_paths, labels_of


@pytest.fixture
def paths(tmp_path: Path) -> npt.NDArray[Any]:
    return draw_paths(tmp_path / "photos")


@pytest.fixture
def labels(paths: npt.NDArray[Any]) -> npt.NDArray[np.str_]:
    return labels_of(paths)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many photos each call of a network got."""
    return count_photos(monkeypatch)
