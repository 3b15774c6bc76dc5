"""From the weight file of an embedded network to what an engine reads, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from photograft.backbones.prebuilt import lite
from photograft.backbones.prebuilt.pth import read_state_dict
from photograft.backbones.prepared import Prepared
from photograft.backbones.registry import Backbone
from photograft.core.errors import WeightsError

#: Of the classification layer, and of training: no network here asks for them.
_UNUSED = ("classifier.weight", "classifier.bias")
_COUNTER = ".num_batches_tracked"


def may_build(backbone: Backbone, path: Path | None) -> bool:
    """Return whether `build` knows the network, and the kind of file."""
    return (
        path is not None
        and lite.is_lite(backbone.architecture)
        and (backbone.weights.startswith("package:") or path.suffix == ".safetensors")
    )


def build(backbone: Backbone, path: Path | None) -> Prepared | None:
    """Return a network; None for one that only torch can build.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.

    Raises:
        WeightsError: The file does not hold this network's weights.
    """
    tensors = _read(backbone, path)
    if tensors is None:
        return None
    from photograft.backbones.prebuilt.graph import build_graph  # ONNX, only where needed

    model = build_graph(backbone, tensors).SerializeToString(deterministic=True)
    return Prepared(model, tuple(layer.name for layer in backbone.layers))


def weights_bytes(backbone: Backbone, path: Path | None) -> bytes | None:
    """Return a network's weights as a safetensors file; None for one that only torch can read.

    Raises:
        WeightsError: The file does not hold this network's weights.
    """
    tensors = _read(backbone, path)
    if tensors is None:
        return None
    return save({name: np.array(tensor, order="C") for name, tensor in tensors.items()})


def _read(backbone: Backbone, path: Path | None) -> dict[str, npt.NDArray[Any]] | None:
    """Return the weights under timm's names, those of the classification layer left out."""
    if path is None or not may_build(backbone, path):
        return None
    if path.suffix == ".safetensors":
        try:
            tensors = load_file(path)
        except (SafetensorError, OSError, KeyError, TypeError):
            return None  # torch's way tells what is wrong with it, or knows the type of number
    else:
        tensors = lite.named_as_timm(backbone.architecture, read_state_dict(path))
    tensors = {name: tensor for name, tensor in tensors.items() if name not in _UNUSED}
    if {n for n in tensors if not n.endswith(_COUNTER)} == lite.names(backbone.architecture):
        return tensors
    if path.suffix == ".safetensors":
        return None  # other names, which torch's way matches by their order
    raise WeightsError(f"{path} does not hold the weights of {backbone.architecture}")
