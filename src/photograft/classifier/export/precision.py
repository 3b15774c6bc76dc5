"""Exports in fewer bits: weights kept in half precision, or a network that computes in int8."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from photograft.backbones.engines import Engine, runs_prepared
from photograft.backbones.int8.calibrating import calibrate
from photograft.backbones.int8.ranges import Ranges
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.names import BACKBONE
from photograft.core.arrays import Pixels
from photograft.core.errors import ConversionError, InputError
from photograft.features.calibration import LEAST_AGREEMENT
from photograft.features.packing import look_shapes, unpack

#: Constants of fewer numbers are kept as they are: there is nothing to be saved.
_FEW = 1024
#: The largest number of half precision.
_MOST = 65504.0


def with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph whose network's weights are kept in half precision.

    They are computed with in float32. Weights of other parts, such as the head, stay: they are few.

    Args:
        model: From `graph`.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    casts = []
    for tensor in changed.graph.initializer:
        if not tensor.name.startswith(BACKBONE) or tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < _FEW or np.abs(values).max() > _MOST:
            continue
        name = f"{tensor.name}.half"
        casts.append(helper.make_node("Cast", [name], [tensor.name], to=TensorProto.FLOAT))
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name))
    nodes = [*casts, *changed.graph.node]
    del changed.graph.node[:]
    changed.graph.node.extend(nodes)
    return changed


def ranges_for(classifier: Classifier, pixels: Sequence[Pixels]) -> tuple[Ranges, ...]:
    """Return the ranges that int8 goes by, of each look.

    Args:
        classifier: One that was trained in int8 brings its own.
        pixels: Of photos like those that it learned from, packed; see `packing`.

    Raises:
        InputError: There are neither ranges nor photos.
        ConversionError: The network can't compute in int8, or is no longer the same in it.
    """
    if classifier.engine.ranges:  # only those of one look are trained in int8
        return (classifier.engine.ranges,)
    if not len(pixels):
        raise InputError(
            "an export in int8 takes photos to be calibrated by",
            fix="Give photos like those it learned from with --photos FOLDER.",
        )
    engine = Engine(runs_prepared(), "int8")
    stacks = unpack(np.stack(pixels), look_shapes(classifier.backbone))
    found = []
    for look, stack in zip(classifier.looks(), stacks, strict=True):
        ranges, agreement = calibrate(look.backbone, look.path, engine, [stack])
        if agreement < LEAST_AGREEMENT:
            raise ConversionError(
                f"{look.backbone.name} gives other features in int8 than in fp32 (their "
                f"correlation is {agreement:.3f})",
                fix="Export with --precision fp16 or fp32.",
            )
        found.append(ranges)
    return tuple(found)
