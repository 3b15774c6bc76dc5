"""An ONNX file as a prepared network: pixels of one photo in, the features of its layers out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from photograft.backbones.graphs import Graph, normalised, pooled_map
from photograft.backbones.onnx_files.outline import PhotoInput, needs, photo_input
from photograft.backbones.onnx_files.reading import opset_of, read_whole
from photograft.backbones.prepared import Prepared
from photograft.backbones.registry import ONNX, Backbone, Layer
from photograft.core.errors import ClassifierError

#: Begins every name that is made here, so that none is the file's own.
_PREFIX = "photograft."
_MAPS = ("avg", "flatten")


@dataclass(frozen=True)
class Way:
    """How a file is read: what a record's `architecture` says of it.

    Attributes:
        layout: ``"NCHW"`` or ``"NHWC"``, of the input.
        map_layout: Likewise, of the outputs that are maps.
        last: The output that is the layer ``"last"``; other layers have their outputs' names.
    """

    layout: str
    map_layout: str
    last: str

    def text(self) -> str:
        """Return it as an `architecture`."""
        return ONNX + json.dumps([self.layout, self.map_layout, self.last])

    @classmethod
    def of(cls, backbone: Backbone) -> Way:
        """Return what `text` gave.

        Raises:
            ClassifierError: It is something else.
        """
        try:
            return cls(*map(str, json.loads(backbone.architecture.removeprefix(ONNX))))
        except (ValueError, TypeError) as error:
            raise ClassifierError(
                f"the record of {backbone.name} does not say how its file is read",
                got=backbone.architecture,
                fix="It was written by another version: train again, or update Photograft.",
            ) from error

    def output(self, layer: Layer) -> str:
        """Return the output that a layer is."""
        return self.last if layer.name == "last" else layer.name


def wrap(backbone: Backbone, path: Path) -> Prepared:
    """Return a file's network with its normalisation before it and its layers pooled behind it.

    Args:
        backbone: Its record.
        path: The file.

    Raises:
        InputError: The file can't be read, or is not valid.
    """
    model, way = read_whole(path), Way.of(backbone)
    outputs = [way.output(layer) for layer in backbone.layers]
    given, _ = photo_input(model, outputs)
    before = _begun(model, given, backbone, way)
    after = Graph(opset_of(model), f"{_PREFIX}after.")
    maps = []
    pooled = []
    for layer, output in zip(backbone.layers, outputs, strict=True):
        x = after.add("Cast", [output], to=TensorProto.FLOAT)
        if layer.pooling in _MAPS:
            x = _turned(after, x, [0, 3, 1, 2], way.map_layout == "NHWC", f"map.{layer.name}")
            maps.append(layer.name)
            pooled.append(pooled_map(after, x, layer.pooling))
        else:
            pooled.append(_pooled_tokens(after, x, layer.pooling))
    after.add("Concat", pooled, f"{_PREFIX}features", axis=1)
    features = helper.make_tensor_value_info(
        f"{_PREFIX}features", TensorProto.FLOAT, [1, backbone.num_features]
    )
    whole = _joined(model, before, after, outputs, backbone)
    whole.graph.output.append(features)
    return Prepared(whole.SerializeToString(deterministic=True), tuple(maps))


def raw(model: onnx.ModelProto, backbone: Backbone, outputs: Sequence[str]) -> bytes:
    """Return a whole model that takes pixels, and gives some outputs as they are, float32."""
    given, _ = photo_input(model, outputs)
    before = _begun(model, given, backbone, Way.of(backbone))
    after = Graph(opset_of(model), f"{_PREFIX}after.")
    whole = _joined(model, before, after, outputs, backbone)
    for i, output in enumerate(outputs):
        name = f"{_PREFIX}raw.{i}"
        whole.graph.node.append(helper.make_node("Cast", [output], [name], to=TensorProto.FLOAT))
        whole.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    data: bytes = whole.SerializeToString(deterministic=True)
    return data


def _begun(model: onnx.ModelProto, given: PhotoInput, backbone: Backbone, way: Way) -> Graph:
    """Return the way from pixels to a file's own input, as its record says."""
    made, pixels = Graph(opset_of(model), f"{_PREFIX}before."), f"{_PREFIX}pixels"
    is_last = way.layout == "NHWC"
    if given.kind == TensorProto.UINT8:  # it does all by itself
        _turned(made, pixels, [0, 3, 1, 2], not is_last, given.name)
        return made
    x = _turned(made, normalised(made, backbone, pixels), [0, 2, 3, 1], is_last)
    made.add("Cast", [x], given.name, to=given.kind)
    return made


def _turned(made: Graph, x: str, axes: list[int], is_turned: bool, name: str = "") -> str:
    return (
        made.add("Transpose", [x], name, perm=axes)
        if is_turned
        else made.add("Identity", [x], name)
    )


def _joined(
    model: onnx.ModelProto, before: Graph, after: Graph, outputs: Sequence[str], backbone: Backbone
) -> onnx.ModelProto:
    """Return the same model, changed: a copy would take its memory twice."""
    graph = model.graph
    nodes, used = needs(graph, outputs)
    kept = [*before.nodes, *nodes, *after.nodes]
    del graph.node[:], graph.output[:], graph.input[:], graph.value_info[:]
    graph.node.extend(kept)
    for constants in (graph.initializer, graph.sparse_initializer):
        for i in reversed(range(len(constants))):
            tensor = getattr(constants[i], "values", constants[i])
            if tensor.name not in used:
                del constants[i]
    graph.initializer.extend([*before.constants, *after.constants])
    shape = [1, *backbone.input_size, 3]
    graph.input.append(helper.make_tensor_value_info(f"{_PREFIX}pixels", TensorProto.UINT8, shape))
    # Before the fourth, constants had to be inputs, too.
    model.ir_version = max(model.ir_version, 4)
    return model


def _pooled_tokens(made: Graph, x: str, pooling: str) -> str:
    """Add the pooling of tokens ``(1, tokens, width)``; what has two axes stays as it is."""
    if pooling == "none":
        return x
    if pooling == "mean":
        return made.mean(x, [1])
    if pooling == "all":
        return made.add("Flatten", [x], axis=1)
    first = made.add("Gather", [x, made.constant(np.array([0], np.int64))], axis=1)
    first = made.add("Flatten", [first], axis=1)
    if pooling == "cls":
        return first
    others = made.mean(made.without_first(x), [1])
    return made.add("Concat", [first, others], axis=1)
