"""A classifier in OpenVINO's own format, as its model server reads it: ``NAME/1/model.xml``."""

from __future__ import annotations

import json
from pathlib import Path

from photograft.backbones.openvino.whole import save_model
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.metadata import PREFIX, describe
from photograft.classifier.export.onnx_file import whole
from photograft.classifier.export.order import Order


def write(classifier: Classifier, folder: Path, order: Order) -> None:
    """Write the model; see `exporters`.

    Raises:
        ConversionError: The network can't be a part of a graph, or OpenVINO can't read it.
    """
    path = folder / order.name / "1" / "model.xml"
    path.parent.mkdir(parents=True)
    facts = {PREFIX + name: json.dumps(value) for name, value in describe(classifier).items()}
    save_model(whole(classifier, order).SerializeToString(), path, facts)
