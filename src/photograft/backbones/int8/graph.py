"""A prepared network that computes in 8 bits: ONNX's pairs of QuantizeLinear and DequantizeLinear.

Engines fuse them with the layers between. Weights are int8 with a scale for each output; what flows
is uint8 with a scale and a zero point for each tensor. The first layer, the last map and what is
pooled from maps stay in float32, as does all that is no layer with weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from photograft.backbones.int8.places import Layer, find_layers, find_sums
from photograft.backbones.int8.ranges import Ranges
from photograft.core.arrays import Floats
from photograft.core.errors import ConversionError

#: Of int8, and the steps of uint8.
_MOST, _STEPS = 127, 255
#: What pools or passes on a tensor may read its 8 bits: engines do it in whole numbers.
_PASSING = ("ReduceMean", "GlobalAveragePool", "AveragePool", "MaxPool")


def quantised(model: bytes, ranges: Ranges) -> bytes:
    """Return a network that computes in 8 bits what its ranges were measured for.

    Args:
        model: In float32, as its ranges were measured in.
        ranges: Of its tensors.

    Raises:
        ConversionError: They are of another network.
    """
    changed = onnx.ModelProto.FromString(model)
    graph = changed.graph
    known = {name: (low, high) for name, low, high in ranges}
    layers = {layer.node: layer for layer in find_layers(graph) if layer.reads in known}
    sums = find_sums(graph, {layer.reads for layer in layers.values()})
    given = {output for node in graph.node for output in node.output}
    if not layers or not set(known) <= given:
        raise ConversionError(
            "the network that is here is not the one whose int8 ranges were measured",
            fix="Train again, or leave --precision out.",
        )
    made = _Made({tensor.name: tensor for tensor in graph.initializer})
    for i, node in enumerate(graph.node):
        reads = set(node.input) & set(known)
        if i in layers:
            made.quantise_weights(layers[i], node)
            reads = {layers[i].reads}
        elif i not in sums and node.op_type not in _PASSING:
            reads = set()
        for k, name in enumerate(node.input):
            if name in reads:
                node.input[k] = f"{name}.real"
        made.nodes.append(node)
        for output in node.output:
            if output in known:
                made.quantise(output, *known[output])
    used = {name for node in made.nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    new = helper.make_graph(
        made.nodes, graph.name, graph.input, graph.output, [*kept, *made.constants]
    )
    changed.graph.CopyFrom(new)
    data: bytes = changed.SerializeToString(deterministic=True)
    return data


class _Made:
    """Nodes and constants of a quantised graph in the making."""

    def __init__(self, weights: dict[str, onnx.TensorProto]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._weights = weights
        self._done: set[str] = set()

    def quantise(self, name: str, low: float, high: float) -> None:
        """Add what makes whole numbers of a tensor, and these real again, as ``NAME.real``."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = np.float32(max(high - low, 1e-12) / _STEPS)
        zero = np.uint8(np.clip(np.round(-low / scale), 0, _STEPS))
        self._pair(
            name, [self._constant(f"{name}.scale", scale), self._constant(f"{name}.zero", zero)]
        )

    def quantise_weights(self, layer: Layer, node: onnx.NodeProto) -> None:
        """Put whole numbers in the place of a layer's weights."""
        name = layer.weight
        if name not in self._done:
            self._done.add(name)
            weights = numpy_helper.to_array(self._weights[name]).astype(np.float32)
            scale = weight_scales(weights, layer.axis)
            shape = [1] * weights.ndim
            shape[layer.axis] = -1
            whole = np.clip(np.round(weights / scale.reshape(shape)), -_MOST, _MOST)
            inputs = [
                self._constant(f"{name}.whole", whole.astype(np.int8)),
                self._constant(f"{name}.scale", scale),
                self._constant(f"{name}.zero", np.zeros(len(scale), np.int8)),
            ]
            self.nodes.append(
                helper.make_node("DequantizeLinear", inputs, [f"{name}.real"], axis=layer.axis)
            )
        node.input[1] = f"{name}.real"

    def _pair(self, name: str, by: list[str]) -> None:
        self.nodes.append(helper.make_node("QuantizeLinear", [name, *by], [f"{name}.whole"]))
        self.nodes.append(
            helper.make_node("DequantizeLinear", [f"{name}.whole", *by], [f"{name}.real"])
        )

    def _constant(self, name: str, values: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name


def weight_scales(weights: Floats, axis: int) -> Floats:
    """Return the scale of each output's weights, float32, shape ``(outputs,)``.

    Processors without VNNI multiply uint8 by int8 and add up two products in 16 bits: so two
    neighbours of one sign are never more than 127 together, and no sum is cut off. This costs
    less than a bit of all weights would. Depthwise convolutions have no neighbours.

    Args:
        weights: Of a layer; all axes but the one of outputs: inputs first.
        axis: Of the outputs.
    """
    rows = np.moveaxis(weights, axis, 0)
    rows = np.moveaxis(rows, 1, -1)
    largest = np.abs(rows).reshape(len(rows), -1).max(axis=1)
    if rows.shape[-1] > 1:
        if rows.shape[-1] % 2:
            rows = np.concatenate([rows, np.zeros_like(rows[..., :1])], axis=-1)
        for sign in (1, -1):
            pairs = np.maximum(sign * rows, 0).reshape(len(rows), -1, 2).sum(axis=2)
            largest = np.maximum(largest, pairs.max(axis=1))
    scales: Floats = np.maximum(largest / _MOST, 1e-12).astype(np.float32)
    return scales
