"""Finding the ranges of what flows in a network, on photos: all that calibration is.

A range is the mean over photos of the least and of the largest value that a tensor has in each: a
single odd photo does not widen it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
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
from photograft.backbones.running import Floats, Pixels, Run, num_at_once
from photograft.core.errors import ConversionError

#: The features in int8 may be as far from those in float32, of their length, in the photos at hand.
_MOST_APART = 0.3
_FIX = "Leave --precision out."


def calibrate(
    backbone: Backbone, path: Path | None, engine: Engine, photos: Iterable[Pixels]
) -> Engine:
    """Return an engine for int8 that knows the ranges of what flows in a network.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.
        engine: For int8.
        photos: Pixels of some photos at a time, uint8, shape ``(n, height, width, 3)``.

    Raises:
        WeightsError: The weights don't fit the network.
        ConversionError: The engine can't run this network, there are no photos, or int8 makes
            other features of them.
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
    apart = distance(exact, near)
    if not apart <= _MOST_APART:
        raise ConversionError(
            f"int8 changes the features of {backbone.name} too much: by {apart:.0%} of their "
            "length",
            fix=_FIX,
        )
    return replace(engine, ranges=ranges)


def distance(exact: Floats, near: Floats) -> float:
    """Return how far features are from others, as a share of their length."""
    return float(np.linalg.norm(near - exact) / max(float(np.linalg.norm(exact)), 1e-12))


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
    means = np.concatenate(parts, axis=1).astype(np.float64).mean(axis=1).reshape(-1, 2)
    if not np.isfinite(means).all():
        raise ConversionError("the network gives no finite numbers", fix=_FIX)
    return tuple(
        (name, float(low), float(high)) for name, (low, high) in zip(names, means, strict=True)
    )
