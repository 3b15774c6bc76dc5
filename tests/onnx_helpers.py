"""Small networks as ONNX files, made by hand: no torch is needed for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

#: What the outputs of `write_network` are called, by their axes.
MAP, TOKENS, POOLED = "map", "tokens", "pooled"
WIDTH = 6


def write_network(
    path: Path,
    outputs: Sequence[str] = (MAP,),
    *,
    size: int | None = 32,
    channels_last: bool = False,
    batch: int | str | None = 1,
    kind: int = TensorProto.FLOAT,
    opset: int = 17,
    seed: int = 0,
    external: str = "",
) -> Path:
    """Write a network of one convolution: a map, its places as tokens, and its mean.

    Args:
        path: The file.
        outputs: Of `MAP`, `TOKENS` and `POOLED`, in order.
        size: Side of the input; None for any.
        channels_last: Whether input and map are NHWC.
        batch: Photos at a time; text for any number.
        kind: Of the numbers of the input.
        opset: Of ONNX's operators.
        seed: Of the weights.
        external: The file beside it that holds the weights; empty for none.
    """
    rng = np.random.default_rng(seed)
    weight = rng.normal(0, 0.2, (WIDTH, 3, 8, 8)).astype(np.float32)
    sides: list[int | str] = [size or "height", size or "width"]
    shape = [batch, *sides, 3] if channels_last else [batch, 3, *sides]
    last = [0, 3, 1, 2], [0, 2, 3, 1]
    nodes = [helper.make_node("Cast", ["photos"], ["x"], to=TensorProto.FLOAT)]
    if channels_last:
        nodes.append(helper.make_node("Transpose", ["x"], ["y"], perm=last[0]))
    convolved = ["y" if channels_last else "x", "weight"]
    nodes += [
        helper.make_node("Conv", convolved, ["z"], strides=[8, 8], kernel_shape=[8, 8]),
        helper.make_node("Relu", ["z"], ["a" if channels_last else MAP]),
    ]
    if channels_last:
        nodes.append(helper.make_node("Transpose", ["a"], [MAP], perm=last[1]))
    start = "a" if channels_last else MAP
    nodes += [
        helper.make_node("Reshape", [start, "shape"], ["flat"]),
        helper.make_node("Transpose", ["flat"], [TOKENS], perm=[0, 2, 1]),
        helper.make_node("GlobalMaxPool", [start], ["top"]),
        helper.make_node("Flatten", ["top"], [POOLED], axis=1),
    ]
    axes = {MAP: 4, TOKENS: 3, POOLED: 2}
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("photos", kind, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * axes[name])
            for name in outputs
        ],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(np.array([1, WIDTH, -1], np.int64), "shape"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    if external:
        onnx.save(model, path, save_as_external_data=True, location=external, size_threshold=0)
    else:
        onnx.save(model, path)
    return path


def expected_map(pixels: npt.NDArray[np.float32], seed: int = 0) -> npt.NDArray[np.float32]:
    """What `MAP` is for normalised pixels ``(height, width, 3)``: ``(WIDTH, h, w)``."""
    weight = np.random.default_rng(seed).normal(0, 0.2, (WIDTH, 3, 8, 8)).astype(np.float32)
    h, w = pixels.shape[0] // 8, pixels.shape[1] // 8
    places = pixels.reshape(h, 8, w, 8, 3)
    found: npt.NDArray[np.float32] = np.einsum("aibjc,ncij->nab", places, weight)
    return np.maximum(found, 0)
