"""A prepared network as a part of a larger graph, for as many photos at once as there are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, version_converter
from onnx.inliner import inline_local_functions

from photograft.backbones.engines import runs_prepared
from photograft.backbones.graphs import OPSET, Graph
from photograft.backbones.onnx_files.reading import opset_of
from photograft.backbones.opening import open_whole
from photograft.backbones.registry import Backbone
from photograft.core.errors import ConversionError, first_line

#: Features of photos together are those of each alone, to this share of the largest.
_TOLERANCE = 1e-4
#: Bytes of a constant that is not worth sharing.
_SMALL = 1024


@dataclass(frozen=True)
class Part:
    """A network that may become part of a graph.

    Attributes:
        model: The network: uint8 pixels ``(1, height, width, 3)`` in, features
            ``(1, num_features)`` out.
        takes_batches: Whether it takes any number of photos at once, as it is.
    """

    model: onnx.ModelProto
    takes_batches: bool

    @property
    def opset(self) -> int:
        """The version of ONNX's operators that it is of."""
        return opset_of(self.model)


def part_of(data: bytes, backbone: Backbone, opset: int = OPSET) -> Part:
    """Return a prepared network as a part.

    Args:
        data: As `Prepared.model` has it.
        backbone: Its record.
        opset: The least version of ONNX's operators that it is to be of.

    Raises:
        ConversionError: Its operators are too old, and can't be brought up.
    """
    model = onnx.ModelProto.FromString(data)
    if model.functions:
        model = inline_local_functions(model)
    if model.graph.sparse_initializer:
        raise ConversionError(f"{backbone.name} holds sparse tensors, which can't be exported")
    if opset_of(model) < opset:
        try:
            model = version_converter.convert_version(model, opset)
        except Exception as error:  # of several kinds, without a common base
            raise ConversionError(
                f"{backbone.name} is of ONNX's operators version {opset_of(model)}, and can't be "
                f"brought up to {opset} ({first_line(error)})",
                fix="Export it anew with a later version of ONNX's operators.",
            ) from error
    return Part(model, _takes_batches(model, backbone))


def features_of(made: Graph, part: Part, pixels: str, prefix: str) -> str:
    """Add a network; return the name of its features, float32 ``(n, num_features)``.

    Args:
        made: Is added to.
        part: The network.
        pixels: The name of uint8 ``(n, height, width, 3)``.
        prefix: Begins the names of all that is the network's.
    """
    graph = compose.add_prefix(part.model, prefix).graph
    given, features = str(graph.input[0].name), str(graph.output[0].name)
    made.constants.extend(graph.initializer)
    if part.takes_batches:
        made.add("Identity", [pixels], given)
        made.nodes.extend(graph.node)
        return features
    own = made.within("each.")
    own.add("Unsqueeze", [f"{own.prefix}photo", own.constant(np.array([0], np.int64))], given)
    own.nodes.extend(graph.node)
    row = own.add("Squeeze", [features, own.constant(np.array([0], np.int64))])
    body = helper.make_graph(
        own.nodes,
        own.prefix,
        [helper.make_tensor_value_info(f"{own.prefix}photo", TensorProto.UINT8, None)],
        [helper.make_tensor_value_info(row, TensorProto.FLOAT, None)],
        own.constants,
    )
    return made.add("Scan", [pixels], body=body, num_scan_inputs=1)


def share_constants(made: Graph) -> None:
    """Keep large constants that are the same only once: looks may be of the same network.

    Args:
        made: Is changed.
    """
    kept: dict[bytes, onnx.TensorProto] = {}
    names = {}
    for tensor in made.constants:
        data = tensor.raw_data
        kind = repr((tensor.data_type, list(tensor.dims)))
        key = hashlib.sha256(kind.encode() + data).digest()
        if len(data) < _SMALL or kept.setdefault(key, tensor) is tensor:
            continue
        names[tensor.name] = kept[key].name
    made.constants[:] = [tensor for tensor in made.constants if tensor.name not in names]
    _rename(made.nodes, names)


def _rename(nodes: Iterable[onnx.NodeProto], names: Mapping[str, str]) -> None:
    """Rename what nodes take, and those within them."""
    for node in nodes:
        node.input[:] = [names.get(name, name) for name in node.input]
        for attribute in node.attribute:
            _rename(attribute.g.node, names)


def with_any_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a network whose first axis is of any length, as far as it says so."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.value_info[:]
    for info in (*changed.graph.input, *changed.graph.output):
        info.type.tensor_type.shape.dim[0].dim_param = "n"
    return changed


def _takes_batches(model: onnx.ModelProto, backbone: Backbone) -> bool:
    """Return whether a network made for one photo gives the same for each of several, tried."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, *backbone.input_size, 3), np.uint8)
    pixels[1] //= 4  # a dark one, so that each is seen to be by itself
    name = model.graph.output[0].name
    try:
        run = open_whole(with_any_batch(model).SerializeToString(), runs_prepared())
        together = run(pixels)[name]
        alone = np.concatenate([run(pixels[i : i + 1])[name] for i in range(len(pixels))])
    except ConversionError:
        return False
    largest = max(1.0, float(np.abs(alone).max()))
    same = together.shape == alone.shape and np.abs(together - alone).max() <= _TOLERANCE * largest
    return bool(same)
