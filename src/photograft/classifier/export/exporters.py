"""The exporters: what a classifier may become, one line each, their modules imported when used."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from photograft.classifier.classifier import Classifier
from photograft.classifier.export.order import Order
from photograft.core.choices import EXPORT_PRECISIONS
from photograft.core.errors import UnknownNameError


@dataclass(frozen=True)
class Exporter:
    """A way to write a classifier.

    Attributes:
        home: The module with its `write`.
        runtime: The package that runs what it writes, and that proves it; empty for one that proves
            what it writes itself.
        model: Where the model lies in the folder; ``{name}`` stands for the model's name.
        served_as: What KServe calls the format; empty where it knows none.
        precisions: What it can be written in.
    """

    home: str
    runtime: str
    model: str = ""
    served_as: str = ""
    precisions: tuple[str, ...] = EXPORT_PRECISIONS

    def write(self, classifier: Classifier, folder: Path, order: Order) -> None:
        """Write a classifier into a folder; its module is imported only now."""
        module = cast("_Home", importlib.import_module(self.home))
        module.write(classifier, folder, order)


class _Home(Protocol):
    """An exporter's module."""

    @staticmethod
    def write(classifier: Classifier, folder: Path, order: Order) -> None:
        """Write the model, and what only this format needs beside it.

        Raises:
            ConversionError: The classifier can't be written in this format.
            InputError: A package is missing.
        """


#: What users call them, in the order of `EXPORT_FORMATS`, which commands choose from.
EXPORTERS = {
    "onnx": Exporter(
        "photograft.classifier.export.onnx_file", "onnxruntime", "{name}/1/model.onnx", "onnx"
    ),
    "openvino": Exporter(
        "photograft.classifier.export.openvino_ir", "openvino", "{name}/1/model.xml", "openvino_ir"
    ),
    "torch": Exporter(
        "photograft.classifier.export.torch_program",
        "torch",
        "{name}/1/model.pt2",
        precisions=("fp32",),
    ),
}


def find_exporter(name: str) -> Exporter:
    """Return an exporter.

    Raises:
        UnknownNameError: There is none of that name.
    """
    if name not in EXPORTERS:
        raise UnknownNameError(
            "export format", name, EXPORTERS, fix=f"There are {', '.join(EXPORTERS)}."
        )
    return EXPORTERS[name]
