"""From features to what a classifier says: probabilities, logits and the OOD score, in a graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from photograft.backbones.graphs import Graph
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.names import LOGITS, OOD_SCORE, PROBABILITIES
from photograft.classifier.head import Head
from photograft.classifier.uncertainty.ood_detector import HEAD_SHARE, LOCAL_SHARE, OODDetector
from photograft.classifier.uncertainty.uncertainty import LEAST_PROBABILITY
from photograft.features.similarity import SMALLEST_SQUARED


def add_decision(made: Graph, classifier: Classifier, features: str) -> list[str]:
    """Add what a classifier makes of features; return the names of the outputs.

    `PROBABILITIES` is float32 ``(n, num_classes)``. `LOGITS`, of the same shape, are what a softmax
    makes these of: of several views, their logarithms. `OOD_SCORE`, ``(n,)``, is there where the
    classifier has a detector.

    Args:
        made: Is added to.
        classifier: The classifier.
        features: The name of float32 ``(views * n, num_features)``: all photos of the first view,
            then all of the next.
    """
    num_views = len(classifier.views)
    if num_views == 1:
        logits = _logits(made, classifier, features, LOGITS)
        made.add("Softmax", [logits], PROBABILITIES, axis=1)
    else:
        each = made.add("Softmax", [_logits(made, classifier, features)], axis=1)
        shape = made.constant(np.array([num_views, -1, len(classifier.class_names)], np.int64))
        made.reduced("ReduceMean", made.add("Reshape", [each, shape]), [0], name=PROBABILITIES)
        _logs(made, PROBABILITIES, LOGITS)
    detector = classifier.uncertainty and classifier.uncertainty.ood_detector
    if not detector:
        return [PROBABILITIES, LOGITS]
    if num_views > 1:  # it goes by the photos as they are
        width = classifier.backbone.num_features
        shape = made.constant(np.array([num_views, -1, width], np.int64))
        parted = made.add("Reshape", [features, shape])
        features = made.add("Gather", [parted, made.scalar(np.int64(0))], axis=0)
    _add_ood_score(made, detector, features)
    return [PROBABILITIES, LOGITS, OOD_SCORE]


def _logits(made: Graph, classifier: Classifier, features: str, name: str = "") -> str:
    """Add the head on the columns that it sees; return the name of its logits."""
    columns = classifier.columns()
    if len(columns) < classifier.backbone.num_features:
        features = _columns(made, features, columns)
    return _head(made, classifier.head, features, name)


def _columns(made: Graph, features: str, columns: npt.NDArray[np.intp]) -> str:
    """Add the taking of columns: a slice where they are neighbours."""
    first, end = int(columns[0]), int(columns[-1]) + 1
    if end - first == len(columns):
        return _slice(made, features, first, end)
    return made.add("Gather", [features, made.constant(columns.astype(np.int64))], axis=1)


def _slice(made: Graph, features: str, first: int, end: int) -> str:
    ends = [made.constant(np.array([value], np.int64)) for value in (first, end, 1)]
    return made.add("Slice", [features, *ends])


def _head(made: Graph, head: Head, x: str, name: str) -> str:
    last = len(head.weights) - 1
    is_sigmoid = head.activation == "sigmoid"
    for i, (weight, bias) in enumerate(zip(head.weights, head.biases, strict=True)):
        if i:
            x = made.add("Relu", [x])
        x = made.add("MatMul", [x, made.constant(weight)])
        ends = i == last and not is_sigmoid
        x = made.add("Add", [x, made.constant(bias)], name if ends else "")
    if is_sigmoid:  # log-odds of the second of two classes
        x = made.add("Concat", [made.add("Sub", [x, x]), x], name, axis=1)
    return x


def _logs(made: Graph, probabilities: str, name: str = "") -> str:
    least = made.scalar(np.float32(LEAST_PROBABILITY))
    return made.add("Log", [made.add("Max", [probabilities, least])], name)


def _add_ood_score(made: Graph, detector: OODDetector, features: str) -> None:
    """Add `OODDetector.scores`."""
    x = _unit_rows(made, detector, features)
    projected = made.add("MatMul", [x, _compact(made, detector.projection)])
    twice_alike = made.add("MatMul", [projected, _compact(made, 2 * detector.rows.T)])
    squared = made.add("Sub", [made.scalar(np.float32(2)), twice_alike])
    k = min(detector.neighbour, len(detector.rows))
    how_many = made.constant(np.array([k], np.int64))
    near, which = made.several("TopK", [squared, how_many], 2, axis=1, largest=0, sorted=1)
    farthest = _slice(made, near, k - 1, k)
    smallest = made.scalar(np.float32(SMALLEST_SQUARED))
    distance = made.add("Log", [made.add("Max", [farthest, smallest])])
    radii = made.add("Gather", [made.constant(detector.radii.astype(np.float32)), which], axis=0)
    usual = made.mean(radii, [1], keepdims=1)
    local = made.add("Mul", [usual, made.scalar(np.float32(LOCAL_SHARE))])
    stray = made.add("Sub", [distance, local])
    stray = made.add("Div", [stray, made.scalar(np.float32(detector.spread))])
    surest = made.reduced("ReduceMax", _logs(made, PROBABILITIES), [1], keepdims=1)
    doubt = made.add("Mul", [surest, made.scalar(np.float32(-HEAD_SHARE))])
    axis = made.constant(np.array([1], np.int64))
    made.add("Squeeze", [made.add("Add", [stray, doubt]), axis], OOD_SCORE)


def _unit_rows(made: Graph, detector: OODDetector, features: str) -> str:
    """Add `similarity.unit_rows`."""
    parts = []
    for first, end in detector.bounds.tolist():
        part = _slice(made, features, first, end)
        square = made.reduced("ReduceSum", made.add("Mul", [part, part]), [1], keepdims=1)
        length = made.add("Sqrt", [square])
        factor = made.scalar(np.float32(math.sqrt(len(detector.bounds))))
        length = made.add("Max", [made.add("Mul", [length, factor]), _tiny(made)])
        parts.append(made.add("Div", [part, length]))
    return made.add("Concat", parts, axis=1) if len(parts) > 1 else parts[0]


def _tiny(made: Graph) -> str:
    return made.scalar(np.float32(1e-12))


def _compact(made: Graph, values: npt.NDArray[Any]) -> str:
    """Keep an array in half precision, where it loses nothing by that."""
    small = values.astype(np.float16)
    if not np.array_equal(small.astype(np.float32), values):
        return made.constant(values.astype(np.float32))
    return made.add("Cast", [made.constant(small)], to=TensorProto.FLOAT)
