"""Classifiers of no meaning, on networks of random weights."""

from __future__ import annotations

import itertools

import numpy as np

from photograft.backbones.engines import Engine
from photograft.backbones.get import get_backbone
from photograft.backbones.pytorch.zoo import describe_keras
from photograft.backbones.registry import EMBEDDED, Backbone
from photograft.classifier.classifier import Classifier
from photograft.classifier.head import Head
from training_helpers import TINY, tiny_backbone


def record(name: str, pooling: str = "avg") -> Backbone:
    if name.startswith("keras:"):
        return describe_keras(name.removeprefix("keras:"))
    if name == TINY:
        return tiny_backbone(pooling=pooling)
    return get_backbone(name, "pretrained" if name in EMBEDDED else "random", pooling=pooling)


def make_classifier(
    backbone: Backbone,
    layers: tuple[str, ...] = ("last",),
    *,
    hidden: int = 0,
    coding: str = "softmax",
    seed: int = 0,
) -> Classifier:
    """A classifier with a random head."""
    rng = np.random.default_rng(seed)
    classes = ("a", "b") if coding == "sigmoid" else ("a", "b", "c")
    d = sum(layer.num_features for layer in backbone.layers if layer.name in layers)
    widths = [d, *([hidden] if hidden else []), 1 if coding == "sigmoid" else len(classes)]
    shapes = list(itertools.pairwise(widths))
    head = Head(
        tuple(rng.normal(0, a**-0.5, (a, b)).astype(np.float32) for a, b in shapes),
        tuple(rng.normal(0, 1, b).astype(np.float32) for _, b in shapes),
        coding,
    )
    return Classifier(classes, backbone, Engine("torch", "fp32"), layers, head)
