"""A classifier as one ONNX graph: photos of any size in, probabilities and the OOD score out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from photograft.backbones.graphs import IR_VERSION, OPSET, Graph
from photograft.backbones.int8.ranges import Ranges
from photograft.backbones.onnx_files.reading import MAX_BYTES
from photograft.backbones.registry import Backbone
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.decision import add_decision
from photograft.classifier.export.metadata import describe, write_metadata
from photograft.classifier.export.names import BACKBONE, FEATURES, OOD_SCORE, PHOTOS, PIXELS
from photograft.classifier.export.networks import Part, features_of, part_of, share_constants
from photograft.classifier.export.preparing import prepared_model
from photograft.classifier.export.resizing import resized
from photograft.core.errors import ConversionError
from photograft.core.text import size as size_of
from photograft.features.packing import look_shapes, packed_shape

#: An axis ends before this, counted backwards.
_BEFORE_ALL = -(2**31)


def graph(
    classifier: Classifier, *, prepared: bool = False, ranges: Sequence[Ranges] = ()
) -> onnx.ModelProto:
    """Return the graph of a classifier, in float32.

    Its input is `PHOTOS`, uint8 RGB ``(n, height, width, 3)``, upright, all of one size, which may
    be any; or `PIXELS`, as its looks see them, packed (see `packing`). Outputs are those of
    `add_decision`. Within it, `PIXELS` and `FEATURES` are the names of what the library computes,
    too.

    Args:
        classifier: The classifier.
        prepared: Take pixels as `preprocessing.prepare` gives them: the caller resizes.
        ranges: Of each look: its network computes in whole numbers of 8 bits by these. Without any
            in float32.

    Returns:
        A valid model, with all that is known of the classifier in its metadata; see `describe`.

    Raises:
        WeightsError: The backbone's weights are not here.
        ConversionError: The network can't be a part of a graph, or is too large for one.
        InputError: It takes torch to prepare the network, which is not installed.
    """
    backbone = classifier.backbone
    parts = _parts(classifier, ranges)
    made = Graph(parts[0].opset, "photograft.")
    shapes = look_shapes(backbone)
    if prepared:
        sides: list[str | int] = [*packed_shape(shapes)]
        given = PIXELS
    else:
        sides, given = ["height", "width", 3], PHOTOS
        _add_pixels(made, backbone)
    features = _features(made, classifier, parts)
    outputs = add_decision(made, classifier, features)
    if len(parts) > 1:
        share_constants(made)
    model = _model(made, parts, given, ["n", *sides], outputs, len(classifier.class_names))
    write_metadata(model, describe(classifier))
    if model.ByteSize() > MAX_BYTES:
        raise ConversionError(
            f"{backbone.name} takes {size_of(model.ByteSize())} as a graph",
            expected=f"at most {size_of(MAX_BYTES)}, which is all that an ONNX file holds",
        )
    return model


def _parts(classifier: Classifier, ranges: Sequence[Ranges]) -> list[Part]:
    """Return the network of each look, all of one version of ONNX's operators."""
    looks = classifier.looks()
    given = ranges or [()] * len(looks)
    models = [
        prepared_model(look, classifier.engine, own) for look, own in zip(looks, given, strict=True)
    ]
    parts = [part_of(model, look.backbone) for model, look in zip(models, looks, strict=True)]
    opset = max(OPSET, *(part.opset for part in parts))
    return [
        part if part.opset == opset else part_of(model, look.backbone, opset)
        for part, model, look in zip(parts, models, looks, strict=True)
    ]


def _add_pixels(made: Graph, backbone: Backbone) -> None:
    """Add `PIXELS`: the photos as each look sees them, packed."""
    seen = []
    for look in backbone.looks:
        pixels = made.add("Transpose", [resized(made, look, PHOTOS)], perm=[0, 2, 3, 1])
        if backbone.parts:
            row = made.constant(np.array([-1, math.prod(look.input_size) * 3], np.int64))
            pixels = made.add("Reshape", [pixels, row])
        seen.append(pixels)
    whole = made.add("Concat", seen, axis=1) if backbone.parts else seen[0]
    made.add("Cast", [whole], PIXELS, to=TensorProto.UINT8)


def _features(made: Graph, classifier: Classifier, parts: Sequence[Part]) -> str:
    """Add the networks on all views of the pixels; return the name of the features."""
    shapes = look_shapes(classifier.backbone)
    each, start = [], 0
    for i, (look, part) in enumerate(zip(classifier.backbone.looks, parts, strict=True)):
        pixels, prefix = PIXELS, BACKBONE
        if len(parts) > 1:
            end = start + math.prod(shapes[i])
            pixels = _slice(made, PIXELS, start, end, 1, 1)
            pixels = made.add(
                "Reshape", [pixels, made.constant(np.array([-1, *shapes[i]], np.int64))]
            )
            prefix, start = f"{BACKBONE}{i + 1}.", end
        each.append(_look(made, look, part, pixels, classifier.views, prefix))
    features = made.add("Concat", each, axis=1) if len(each) > 1 else each[0]
    return made.add("Identity", [features], FEATURES)


def _look(
    made: Graph, look: Backbone, part: Part, pixels: str, views: Sequence[str], prefix: str
) -> str:
    """Add a look at all views; return its features, all photos of a view, then of the next."""
    is_turned = [view != "plain" for view in views]
    if look.mirror:
        is_turned += [not turned for turned in is_turned]
    mirrored = _slice(made, pixels, -1, _BEFORE_ALL, 2, -1) if any(is_turned) else ""
    seen = [mirrored if turned else pixels for turned in is_turned]
    features = features_of(
        made, part, made.add("Concat", seen, axis=0) if len(seen) > 1 else seen[0], prefix
    )
    if not look.mirror:
        return features
    both = made.add(
        "Reshape", [features, made.constant(np.array([2, -1, look.num_features], np.int64))]
    )
    return made.mean(both, [0])


def _slice(made: Graph, x: str, start: int, end: int, axis: int, step: int) -> str:
    ends = [made.constant(np.array([value], np.int64)) for value in (start, end, axis, step)]
    return made.add("Slice", [x, *ends])


def _model(
    made: Graph,
    parts: Sequence[Part],
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
    others = {
        o.domain: o.version
        for part in parts
        for o in part.model.opset_import
        if o.domain not in ("", "ai.onnx")
    }
    return helper.make_model(
        whole,
        opset_imports=[
            helper.make_opsetid("", made.opset),
            *(helper.make_opsetid(*item) for item in others.items()),
        ],
        ir_version=max(IR_VERSION, *(part.model.ir_version for part in parts)),
        producer_name="photograft",
    )
