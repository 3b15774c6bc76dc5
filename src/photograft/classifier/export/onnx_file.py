"""A classifier as an ONNX file, in the layout that model servers read: ``NAME/1/model.onnx``."""

from __future__ import annotations

from pathlib import Path

import onnx

from photograft.classifier.classifier import Classifier
from photograft.classifier.export.graph import graph
from photograft.classifier.export.order import Order
from photograft.classifier.export.precision import ranges_for, with_half_weights


def write(classifier: Classifier, folder: Path, order: Order) -> None:
    """Write the model; see `exporters`.

    Raises:
        ConversionError: The network can't be a part of a graph.
    """
    path = folder / order.name / "1" / "model.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(whole(classifier, order).SerializeToString(deterministic=True))


def whole(classifier: Classifier, order: Order) -> onnx.ModelProto:
    """Return the graph of a classifier, in the precision that is asked for."""
    if order.precision == "int8":
        return graph(classifier, ranges=ranges_for(classifier, order.calibration))
    model = graph(classifier)
    return with_half_weights(model) if order.precision == "fp16" else model
