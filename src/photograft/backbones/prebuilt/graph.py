"""An embedded network as an ONNX model: from uint8 pixels to the pooled features of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from photograft.backbones.prebuilt import lite
from photograft.backbones.registry import Backbone, Layer

Array = npt.NDArray[Any]

#: Of ONNX's operators: a version that engines of some years ago know, too.
_OPSET = 17
_IR_VERSION = 8
#: Added to the standard deviation of one photo's pixels, which may be all the same.
_EPSILON = 1e-6


def build_graph(backbone: Backbone, tensors: Mapping[str, Array]) -> onnx.ModelProto:
    """Return a network of the family EfficientNet-Lite.

    Args:
        backbone: Its record.
        tensors: Its weights under timm's names.

    Returns:
        A model as `Prepared` has it; every layer of the record has its map in it.

    Raises:
        WeightsError: The tensors are not this network's.
    """
    made = _Graph()
    x = _normalised(made, backbone)
    height, width = backbone.input_size
    wanted = {layer.name: layer for layer in backbone.layers}
    pooled = {}
    for block in lite.blocks(backbone.architecture):
        before = x
        for k, conv in enumerate(block.convs):
            weight, bias = lite.folded(conv, tensors)
            (top, bottom), (left, right) = (
                lite.padding(size, conv.kernel, conv.stride) for size in (height, width)
            )
            ends = k == len(block.convs) - 1 and block.layer and not block.has_skip
            inputs = [x, made.constant(weight), made.constant(bias)]
            x = made.add(
                "Conv",
                inputs,
                f"map.{block.layer}" if ends and not conv.active else "",
                kernel_shape=[conv.kernel] * 2,
                strides=[conv.stride] * 2,
                pads=[top, left, bottom, right],
                group=conv.groups,
            )
            if conv.active:
                limits = [made.constant(np.float32(v)) for v in (0, 6)]
                x = made.add("Clip", [x, *limits], f"map.{block.layer}" if ends else "")
            height, width = -(-height // conv.stride), -(-width // conv.stride)
        if block.has_skip:
            x = made.add("Add", [x, before], f"map.{block.layer}" if block.layer else "")
        if block.layer in wanted:
            pooled[block.layer] = _pooled(made, x, wanted[block.layer])
    made.add("Concat", [pooled[layer.name] for layer in backbone.layers], "features", axis=1)
    return made.model(backbone)


def _normalised(made: _Graph, backbone: Backbone) -> str:
    """Add what makes of pixels what the network was trained on: its record's way."""
    mean, std = (np.array(v, np.float32).reshape(1, 3, 1, 1) for v in (backbone.mean, backbone.std))
    x = made.add("Transpose", ["pixels"], perm=[0, 3, 1, 2])
    x = made.add("Cast", [x], to=TensorProto.FLOAT)
    x = made.add("Mul", [x, made.constant(1 / (255 * std))])
    x = made.add("Add", [x, made.constant(-mean / std)])
    if backbone.per_photo in ("center", "both"):
        x = made.add("Sub", [x, made.add("ReduceMean", [x], axes=[1, 2, 3], keepdims=1)])
    if backbone.per_photo in ("standardize", "both"):
        centred = made.add("Sub", [x, made.add("ReduceMean", [x], axes=[1, 2, 3], keepdims=1)])
        square = made.add("Mul", [centred, centred])
        variance = made.add("ReduceMean", [square], axes=[1, 2, 3], keepdims=1)
        deviation = made.add("Sqrt", [variance])
        deviation = made.add("Add", [deviation, made.constant(np.float32(_EPSILON))])
        x = made.add("Div", [x, deviation])
    return x


def _pooled(made: _Graph, x: str, layer: Layer) -> str:
    if layer.pooling == "flatten":
        return made.add("Flatten", [x], axis=1)
    # The same as GlobalAveragePool, but that ONNX Runtime adds up with a tenth of the rounding.
    return made.add("ReduceMean", [x], axes=[2, 3], keepdims=0)


class _Graph:
    """Nodes and constants of a model in the making."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, values: Any) -> str:
        """Keep an array; return its name."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, kind: str, inputs: list[str], name: str = "", **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        name = name or f"x{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def model(self, backbone: Backbone) -> onnx.ModelProto:
        """Return the whole."""
        pixels = helper.make_tensor_value_info(
            "pixels", TensorProto.UINT8, [1, *backbone.input_size, 3]
        )
        features = helper.make_tensor_value_info(
            "features", TensorProto.FLOAT, [1, backbone.num_features]
        )
        graph = helper.make_graph(
            self._nodes, backbone.architecture, [pixels], [features], self._constants
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="photograft",
        )
