"""The training photos that a page shows beside its answers, where the user allows it."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper
from PIL import Image, ImageOps

from photograft.backbones.graphs import Graph
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.names import FEATURES, PROBABILITIES
from photograft.classifier.reference import Reference
from photograft.core.errors import ImageError
from photograft.data.images import decode
from photograft.features.similarity import choose_rows

#: The output that says how alike a photo is to each: float32 ``(n, num_neighbours)``, in [-1, 1].
LIKENESS = "likeness"

#: Photos that a page carries at most, the side of each in pixels, and how many it shows.
MAX_NEIGHBOURS, SIDE, SHOWN = 240, 96, 5
_QUALITY = 72


@dataclass(frozen=True)
class Neighbours:
    """Training photos that a page carries.

    Attributes:
        which: Their places in the classifier's reference, shape ``(m,)``, m at least 1.
        labels: Their class indices, shape ``(m,)``.
        pictures: Of each a small square JPEG.
    """

    which: npt.NDArray[np.intp]
    labels: npt.NDArray[np.int64]
    pictures: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what a page's scripts are told."""
        return {
            "labels": self.labels.tolist(),
            "pictures": [base64.b64encode(picture).decode() for picture in self.pictures],
            "shown": SHOWN,
        }


def load_neighbours(
    reference: Reference, reads: Mapping[str, Callable[[], bytes]], max_pixels: int
) -> Neighbours | None:
    """Return the training photos that are still where they were: of each class as many.

    Args:
        reference: The classifier's.
        reads: What reads each photo that was found, by the reference's names.
        max_pixels: Photos with more pixels are left out.

    Returns:
        None where there is none.
    """
    here = np.flatnonzero([name in reads for name in reference.names])
    rng = np.random.default_rng(0)
    chosen = here[choose_rows(reference.labels[here], rng, MAX_NEIGHBOURS)]
    pictures = {}
    for i in chosen.tolist():
        try:
            pictures[i] = _small(reads[reference.names[i]](), max_pixels)
        except (ImageError, OSError):
            continue
    if not pictures:
        return None
    which = np.array(list(pictures), np.intp)
    return Neighbours(which, reference.labels[which], tuple(pictures.values()))


def add_likeness(model: onnx.ModelProto, classifier: Classifier, neighbours: Neighbours) -> None:
    """Add the output `LIKENESS` to a classifier's graph: `Reference.nearest` of some photos.

    Args:
        model: From `export.graph`; is changed.
        classifier: With a reference.
        neighbours: Of it.
    """
    reference = classifier.reference
    if reference is None:
        raise ValueError("the classifier has no reference")
    made = Graph(model.opset_import[0].version, "likeness.")
    columns = made.constant(classifier.last_columns().astype(np.int64))
    x = _unit(made, made.add("Gather", [FEATURES, columns], axis=1))
    x = _unit(made, made.add("MatMul", [x, _half(made, reference.projection)]))
    rows = made.add("Transpose", [_half(made, reference.rows[neighbours.which])], perm=[1, 0])
    made.add("MatMul", [x, rows], LIKENESS)
    model.graph.node.extend(made.nodes)
    model.graph.initializer.extend(made.constants)
    batch = next(o for o in model.graph.output if o.name == PROBABILITIES)
    photos = batch.type.tensor_type.shape.dim[0].dim_param
    sides = [photos, len(neighbours.which)]
    model.graph.output.append(helper.make_tensor_value_info(LIKENESS, TensorProto.FLOAT, sides))


def _unit(made: Graph, x: str) -> str:
    length = made.add("ReduceL2", [x], axes=[1], keepdims=1)
    return made.add("Div", [x, made.add("Max", [length, made.constant(np.float32(1e-12))])])


def _half(made: Graph, values: npt.NDArray[np.float32]) -> str:
    """Keep what was rounded to half precision when it was fitted; return it as float32."""
    return made.add("Cast", [made.constant(values.astype(np.float16))], to=TensorProto.FLOAT)


def _small(data: bytes, max_pixels: int) -> bytes:
    image = decode(data, max_pixels=max_pixels, at_least=SIDE)
    image = ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return stream.getvalue()
