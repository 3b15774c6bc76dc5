"""A classifier as one ONNX graph: photos of any size in, probabilities and the OOD score out."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from photograft.backbones.graphs import IR_VERSION, OPSET, Graph
from photograft.backbones.onnx_files.reading import MAX_BYTES
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.decision import add_decision
from photograft.classifier.export.metadata import describe, write_metadata
from photograft.classifier.export.names import BACKBONE, FEATURES, OOD_SCORE, PHOTOS, PIXELS
from photograft.classifier.export.networks import Part, features_of, part_of
from photograft.classifier.export.preparing import prepared_model
from photograft.classifier.export.resizing import resized
from photograft.core.errors import ConversionError
from photograft.core.text import size as size_of

#: An axis ends before this, counted backwards.
_BEFORE_ALL = -(2**31)


def graph(classifier: Classifier, *, prepared: bool = False, int8: bool = False) -> onnx.ModelProto:
    """Return the graph of a classifier, in float32.

    Its input is `PHOTOS`, uint8 RGB ``(n, height, width, 3)``, upright, all of one size, which may
    be any; or `PIXELS`, of the size that the network takes. Outputs are those of `add_decision`.
    Within it, `PIXELS` and `FEATURES` are the names of what the library computes, too.

    Args:
        classifier: The classifier.
        prepared: Take pixels as `preprocessing.prepare` gives them: the caller resizes.
        int8: Let the network compute in whole numbers of 8 bits, by the ranges that the
            classifier's engine has.

    Returns:
        A valid model, with all that is known of the classifier in its metadata; see `describe`.

    Raises:
        WeightsError: The backbone's weights are not here.
        ConversionError: The network can't be a part of a graph, or is too large for one.
        InputError: It takes torch to prepare the network, which is not installed.
    """
    part = part_of(prepared_model(classifier, int8=int8), classifier.backbone)
    made = Graph(max(part.opset, OPSET), "photograft.")
    if prepared:
        size: list[str | int] = [*classifier.backbone.input_size]
        given = PIXELS
    else:
        size, given = ["height", "width"], PHOTOS
        whole = made.add(
            "Transpose", [resized(made, classifier.backbone, PHOTOS)], perm=[0, 2, 3, 1]
        )
        made.add("Cast", [whole], PIXELS, to=TensorProto.UINT8)
    features = _features(made, classifier, part)
    outputs = add_decision(made, classifier, features)
    model = _model(made, part, given, ["n", *size, 3], outputs, len(classifier.class_names))
    write_metadata(model, describe(classifier))
    if model.ByteSize() > MAX_BYTES:
        raise ConversionError(
            f"{classifier.backbone.name} takes {size_of(model.ByteSize())} as a graph",
            expected=f"at most {size_of(MAX_BYTES)}, which is all that an ONNX file holds",
        )
    return model


def _features(made: Graph, classifier: Classifier, part: Part) -> str:
    """Add the network on all views of the pixels; return the name of the features."""
    pixels = PIXELS
    if len(classifier.views) > 1:
        pixels = made.add("Concat", [_seen(made, view) for view in classifier.views], axis=0)
    features = features_of(made, part, pixels, BACKBONE)
    return made.add("Identity", [features], FEATURES)


def _seen(made: Graph, view: str) -> str:
    """Return the pixels of a view; see `classifier.views`."""
    if view == "plain":
        return PIXELS
    ends = [made.constant(np.array([value], np.int64)) for value in (-1, _BEFORE_ALL, 2, -1)]
    return made.add("Slice", [PIXELS, *ends])


def _model(
    made: Graph,
    part: Part,
    given: str,
    shape: list[str | int],
    outputs: list[str],
    num_classes: int,
) -> onnx.ModelProto:
    found = []
    for name in outputs:
        sides: list[str | int] = ["n"] if name == OOD_SCORE else ["n", num_classes]
        found.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, sides))
    photos = helper.make_tensor_value_info(given, TensorProto.UINT8, shape)
    whole = helper.make_graph(made.nodes, "photograft", [photos], found, made.constants)
    others = [o for o in part.model.opset_import if o.domain not in ("", "ai.onnx")]
    return helper.make_model(
        whole,
        opset_imports=[helper.make_opsetid("", made.opset), *others],
        ir_version=max(IR_VERSION, part.model.ir_version),
        producer_name="photograft",
    )
