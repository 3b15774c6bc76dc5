"""Where a prepared network may compute in 8 bits: its layers with weights, and what they read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper

#: Kinds of layers that have weights.
_WEIGHTED = ("Conv", "MatMul", "Gemm")
#: What may stand between pixels and the first of them.
_PLAIN = ("Transpose", "Cast", "Mul", "Add", "Sub", "Div", "Sqrt", "ReduceMean", "Reshape")


@dataclass(frozen=True)
class Layer:
    """A layer with constant weights.

    Attributes:
        node: Its place among the graph's nodes.
        reads: The tensor that it reads.
        weight: Name of its weights.
        axis: Of the weights' outputs.
    """

    node: int
    reads: str
    weight: str
    axis: int


def find_layers(graph: onnx.GraphProto) -> list[Layer]:
    """Return the layers that may be quantised: all that have weights, but for the first.

    What the first one reads are normalised pixels, and an error in it is in all that follows: it
    stays in floating point.
    """
    shapes = {
        tensor.name: len(tensor.dims)
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT
    }
    raw = {value.name for value in graph.input}
    found = []
    for i, node in enumerate(graph.node):
        if node.op_type in _PLAIN and any(name in raw for name in node.input):
            raw.update(node.output)
        if node.op_type not in _WEIGHTED or node.input[1] not in shapes or node.input[0] in raw:
            continue
        values = {
            attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute
        }
        num_axes = shapes[node.input[1]]
        if node.op_type == "Conv":
            axis = 0
        elif num_axes != 2 or values.get("transA") or values.get("alpha", 1) != 1:
            continue
        else:
            axis = 0 if values.get("transB") else 1
        found.append(Layer(i, node.input[0], node.input[1], axis))
    return found


def find_sums(graph: onnx.GraphProto, read: Collection[str]) -> dict[int, tuple[str, str]]:
    """Return the nodes that add up what a convolution gives and what another layer reads.

    Args:
        graph: The graph.
        read: What the quantised layers read.

    Returns:
        The two tensors, by the node's place among the graph's nodes.
    """
    given = {node.output[0] for node in graph.node if node.op_type == "Conv"}
    sums = {}
    for i, node in enumerate(graph.node):
        if node.op_type == "Add":
            a, b = node.input
            if all(name in given or name in read for name in (a, b)) and {a, b} & given:
                sums[i] = (a, b)
    return sums


def quantised_tensors(graph: onnx.GraphProto) -> list[str]:
    """Return the tensors that quantised layers and sums read, each once, in their order."""
    read = dict.fromkeys(layer.reads for layer in find_layers(graph))
    for pair in find_sums(graph, read).values():
        read.update(dict.fromkeys(pair))
    return list(read)
