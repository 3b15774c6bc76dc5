"""Features of which some tell the class, and the head that is chosen for them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from photograft.backbones.registry import Layer
from photograft.core.arrays import Floats
from photograft.data.splits import make_folds
from photograft.learning.head import out_of_fold
from photograft.learning.head.candidates import Gather
from photograft.learning.head.cross_validation import HeadResult
from photograft.learning.head.selection import Selection, select

Labels = npt.NDArray[np.int64]

LAYERS = tuple(Layer(name, 8) for name in ("a", "b", "c", "d", "last"))
WIDTH = 40


def keys_of(n: int) -> list[bytes]:
    return [hashlib.sha256(str(i).encode()).digest() for i in range(n)]


def gather_from(features: Floats) -> Gather:
    return lambda rows, columns: features[rows][:, columns]


def noise(n: int, seed: int = 0, width: int = WIDTH) -> tuple[Floats, Labels]:
    """Features that tell nothing of the labels."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, width)).astype(np.float32), rng.integers(0, 2, n)


def signal_in(columns: slice, n: int = 240, strength: float = 2.0) -> tuple[Floats, Labels]:
    """Features of which only some tell the class."""
    features, labels = noise(n)
    features[:, columns] += (strength * labels[:, None]).astype(np.float32)
    return features, labels


def choose(
    features: Floats,
    labels: Labels,
    *,
    groups: Labels | None = None,
    layers: str = "auto",
    head: str = "auto",
    balanced: bool = False,
    seed: int = 0,
    backbone_layers: Sequence[Layer] = LAYERS,
) -> Selection:
    return select(
        gather_from(features),
        labels,
        np.arange(len(labels)) if groups is None else groups,
        keys_of(len(labels)),
        backbone_layers=backbone_layers,
        layers=layers,
        head=head,
        balanced=balanced,
        seed=seed,
    )


def names_of(found: Selection) -> list[tuple[str, ...]]:
    return [candidate.layers for candidate in found.candidates]


def point(l2: float, losses: list[float]) -> HeadResult:
    n = len(losses)
    column, zeros = np.array(losses)[:, None], np.zeros((n, 1), np.int64)
    return HeadResult(l2, column, zeros, zeros == 1, 0.0, np.full(n, 1 / n))


def folds_seen(monkeypatch: pytest.MonkeyPatch) -> list[Labels]:
    """Every assignment to folds that the choice makes from now on."""
    seen: list[Labels] = []

    def watch(
        labels: Labels, groups: Labels, keys: Sequence[bytes], *, num_folds: int, seed: int
    ) -> Labels:
        seen.append(make_folds(labels, groups, keys, num_folds=num_folds, seed=seed))
        return seen[-1]

    monkeypatch.setattr(out_of_fold, "make_folds", watch)
    return seen
