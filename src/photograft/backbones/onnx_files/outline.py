"""What a graph takes and gives: its input for photos, its outputs, their shapes, what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper

from photograft.backbones.onnx_files.reading import subgraphs
from photograft.core.errors import InputError

#: Shape of a tensor; None for a side that is not known.
Shape = tuple[int | None, ...]

#: Kinds of numbers that an input for photos, or an output, may be of.
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
_INPUTS = (*_FLOATS, TensorProto.UINT8)

#: Larger constants than this are left out where only shapes are asked for.
_SMALL = 4096


@dataclass(frozen=True)
class PhotoInput:
    """The input for photos.

    Attributes:
        name: Of the tensor.
        kind: Of its numbers, as ONNX counts them.
        shape: As the file has it, four sides.
    """

    name: str
    kind: int
    shape: Shape


def photo_input(model: onnx.ModelProto, wanted: Sequence[str]) -> tuple[PhotoInput, list[str]]:
    """Return the input for photos, and the outputs that depend on it and on nothing else.

    Args:
        model: The model.
        wanted: Names of outputs; all that give numbers of two to four axes where empty.

    Raises:
        InputError: There is no such input or output, or several inputs.
    """
    known = [output.name for output in model.graph.output]
    for name in wanted:
        if name not in known:
            raise InputError(f"there is no output named {name!r}", expected=", ".join(known))
    outputs = wanted or [o.name for o in model.graph.output if _may_be_layer(o)]
    own = {i.name: i for i in _inputs(model)}
    needed = {name: own.keys() & needs(model.graph, [name])[1] for name in outputs}
    images = {name for names in needed.values() for name in names if _may_be_photos(own[name])}
    if len(images) != 1:
        raise InputError(
            "it takes no photos" if not images else f"it has {len(images)} inputs for photos",
            expected="one input of four axes: photos, channels, height and width",
            got=", ".join(f"{i.name} {list(_shape(i))}" for i in own.values()),
        )
    (image,) = images
    found = [name for name in outputs if needed[name] == images]
    for name in set(wanted) - set(found):
        others = sorted(needed[name] - images)
        raise InputError(f"the output {name} needs more than photos: {', '.join(others)}")
    if not found:
        raise InputError("none of its outputs can be features", got=", ".join(known))
    tensor = own[image].type.tensor_type
    return PhotoInput(image, tensor.elem_type, _shape(own[image])), found


def needs(graph: onnx.GraphProto, outputs: Sequence[str]) -> tuple[list[onnx.NodeProto], set[str]]:
    """Return the nodes that outputs come from, in order, and the names of all that these use."""
    used, nodes = set(outputs), []
    for node in reversed(graph.node):
        if used & set(node.output):
            nodes.append(node)
            used |= _uses(node)
    return nodes[::-1], used


def skeleton(model: onnx.ModelProto, outputs: Sequence[str]) -> onnx.ModelProto:
    """Return what a model has for some outputs, its large constants replaced by inputs."""
    nodes, used = needs(model.graph, outputs)
    found = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    found.graph.name = "skeleton"
    found.graph.node.extend(nodes)
    for tensor in model.graph.initializer:
        if tensor.name not in used:
            continue
        is_outside = tensor.data_location == TensorProto.EXTERNAL
        if is_outside or math.prod(tensor.dims) > _SMALL:
            info = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            found.graph.input.append(info)
        else:
            found.graph.initializer.append(tensor)
    for name in outputs:
        found.graph.output.append(onnx.ValueInfoProto(name=name))
    return found


def infer_shapes(
    model: onnx.ModelProto, given: PhotoInput, shape: Sequence[int], outputs: Sequence[str]
) -> dict[str, Shape]:
    """Return the shapes of all tensors that can be told, for photos of one shape.

    Args:
        model: The model.
        given: Its input for photos.
        shape: That this has, four sides.
        outputs: That are asked for.
    """
    found = skeleton(model, outputs)
    found.graph.input.append(helper.make_tensor_value_info(given.name, given.kind, shape))
    try:
        found = onnx.shape_inference.infer_shapes(found, data_prop=True)
    except Exception:
        return {}  # then running it tells
    every = (*found.graph.value_info, *found.graph.output, *found.graph.input)
    return {info.name: _shape(info) for info in every if info.type.tensor_type.HasField("shape")}


def num_params(model: onnx.ModelProto, outputs: Sequence[str]) -> int:
    """Return how many numbers the constants are made of that outputs come from."""
    used = needs(model.graph, outputs)[1]
    return sum(
        math.prod(tensor.dims)
        for tensor in model.graph.initializer
        if tensor.name in used and tensor.data_type != TensorProto.INT64
    )


def count_multiply_adds(
    model: onnx.ModelProto, shapes: dict[str, Shape], outputs: Sequence[str]
) -> int:
    """Return the multiply-adds of convolutions and matrix products, as far as shapes are known."""
    shapes = {**shapes, **{t.name: tuple(t.dims) for t in model.graph.initializer}}
    total = 0
    for node in needs(model.graph, outputs)[0]:
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        out, weight = shapes.get(node.output[0], ()), shapes.get(node.input[1], ())
        inner = weight[1:] if node.op_type == "Conv" else weight[-2:-1]
        if node.op_type == "Gemm" and len(weight) == 2:
            is_transposed = any(a.name == "transB" and a.i for a in node.attribute)
            inner = (weight[1 if is_transposed else 0],)
        sides = [side for side in (*out, *inner) if side is not None]
        if len(sides) == len(out) + len(inner) > 0:
            total += math.prod(sides)
    return total


def _inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Return the inputs that a user gives: old files list constants among them, too."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [i for i in model.graph.input if i.name not in constants]


def _uses(node: onnx.NodeProto) -> set[str]:
    used = set(node.input)
    for graph in subgraphs(node):
        used |= {o.name for o in graph.output}
        for inner in graph.node:
            used |= _uses(inner)
    return used - {""}


def _may_be_photos(info: onnx.ValueInfoProto) -> bool:
    return info.type.tensor_type.elem_type in _INPUTS and len(_shape(info)) == 4


def _may_be_layer(info: onnx.ValueInfoProto) -> bool:
    tensor = info.type.tensor_type
    return tensor.elem_type in _FLOATS and (
        not tensor.HasField("shape") or 2 <= len(tensor.shape.dim) <= 4
    )


def _shape(info: onnx.ValueInfoProto) -> Shape:
    return tuple(
        d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None
        for d in info.type.tensor_type.shape.dim
    )
