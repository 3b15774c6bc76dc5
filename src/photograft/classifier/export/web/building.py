"""A classifier as a page: its network, its rules and what is known of it, put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.backbones.engines import runs_prepared
from photograft.backbones.int8.ranges import Ranges
from photograft.backbones.opening import open_whole
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.graph import graph
from photograft.classifier.export.metadata import describe
from photograft.classifier.export.names import OOD_SCORE, PIXELS, PROBABILITIES
from photograft.classifier.export.precision import with_half_weights
from photograft.classifier.export.resizing import begins_vertically_here
from photograft.classifier.export.web.about import about, title_of
from photograft.classifier.export.web.checks import checks
from photograft.classifier.export.web.neighbours import LIKENESS, Neighbours, add_likeness
from photograft.classifier.export.web.page import PageParts, build_folder, build_page
from photograft.classifier.export.web.runtime import Runtime, read_runtime
from photograft.core.arrays import Pixels
from photograft.core.errors import InputError
from photograft.core.text import size
from photograft.features.packing import look_shapes, packed_shape

#: No page holds more: browsers refuse texts that are much longer.
MAX_BYTES = 256 * 2**20
#: What of each look's record says how a page resizes.
RESIZING = ("input_size", "crop_pct", "crop_mode", "interpolation")


def build_web(
    classifier: Classifier,
    *,
    has_half_weights: bool = False,
    ranges: Sequence[Ranges] = (),
    neighbours: Neighbours | None = None,
    title: str = "",
) -> dict[str, bytes]:
    """Return the files of a page that classifies: ``index.html``, which needs no other, is first.

    The others make it one that can be installed, where a server hands them out.

    Args:
        classifier: The classifier.
        has_half_weights: Whether weights are kept as fp16.
        ranges: Those of each look, for a network that computes in int8; none for fp32.
        neighbours: Training photos that are shown beside answers; None for none.
        title: Of the page; what the classifier tells apart where it is empty.

    Raises:
        InputError: This installation carries no runtime for browsers, or the page would be too
            large.
        WeightsError: The backbone's weights are not here.
        ConversionError: The network can't be a part of a graph.
    """
    runtime = read_runtime()
    model = graph(classifier, prepared=True, ranges=ranges)
    if has_half_weights:
        model = with_half_weights(model)
    if neighbours is not None:
        add_likeness(model, classifier, neighbours)
    network = model.SerializeToString()
    if len(network) > MAX_BYTES:
        raise InputError(
            f"the network takes {size(len(network))}, too much for a page",
            expected=f"at most {size(MAX_BYTES)}",
            fix="Train with a smaller backbone, or export with --precision int8.",
        )
    known = describe(classifier)
    title = title or title_of(classifier)
    page = build_page(
        PageParts(
            title=title,
            network=network,
            facts=_facts(classifier, known, network, neighbours, int8=bool(ranges)),
            about=_about(classifier, known, runtime),
            runtime=runtime,
        )
    )
    return build_folder(page, title)


def _facts(
    classifier: Classifier,
    known: dict[str, Any],
    network: bytes,
    neighbours: Neighbours | None,
    *,
    int8: bool,
) -> dict[str, Any]:
    """Return what a page's scripts are told."""
    run = open_whole(network, runs_prepared())
    has_score = classifier.uncertainty is not None and bool(classifier.uncertainty.ood_detector)

    def answer(pixels: Pixels) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
        found = run(pixels)
        return found[PROBABILITIES], found.get(OOD_SCORE)

    return {
        "class_names": known["classes"],
        "looks": {
            "decoded_for": known["decoding"]["at_least"],
            "tall_first": begins_vertically_here(),
            "records": [
                {name: getattr(look, name) for name in RESIZING}
                for look in classifier.backbone.looks
            ],
        },
        "shape": packed_shape(look_shapes(classifier.backbone)),
        "max_pixels": classifier.max_pixels,
        "input": PIXELS,
        "outputs": {
            "probabilities": PROBABILITIES,
            "ood_score": OOD_SCORE if has_score else None,
            "likeness": LIKENESS if neighbours else None,
        },
        "rules": known["rules"],
        "checks": checks(classifier.backbone, answer, classifier.max_pixels, int8=int8),
        "neighbours": neighbours.to_json() if neighbours else None,
    }


def _about(
    classifier: Classifier, known: dict[str, Any], runtime: Runtime
) -> list[tuple[str, list[str]]]:
    """Return what a page says of its classifier."""
    return [
        *about(classifier, known),
        (
            "Pictures",
            [
                "Whatever this browser opens, as a rule JPEG, PNG, GIF, WebP and AVIF; not HEIC or "
                "TIFF, mostly. No colour profile is applied, as in training."
            ],
        ),
        (
            "Runs by",
            [f"ONNX Runtime Web {runtime.version}, under this licence:", *_paragraphs(runtime)],
        ),
        ("Digest", [known["digest"]]),
    ]


def _paragraphs(runtime: Runtime) -> list[str]:
    return [" ".join(part.split()) for part in runtime.licence.strip().split("\n\n")]
