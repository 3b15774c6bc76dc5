"""What an exported classifier says of itself, in the file and beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import PIL

from photograft._version import __version__
from photograft.classifier.classifier import Classifier
from photograft.classifier.digest import digest_of
from photograft.classifier.uncertainty.ood_detector import DEFAULT_KEPT
from photograft.classifier.uncertainty.uncertainty import Uncertainty

if TYPE_CHECKING:
    import onnx

#: Raised when what `describe` gives is no longer what it was.
FORMAT_VERSION = 1
#: Begins the names in a file's metadata.
PREFIX = "photograft."
#: Accuracies that thresholds to abstain by are told for.
TARGETS = (0.95, 0.99)


def describe(classifier: Classifier) -> dict[str, Any]:
    """Return what there is to know of a classifier, as plain JSON types.

    ``classes`` are the names, in the order of the probabilities; ``decoding`` is how a file becomes
    a photo; ``preprocessing`` what becomes of that, as the first look sees it; ``backbone`` its
    record, that of each look in it, with its ``licence``;
    ``rules`` the thresholds, see `Rules`; ``calibration`` what was found of the head's, which has
    it in it; ``digest`` tells this classifier from all others.
    """
    backbone, uncertainty = classifier.backbone, classifier.uncertainty
    return {
        "format": FORMAT_VERSION,
        "photograft": __version__,
        "digest": digest_of(classifier),
        "classes": list(classifier.class_names),
        "activation": classifier.head.activation,
        "layers": list(classifier.layers),
        "views": list(classifier.views),
        "decoding": {
            "at_least": backbone.least_side,
            "max_pixels": classifier.max_pixels,
            "pillow": PIL.__version__,
        },
        "preprocessing": backbone.preprocessing(),
        "backbone": backbone.to_json(),
        "licence": backbone.licence,
        "rules": rules_of(uncertainty),
        "calibration": uncertainty.calibration if uncertainty else None,
        "trained": classifier.trained,
    }


def rules_of(uncertainty: Uncertainty | None) -> dict[str, Any]:
    """Return the thresholds that answers may go by, as plain JSON types.

    ``unknown``: a higher OOD score is none of the classes; None where the classifier can't tell.
    ``unsure``: for each of `TARGETS` a less confident answer had better be left open; empty where
    the classifier can't tell.
    """
    unknown, unsure = None, []
    if uncertainty and uncertainty.ood_detector:
        threshold = uncertainty.ood_detector.threshold(DEFAULT_KEPT)
        unknown = {"ood_threshold": threshold, "kept": DEFAULT_KEPT}
    if uncertainty and uncertainty.held_out and len(uncertainty.held_out.confidence):
        found = [uncertainty.held_out.abstention(target) for target in TARGETS]
        unsure = [
            {
                "min_accuracy": rule.min_accuracy,
                "confidence": rule.threshold,
                "is_shown": rule.is_shown,
                "sentence": rule.sentence,
            }
            for rule in found
        ]
    return {"unknown": unknown, "unsure": unsure}


def write_metadata(model: onnx.ModelProto, facts: dict[str, Any]) -> None:
    """Put facts into a model, each as JSON."""
    model.doc_string = f"An image classifier made with Photograft {__version__}"
    for name, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = PREFIX + name, json.dumps(value, ensure_ascii=False)


def read_metadata(model: onnx.ModelProto) -> dict[str, Any]:
    """Return what `write_metadata` put there."""
    return {
        entry.key.removeprefix(PREFIX): json.loads(entry.value)
        for entry in model.metadata_props
        if entry.key.startswith(PREFIX)
    }
