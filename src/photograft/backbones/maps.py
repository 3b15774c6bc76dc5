"""The feature maps that a prepared network pools: for heat maps, without torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from photograft.backbones.registry import Layer
from photograft.backbones.running import Run
from photograft.core.arrays import Floats, Pixels


def with_maps(model: bytes, layers: Sequence[Layer]) -> bytes:
    """Return a prepared network that gives the maps of some layers, in place of features."""
    changed = onnx.ModelProto.FromString(model)
    del changed.graph.output[:]
    names = [f"map.{layer.name}" for layer in layers]
    for name in names:
        changed.graph.output.append(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, None, None, None])
        )
    data: bytes = changed.SerializeToString()
    return data


class PreparedMaps:
    """A backbone that gives its layers' feature maps; see `networks.Maps`.

    Args:
        run: What `with_maps` gives, running.
        layers: The same.
    """

    def __init__(self, run: Run, layers: Sequence[Layer]) -> None:
        self._run = run
        self._layers = layers

    def __call__(self, pixels: Pixels) -> tuple[list[Floats], Floats]:
        """Return the layers' maps of one photo, and the features that pooling them gives.

        Args:
            pixels: Shape ``(height, width, 3)``, uint8.

        Returns:
            Each map's shape is ``(channels, h, w)``; the features are all layers' joined.
        """
        maps = [found[0] for found in self._run(pixels[None])]
        pooled = [
            values.reshape(-1) if layer.pooling == "flatten" else values.mean(axis=(1, 2))
            for values, layer in zip(maps, self._layers, strict=True)
        ]
        return maps, np.concatenate(pooled)
