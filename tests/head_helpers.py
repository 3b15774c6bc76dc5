"""Heads on drawn features, for tests of how they are fitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from photograft.backbones.registry import Layer
from photograft.classifier.head import Head
from photograft.core.arrays import Floats
from photograft.features.layers import layer_sets
from photograft.learning.head.candidates import Gather, nested_columns
from photograft.learning.head.selection import Member, Selection, select

Labels = npt.NDArray[np.int64]

WIDTHS = (("z", 4), ("a", 6), ("b", 9), ("c", 5), ("last", 10))
LAYERS = tuple(Layer(name, width) for name, width in WIDTHS)
WIDTH = 34


def problem(n: int = 200, seed: int = 0, num_views: int = 1) -> tuple[Floats, Labels]:
    """Every layer tells a part; offsets and scales differ; a row for each view of each photo."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    centres = rng.normal(0, 0.5, (3, WIDTH))
    hidden = centres[labels] + rng.normal(0, 1, (n, WIDTH))
    features = hidden * 10 ** rng.uniform(-1, 1, WIDTH) + rng.normal(0, 3, WIDTH)
    views = [features + 0.1 * rng.normal(size=features.shape) for _ in range(num_views)]
    return np.concatenate(views).astype(np.float32), labels


def gather_from(features: Floats) -> Gather:
    return lambda rows, columns: features[rows][:, columns]


def keys_of(n: int) -> list[bytes]:
    return [i.to_bytes(32, "big") for i in range(n)]


def choose(features: Floats, labels: Labels, **changes: object) -> Selection:
    settings: dict[str, object] = {
        "backbone_layers": LAYERS,
        "layers": "auto",
        "balanced": False,
        "seed": 0,
        "num_views": len(features) // len(labels),
        **changes,
    }
    n = len(labels)
    return select(gather_from(features), labels, np.arange(n), keys_of(n), **settings)  # type: ignore[arg-type]


def made(*heads: tuple[str, tuple[str, ...], float, float], like: Selection) -> Selection:
    """A selection of heads: kind, layers, strength and weight of each."""
    members = tuple(
        Member(kind, layers, columns_of(layers), strength, weight, 1 / len(heads))
        for kind, layers, strength, weight in heads
    )
    columns = np.unique(np.concatenate([member.columns for member in members]))
    names = tuple(layer.name for layer in LAYERS if any(layer.name in m.layers for m in members))
    return replace(like, members=members, columns=columns, layers=names)


def columns_of(layers: tuple[str, ...]) -> npt.NDArray[np.intp]:
    """In the order of a basis: the last layer first, those that wider sets add after it."""
    sets = layer_sets(LAYERS, "auto")
    for number, (names, _) in enumerate(sets):
        if names == layers:
            return nested_columns(sets[: number + 1])
    ((_, columns),) = layer_sets(LAYERS, ",".join(layers))
    return columns


def logits(head: Head, features: Floats) -> npt.NDArray[np.float64]:
    (weight,), (bias,) = head.weights, head.biases
    z = features.astype(np.float64) @ weight + bias
    found: npt.NDArray[np.float64] = z - z.mean(axis=1, keepdims=True)
    return found


HEADS = {
    "one kind": (("logistic", ("last",), 0.1, 1.0),),
    "nested": (
        ("logistic", ("last",), 0.1, 0.6),
        ("logistic", ("b", "c", "last"), 0.03, 0.3),
        ("discriminant", ("z", "a", "b", "c", "last"), 0.3, 0.9),
    ),
    "wide first": (
        ("discriminant", ("z", "a", "b", "c", "last"), 0.0, 0.9),
        ("logistic", ("last",), 0.1, 0.6),
    ),
    "same layers": (
        ("logistic", ("b", "c", "last"), 0.03, 0.4),
        ("discriminant", ("b", "c", "last"), 0.9, 0.5),
    ),
    "strangers": (("logistic", ("a",), 0.1, 0.5), ("discriminant", ("c",), 0.3, 0.7)),
}
