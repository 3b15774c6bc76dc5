"""The exporters: what a classifier may become, one line each, their modules imported when used."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from photograft.classifier.classifier import Classifier
from photograft.classifier.export.order import Artefact, Order
from photograft.core.choices import EXPORT_PRECISIONS
from photograft.core.errors import UnknownNameError


@dataclass(frozen=True)
class Exporter:
    """A way to write a classifier.

    Attributes:
        home: The module with its `write`.
        runtime: The package that runs what it writes, and that proves it; empty for one that proves
            what it writes itself, or is `tried` in another way.
        model: Where the model lies in the folder; ``{name}`` stands for the model's name.
        served_as: What KServe calls the format; empty where it knows none.
        precisions: What it can be written in.
        tried: The module that opens what was written, to be tried, where that is no file that
            `runtime` runs.
        note: How it is tried, where that is told in the certificate.
    """

    home: str
    runtime: str
    model: str = ""
    served_as: str = ""
    precisions: tuple[str, ...] = EXPORT_PRECISIONS
    tried: str = ""
    note: str = ""

    def write(self, classifier: Classifier, folder: Path, order: Order) -> None:
        """Write a classifier into a folder; its module is imported only now."""
        module = cast("_Home", importlib.import_module(self.home))
        module.write(classifier, folder, order)

    def open(self, folder: Path) -> Artefact:
        """Open what was written, where it is `tried` in a way of its own."""
        module = cast("_Opening", importlib.import_module(self.tried))
        return module.open_artefact(folder)


class _Opening(Protocol):
    """The module of `Exporter.tried`."""

    @staticmethod
    def open_artefact(folder: Path) -> Artefact:
        """Open what lies in a folder."""


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
    "web": Exporter(
        "photograft.classifier.export.web.exporter",
        "",
        "index.html",
        tried="photograft.classifier.export.web.artefact",
        note=(
            "Tried without a browser. The network was taken out of the page and run here; photos "
            "were decoded and resized by the library, which the page's own resizing, and its own "
            "decoding of large JPEGs, equal to the byte. Whether a browser decodes and computes "
            "alike, the page finds out each time it is opened: it answers for drawn pictures whose "
            "answers it knows, and for no other where it disagrees."
        ),
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
