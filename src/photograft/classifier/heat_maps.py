"""Where in a photo the evidence for a class is: Grad-CAM, for any backbone and any head.

Selvaraju et al. (2017), "Grad-CAM: visual explanations from deep networks via gradient-based
localization", arXiv:1610.02391. Of every feature map that the head sees, each channel counts by
the mean gradient of the class's logit; where the head sees every place of the map for itself
(pooling ``"flatten"``), by the gradient at each place (Draelos & Carin, 2020, arXiv:2011.08891).
With an averaging pooling and a linear head, what the places add up to is the logit itself, but for
its bias.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photograft.backbones.engines import Engine
from photograft.backbones.joined import layer_name
from photograft.backbones.networks import open_maps, open_network
from photograft.backbones.pytorch.gradient_maps import TorchMaps, no_heat_map
from photograft.backbones.registry import Backbone, Layer
from photograft.classifier.classifier import Classifier
from photograft.classifier.opening import Look
from photograft.core.arrays import Floats, Pixels
from photograft.core.errors import InputError
from photograft.core.optional import need_torch
from photograft.core.store import FeatureStore
from photograft.features.extraction import open_space
from photograft.features.layers import named_layers
from photograft.features.preprocessing import prepare_looks

#: A photo's pixels in; out come its features, float32, shape ``(d,)`` of the layers that the head
#: sees, joined, and what gives each layer's evidence for a gradient of that shape: float32, shape
#: ``(h, w)`` of the layer's map.
Maps = Callable[[Pixels], tuple[Floats, Callable[[Floats], list[Floats]]]]


@dataclass(frozen=True)
class Evidence:
    """Where in a photo the evidence for a class is.

    Attributes:
        heat: Evidence for the class, float32, shape ``(h, w)`` of the last feature map's grid, in
            [0, 1]: its largest value is 1, or all are 0 where nothing speaks for the class.
        evidence: The same before what speaks against the class is cut off and it is scaled: float32
            of that shape, in units of the logit.
        features: The last layer that the head sees, pooled: float32, shape ``(num_features,)``.
        logits: Of all classes, float64, shape ``(num_classes,)``.
        class_index: The class that it is about.
    """

    heat: Floats
    evidence: Floats
    features: Floats
    logits: npt.NDArray[np.float64]
    class_index: int


class HeatMaps:
    """A classifier's network, opened once, for the heat maps of many photos.

    It runs in float32 on the processor. Where the network is prepared for an engine and pools maps
    only, no torch is needed; else torch runs it, whatever the classifier was trained with.

    Args:
        classifier: Any.
        store: Where prepared networks are kept; the user's cache where not given.

    Raises:
        WeightsError: Its backbone's weights are not here.
        InputError: It takes torch, which is not installed.
    """

    def __init__(self, classifier: Classifier, store: FeatureStore | None = None) -> None:
        self._classifier = classifier
        store = store or FeatureStore()
        self._layers = [
            layer for layer in classifier.backbone.layers if layer.name in classifier.layers
        ]
        engine = classifier.engine.available().in_float()
        self._looks = []
        for look in classifier.looks():
            names = [
                layer.name
                for layer in look.backbone.layers
                if layer_name(classifier.backbone, look.backbone, layer) in classifier.layers
            ]
            if names:
                maps = _open_look(look, names, engine, store)
                own = _both_ways(maps) if look.backbone.mirror else maps
                self._looks.append((look.backbone, own))

    def evidence_in(self, photo: bytes | Pixels, class_index: int | None = None) -> Evidence:
        """Return where the evidence for a class is in a photo.

        Args:
            photo: A file's bytes, or what `preprocessing.prepare` makes of them: uint8, shape
                ``(height, width, 3)``.
            class_index: The class; the most probable one where not given.

        Raises:
            ImageError: The bytes are no usable picture.
            InputError: The backbone's output can't be laid out over a photo.
        """
        features, evidence_for = self._look_at(photo)
        head = self._classifier.head
        logits = head.logits(features[None])[0]
        c = int(logits.argmax()) if class_index is None else class_index
        # Softmax does not change by what is added to all logits; and the first class of a sigmoid
        # has a logit of its own only in this way.
        direction = np.full(len(logits), -1 / len(logits))
        direction[c] += 1
        evidence = _added_up(evidence_for(head.gradient(features, direction)))
        positive = np.maximum(evidence, 0)
        heat = positive / positive.max() if positive.max() > 0 else positive
        return Evidence(
            heat=heat.astype(np.float32),
            evidence=evidence,
            features=self._last(features),
            logits=logits,
            class_index=c,
        )

    def features(self, photo: bytes | Pixels) -> Floats:
        """Return the last layer that the head sees, pooled: float32, shape ``(num_features,)``.

        Unlike `evidence_in` it works for every backbone.

        Args:
            photo: As in `evidence_in`.

        Raises:
            ImageError: The bytes are no usable picture.
        """
        return self._last(self._look_at(photo)[0])

    def _look_at(self, photo: bytes | Pixels) -> tuple[Floats, Callable[[Floats], list[Floats]]]:
        most = self._classifier.max_pixels
        if not isinstance(photo, bytes) and len(self._looks) > 1:
            raise InputError(
                "several looks at a photo need its file", expected="bytes", got="prepared pixels"
            )
        looks = [look for look, _ in self._looks]
        pixels = (
            prepare_looks(photo, looks, max_pixels=most) if isinstance(photo, bytes) else [photo]
        )
        seen = [maps(own) for own, (_, maps) in zip(pixels, self._looks, strict=True)]
        ends = np.cumsum([len(features) for features, _ in seen])[:-1]

        def evidence(gradient: Floats) -> list[Floats]:
            parts = np.split(gradient, ends)
            return [
                grid
                for (_, evidence_for), part in zip(seen, parts, strict=True)
                for grid in evidence_for(part)
            ]

        return np.concatenate([features for features, _ in seen]), evidence

    def _last(self, features: Floats) -> Floats:
        return features[-self._layers[-1].num_features :]


def _open_look(look: Look, names: Sequence[str], engine: Engine, store: FeatureStore) -> Maps:
    """Return what gives the evidence of one look at a photo as it is."""
    backbone = look.backbone
    layers = [layer for layer in backbone.layers if layer.name in names]
    folder = open_space(store, backbone, engine).folder
    maps = open_maps(backbone, look.path, names, engine, folder)
    if maps is not None:
        return lambda pixels: _plain(*maps(pixels), layers)
    if backbone.is_onnx:
        network = open_network(backbone, look.path, engine, folder)
        columns = named_layers(backbone.layers, names)[1]
        return lambda pixels: (network(pixels[None])[0][columns], _without_maps(backbone))
    need_torch(f"a heat map of {backbone.name}")
    return TorchMaps(backbone, look.path, names)


def _both_ways(maps: Maps) -> Maps:
    """Return the means of what a look and its mirror image give, turned back."""

    def run(pixels: Pixels) -> tuple[Floats, Callable[[Floats], list[Floats]]]:
        plain, evidence_for = maps(pixels)
        mirrored, mirrored_evidence_for = maps(np.ascontiguousarray(pixels[:, ::-1]))

        def evidence(gradient: Floats) -> list[Floats]:
            pairs = zip(evidence_for(gradient), mirrored_evidence_for(gradient), strict=True)
            return [(one + other[:, ::-1]) / np.float32(2) for one, other in pairs]

        return (plain + mirrored) / np.float32(2), evidence

    return run


def _plain(
    maps: Sequence[Floats], features: Floats, layers: Sequence[Layer]
) -> tuple[Floats, Callable[[Floats], list[Floats]]]:
    """Return what `Maps` does, of layers that are maps' means, or the maps themselves."""

    def evidence(gradient: Floats) -> list[Floats]:
        ends = np.cumsum([layer.num_features for layer in layers])[:-1]
        found = []
        for values, layer, slopes in zip(maps, layers, np.split(gradient, ends), strict=True):
            if layer.pooling == "flatten":
                found.append((slopes.reshape(values.shape) * values).sum(axis=0))
            else:
                found.append(np.tensordot(slopes, values, 1) / values[0].size)
        return found

    return features, evidence


def _without_maps(backbone: Backbone) -> Callable[[Floats], list[Floats]]:
    """Return what stands for the evidence where an ONNX file's layers are no maps."""

    def evidence(gradient: Floats) -> list[Floats]:
        del gradient
        raise no_heat_map(
            backbone.name, "an ONNX file, and not all layers that the classifier sees are maps"
        )

    return evidence


def _added_up(grids: Sequence[Floats]) -> Floats:
    """Return the sum of maps on the last one's grid; what a place of it covers is added up."""
    last = grids[-1]
    total: Floats = last.astype(np.float32)
    for grid in grids[:-1]:
        down, across = (_means(a, b) for a, b in zip(grid.shape, last.shape, strict=True))
        total += down @ grid @ across.T * np.float32(grid.size / last.size)
    return total


def _means(n: int, m: int) -> Floats:
    """Return the matrix ``(m, n)`` that averages n places into m: each counts by its share."""
    targets, places = np.arange(m)[:, None] * n, np.arange(n) * m  # in parts of m * n
    shared = np.minimum(targets + n, places + m) - np.maximum(targets, places)
    found: Floats = (np.maximum(shared, 0) / n).astype(np.float32)
    return found
