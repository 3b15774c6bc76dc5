"""Estimators with a tiny network, for tests of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from drawing import draw_folder
from photograft.backbones.engines import open_network
from photograft.interfaces.sklearn.estimators import PhotoClassifier
from photograft.interfaces.sklearn.transformer import BackboneFeatures
from training_helpers import TINY

SETTINGS = {"engine": "torch", "precision": "fp32", "preprocessing": {"input_size": 32}}
CLASSES = ("circle", "square", "triangle")


def classifier(backbone: str = TINY, **more: Any) -> PhotoClassifier:
    return PhotoClassifier(backbone, **{"settings": SETTINGS, **more})


def features(backbone: str = TINY, **more: Any) -> BackboneFeatures:
    return BackboneFeatures(backbone, **{"settings": SETTINGS, **more})


def draw_paths(folder: Path) -> npt.NDArray[Any]:
    """Twelve photos of each of `CLASSES`, as an array of paths."""
    draw_folder(folder, CLASSES, n=12, size=40)
    return np.array(sorted(folder.glob("*/*")))


def labels_of(paths: npt.NDArray[Any]) -> npt.NDArray[np.str_]:
    return np.array([path.parent.name for path in paths])


def count_photos(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many photos each call of a network gets from now on."""
    calls: list[int] = []

    def opened(*arguments: Any) -> Callable[..., Any]:
        run = open_network(*arguments)

        def counted(pixels: npt.NDArray[np.uint8]) -> Any:
            calls.append(len(pixels))
            return run(pixels)

        return counted

    monkeypatch.setattr("photograft.features.networks.open_network", opened)
    return calls


def pictures(shape: tuple[int, ...], n: int = 3) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, *shape), np.uint8)
