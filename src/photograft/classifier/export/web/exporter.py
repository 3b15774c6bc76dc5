"""A classifier as a page: written into a folder, with what belongs to it."""

from __future__ import annotations

from pathlib import Path

from photograft._version import __version__
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.metadata import describe
from photograft.classifier.export.order import Order
from photograft.classifier.export.precision import ranges_for
from photograft.classifier.export.web.about import title_of
from photograft.classifier.export.web.building import build_web
from photograft.classifier.export.web.neighbours import load_neighbours
from photograft.classifier.export.web.page import asset
from photograft.classifier.export.web.runtime import read_runtime
from photograft.core.errors import InputError
from photograft.core.files import write_json
from photograft.core.text import size


def write(classifier: Classifier, folder: Path, order: Order) -> None:
    """Write the page; see `exporters`.

    Raises:
        InputError: This installation carries no runtime for browsers, the page would be too large,
            or no training photo can be read, where some are to be shown.
        ConversionError: The network can't be a part of a graph.
    """
    runtime = read_runtime()
    is_int8 = order.precision == "int8"
    ranges = ranges_for(classifier, order.calibration) if is_int8 else ()
    neighbours = None
    if order.shown is not None and classifier.reference is not None:
        neighbours = load_neighbours(classifier.reference, order.shown, classifier.max_pixels)
        if neighbours is None:
            raise InputError(
                "none of the training photos can be read", fix="Leave --neighbours away."
            )
    files = build_web(
        classifier,
        has_half_weights=order.precision == "fp16",
        ranges=ranges,
        neighbours=neighbours,
        title=order.title,
    )
    for name, data in files.items():
        (folder / name).write_bytes(data)
    known = describe(classifier)
    write_json(folder / "metadata.json", known)
    (folder / "LICENSE.onnxruntime").write_text(runtime.licence, encoding="utf-8")
    readme = asset("README.md.txt").format(
        title=order.title or title_of(classifier),
        size=size(len(files["index.html"])),
        runtime=runtime.version,
        licence=known["licence"],
        version=__version__,
        digest=known["digest"],
    )
    (folder / "README.md").write_text(readme, encoding="utf-8")
