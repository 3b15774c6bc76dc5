"""The feature maps that a converted network pools, where its graph lets them be found.

A converted network is a graph from pixels to features. From each layer's features the graph is
followed back to the last map with places, and what is found is only believed where pooling it gives
those features: so nothing is assumed of how a network was written or converted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photograft.backbones.openvino.hiding import hidden
from photograft.backbones.openvino.network import (
    PRECISIONS,
    compile_model,
    is_intact,
    network_file,
)
from photograft.backbones.registry import BATCH_SIZE, Backbone, Layer
from photograft.core.errors import ConversionError

with hidden("openvino_telemetry"):
    import openvino
    from openvino import opset8

Floats = npt.NDArray[np.float32]

#: Steps from a layer's features back to its map: squeezes, reshapes, a mean.
_FARTHEST = 8
_TOLERANCE = 1e-4


class OpenVinoMaps:
    """A converted backbone that gives its layers' feature maps, in float32.

    Args:
        backbone: The record.
        names: Of the layers that are wanted, at least one.
        folder: Holds the converted network.

    Raises:
        ConversionError: There is none, or its features are not its maps', pooled.
    """

    def __init__(self, backbone: Backbone, names: Sequence[str], folder: Path) -> None:
        if not is_intact(folder):
            raise ConversionError(f"{backbone.name} was not converted for OpenVINO")
        self._layers = tuple(layer for layer in backbone.layers if layer.name in names)
        wanted = [i for i, layer in enumerate(backbone.layers) if layer.name in names]
        try:
            whole = openvino.Core().read_model(network_file(folder))
            sources = _sources(whole, len(backbone.layers))
            found = [_map_of(sources[i]) for i in wanted]
            results = [opset8.result(output) for output in found]
            self._check(backbone, whole, wanted, results)
            maps = openvino.Model(results, whole.get_parameters(), "maps")
            maps.reshape((1, *backbone.input_size, 3))
            self._compiled = compile_model(maps, PRECISIONS["fp32"])
        except RuntimeError as error:
            raise ConversionError(f"OpenVINO can't give the maps of {backbone.name}") from error

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> tuple[list[Floats], Floats]:
        """Return the layers' maps of one photo, and the features that pooling them gives.

        Args:
            pixels: Shape ``(height, width, 3)``, uint8.

        Returns:
            Each map's shape is ``(channels, h, w)``; the features are all layers' joined.
        """
        found = self._compiled(pixels[None])
        maps = [np.array(found[i][0]) for i in range(len(self._layers))]
        pooled = [_pooled(m[None], n)[0] for m, n in zip(maps, self._layers, strict=True)]
        return maps, np.concatenate(pooled)

    def _check(
        self,
        backbone: Backbone,
        whole: openvino.Model,
        wanted: Sequence[int],
        results: Sequence[openvino.Node],
    ) -> None:
        """Make sure that pooling the maps gives the network's own features."""
        both = openvino.Model([*whole.get_results(), *results], whole.get_parameters(), "check")
        shape = (BATCH_SIZE, *backbone.input_size, 3)
        pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        found = compile_model(both, PRECISIONS["fp32"])(pixels)
        ends = np.cumsum([layer.num_features for layer in backbone.layers])
        for k, (i, layer) in enumerate(zip(wanted, self._layers, strict=True)):
            features = found[0][:, ends[i] - layer.num_features : ends[i]]
            pooled = _pooled(found[k + 1], layer)
            if pooled.shape != features.shape or (
                np.abs(pooled - features).max() > _TOLERANCE * max(1, np.abs(features).max())
            ):
                raise ConversionError(f"the layer {layer.name} of {backbone.name} pools no map")


def _sources(model: openvino.Model, count: int) -> list[openvino.Output]:
    """Return what a network's features are joined of, a layer each."""
    output = model.get_results()[0].input_value(0)
    node = output.get_node()
    if node.get_type_name() == "Concat" and node.get_input_size() == count:
        return [node.input_value(i) for i in range(count)]
    if count == 1:
        return [output]
    raise ConversionError("its layers can't be told apart")


def _map_of(output: openvino.Output) -> openvino.Output:
    """Return the last map with places that features come from."""
    for _ in range(_FARTHEST):
        shape = output.get_shape()
        if len(shape) == 4 and shape[2] * shape[3] > 1:
            return output
        node = output.get_node()
        if not node.get_input_size():
            break
        output = node.input_value(0)
    raise ConversionError("its features come from no map")


def _pooled(maps: Floats, layer: Layer) -> Floats:
    """Return the features ``(n, width)`` of maps ``(n, channels, h, w)``."""
    if layer.pooling == "flatten":
        return maps.reshape(len(maps), -1)
    pooled: Floats = maps.mean(axis=(2, 3))
    return pooled
