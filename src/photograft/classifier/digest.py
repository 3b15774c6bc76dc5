"""What tells a classifier from all others, in exports, their certificates and the server alike."""

from __future__ import annotations

import hashlib
import json

from photograft.classifier.classifier import Classifier


def digest_of(classifier: Classifier) -> str:
    """Return what tells a classifier from all that answer otherwise: a SHA-256.

    The same for one in memory and for what is loaded of it.
    """
    digest = hashlib.sha256()
    tensors = {f"head.{name}": value for name, value in classifier.head.tensors().items()}
    if classifier.uncertainty:
        tensors |= classifier.uncertainty.tensors()
    # The engine is no part of it: a classifier is the same whatever runs it.
    backbone = {**classifier.backbone.to_json(), "name": ""}
    if classifier.backbone.is_onnx:
        backbone["weights"] = ""  # the same wherever it lies
    digest.update(
        json.dumps(
            [
                classifier.class_names,
                backbone,
                classifier.layers,
                classifier.head.activation,
                classifier.views,
                classifier.engine.ranges,
            ]
        ).encode()
    )
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()
