"""An ONNX graph in the making, and what stands before and behind every network in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from photograft.backbones.registry import Backbone

#: Of ONNX's operators: a version that engines of some years ago know, too.
OPSET = 17
IR_VERSION = 8
#: From this version on, the axes of a mean are no attribute, but an input.
_AXES_ARE_INPUT = 18
#: Likewise the range of a slice.
_RANGE_IS_INPUT = 10
#: An axis ends before this.
_END = 2**31 - 1
#: Added to the standard deviation of one photo's pixels, which may be all the same.
_EPSILON = 1e-6


class Graph:
    """Nodes and constants of a model in the making.

    Args:
        opset: The version of ONNX's operators that the nodes are to be of.
        prefix: Begins the names that are made here.

    Attributes:
        nodes: What was added, in order.
        constants: What was kept.
        opset: As it was given.
        prefix: Likewise.
    """

    def __init__(self, opset: int = OPSET, prefix: str = "") -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.opset, self.prefix = opset, prefix

    def within(self, prefix: str) -> Graph:
        """Return a graph that may stand within this one, such as a branch, and use its names."""
        return Graph(self.opset, f"{self.prefix}{prefix}x{len(self.nodes)}.")

    def constant(self, values: Any) -> str:
        """Keep an array; return its name."""
        return self._kept(np.ascontiguousarray(values))

    def scalar(self, value: np.generic) -> str:
        """Keep a number, without any axis; return its name."""
        return self._kept(np.asarray(value))

    def add(self, kind: str, inputs: list[str], name: str = "", **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        name = name or f"{self.prefix}x{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def _kept(self, values: np.ndarray[Any, Any]) -> str:
        name = f"{self.prefix}c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def mean(self, x: str, axes: list[int], *, keepdims: int = 0) -> str:
        """Add a mean over some axes; return its name."""
        return self.reduced("ReduceMean", x, axes, keepdims=keepdims)

    def reduced(
        self, kind: str, x: str, axes: list[int], *, keepdims: int = 0, name: str = ""
    ) -> str:
        """Add what makes one value of those along some axes, such as a mean; return its name."""
        if self.opset >= _AXES_ARE_INPUT or kind == "ReduceSum":
            given = [x, self.constant(np.array(axes, np.int64))]
            return self.add(kind, given, name, keepdims=keepdims)
        return self.add(kind, [x], name, axes=axes, keepdims=keepdims)

    def several(self, kind: str, inputs: list[str], count: int, **attributes: Any) -> list[str]:
        """Add a node of several outputs; return their names."""
        names = [f"{self.prefix}x{len(self.nodes)}.{i}" for i in range(count)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    def without_first(self, x: str) -> str:
        """Add what drops the first entry of the second axis; return its name."""
        if self.opset < _RANGE_IS_INPUT:
            return self.add("Slice", [x], starts=[1], ends=[_END], axes=[1])
        ends = [self.constant(np.array([value], np.int64)) for value in (1, _END, 1)]
        return self.add("Slice", [x, *ends])


def normalised(made: Graph, backbone: Backbone, pixels: str = "pixels") -> str:
    """Add what makes of pixels what the network was trained on: its record's way.

    Args:
        made: Is added to.
        backbone: The record.
        pixels: The name of the pixels, uint8 ``(1, height, width, 3)``.

    Returns:
        The name of float32 ``(1, 3, height, width)``.
    """
    mean, std = (np.array(v, np.float32).reshape(1, 3, 1, 1) for v in (backbone.mean, backbone.std))
    x = made.add("Transpose", [pixels], perm=[0, 3, 1, 2])
    x = made.add("Cast", [x], to=TensorProto.FLOAT)
    x = made.add("Mul", [x, made.constant(1 / (255 * std))])
    x = made.add("Add", [x, made.constant(-mean / std)])
    if backbone.per_photo in ("center", "both"):
        x = made.add("Sub", [x, made.mean(x, [1, 2, 3], keepdims=1)])
    if backbone.per_photo in ("standardize", "both"):
        centred = made.add("Sub", [x, made.mean(x, [1, 2, 3], keepdims=1)])
        square = made.add("Mul", [centred, centred])
        deviation = made.add("Sqrt", [made.mean(square, [1, 2, 3], keepdims=1)])
        deviation = made.add("Add", [deviation, made.constant(np.float32(_EPSILON))])
        x = made.add("Div", [x, deviation])
    return x


def pooled_map(made: Graph, x: str, pooling: str) -> str:
    """Add the pooling of a map ``(1, channels, h, w)``; return the name of its features."""
    if pooling == "flatten":
        return made.add("Flatten", [x], axis=1)
    # The same as GlobalAveragePool, but that ONNX Runtime adds up with a tenth of the rounding.
    return made.mean(x, [2, 3])


def with_outputs(model: bytes, names: Sequence[str]) -> bytes:
    """Return a model that gives out tensors within it, too.

    Args:
        model: Serialised.
        names: Of those, float32 or uint8.
    """
    changed = onnx.ModelProto.FromString(model)
    for name in names:
        kind = next(
            (
                TensorProto.UINT8
                for node in changed.graph.node
                if name in node.output
                and node.op_type == "Cast"
                and any(a.i == TensorProto.UINT8 for a in node.attribute)
            ),
            TensorProto.FLOAT,
        )
        changed.graph.output.append(helper.make_tensor_value_info(name, kind, None))
    data: bytes = changed.SerializeToString()
    return data
