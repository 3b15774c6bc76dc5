"""Finding the ranges of what flows in a network, on photos: all that calibration is.

Each photo has a least and a largest value of a tensor. A range goes two standard deviations of
these beyond their means, but no further than any photo: a single odd one does not widen it much.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from photograft.backbones.engines import Engine
from photograft.backbones.int8.graph import quantised
from photograft.backbones.int8.places import quantised_tensors
from photograft.backbones.int8.ranges import Ranges
from photograft.backbones.opening import open_model, prepare_network
from photograft.backbones.registry import Backbone
from photograft.backbones.running import Run, num_at_once
from photograft.core.arrays import Floats, Pixels
from photograft.core.errors import ConversionError

#: How far a range goes beyond the mean of the photos' ends, in their standard deviations.
_DEVIATIONS = 2
_FIX = "Leave --precision out."


def calibrate(
    backbone: Backbone, path: Path | None, engine: Engine, photos: Iterable[Pixels]
) -> tuple[Ranges, float]:
    """Return the ranges of what flows in a network, and how far its features are the same in int8.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.
        engine: What is to run it in int8.
        photos: Pixels of some photos at a time, uint8, shape ``(n, height, width, 3)``.

    Returns:
        The ranges, and the agreement on the first of the photos: see `agreement`.

    Raises:
        WeightsError: The weights don't fit the network.
        ConversionError: The engine can't run this network, or there are no photos.
        InputError: It takes torch, which is not installed.
    """
    model = prepare_network(backbone, path, engine.name).model
    run = open_model(observed(model), engine.name, "fp32", num_at_once())
    groups = iter(photos)
    first = next(groups, None)
    if first is None:
        raise ConversionError("int8 takes photos to be calibrated with", fix=_FIX)
    ranges = measure(model, run, (first, *groups))
    exact, near = (
        open_model(data, engine.name, "fp32", num_at_once())(first)[0]
        for data in (model, quantised(model, ranges))
    )
    return ranges, agreement(exact, near)


def agreement(exact: Floats, near: Floats) -> float:
    """Return the correlation of features with others, in [-1, 1]; 1 where they say nothing.

    What all photos have in common does not count: a head that is fitted on either learns it.

    Args:
        exact: The ones, shape ``(n, num_features)``.
        near: The others.
    """
    a, b = exact - exact.mean(axis=0), near - near.mean(axis=0)
    lengths = [float(np.linalg.norm(values)) for values in (a, b, exact)]
    if lengths[0] <= 1e-4 * lengths[2] or not lengths[1]:  # photos that are all the same
        return 1.0
    return float((a * b).sum()) / (lengths[0] * lengths[1])


def observed(model: bytes) -> bytes:
    """Return a model that gives the least and the largest value of each tensor to quantise.

    Raises:
        ConversionError: There is none.
    """
    changed = onnx.ModelProto.FromString(model)
    graph = changed.graph
    names = quantised_tensors(graph)
    if not names:
        raise ConversionError("the network has no layer that could compute in int8", fix=_FIX)
    del graph.output[:]
    for name in names:
        for kind in ("ReduceMin", "ReduceMax"):
            output = f"{name}.{kind}"
            graph.node.append(helper.make_node(kind, [name], [output], keepdims=1))
            value = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
            graph.output.append(value)
    data: bytes = changed.SerializeToString()
    return data


def measure(model: bytes, run: Run, photos: Iterable[Pixels]) -> Ranges:
    """Return the range of each tensor to quantise.

    Args:
        model: The network.
        run: What `observed` made of it, running.
        photos: As in `calibrate`; at least one.

    Raises:
        ConversionError: A value is not finite.
    """
    names = quantised_tensors(onnx.ModelProto.FromString(model).graph)
    parts = [np.stack([values.reshape(len(pixels)) for values in run(pixels)]) for pixels in photos]
    ends = np.concatenate(parts, axis=1).astype(np.float64)
    if not np.isfinite(ends).all():
        raise ConversionError("the network gives no finite numbers", fix=_FIX)
    means, spread = ends.mean(axis=1), _DEVIATIONS * ends.std(axis=1)
    lows = np.maximum(means - spread, ends.min(axis=1))[::2].tolist()
    highs = np.minimum(means + spread, ends.max(axis=1))[1::2].tolist()
    return tuple(zip(names, lows, highs, strict=True))
