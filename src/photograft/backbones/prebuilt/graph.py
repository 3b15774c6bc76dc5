"""An embedded network as an ONNX model: from uint8 pixels to the pooled features of its layers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper

from photograft.backbones.graphs import IR_VERSION, OPSET, Graph, normalised, pooled_map
from photograft.backbones.prebuilt import lite
from photograft.backbones.registry import Backbone
from photograft.core.arrays import Array


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
    made = Graph()
    x = normalised(made, backbone)
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
            pooled[block.layer] = pooled_map(made, x, wanted[block.layer].pooling)
    made.add("Concat", [pooled[layer.name] for layer in backbone.layers], "features", axis=1)
    return _model(made, backbone)


def _model(made: Graph, backbone: Backbone) -> onnx.ModelProto:
    pixels = helper.make_tensor_value_info(
        "pixels", TensorProto.UINT8, [1, *backbone.input_size, 3]
    )
    features = helper.make_tensor_value_info(
        "features", TensorProto.FLOAT, [1, backbone.num_features]
    )
    graph = helper.make_graph(
        made.nodes, backbone.architecture, [pixels], [features], made.constants
    )
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="photograft",
    )
