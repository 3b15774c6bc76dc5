"""Any backbone that torch runs as an ONNX file and its record, for machines without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from photograft.backbones.onnx_files.record import RECORD_SUFFIX, SUFFIX
from photograft.backbones.pytorch.export import hushed, is_map, model_of, noise_photo
from photograft.backbones.pytorch.network import Normalisation
from photograft.backbones.pytorch.pooling import layer_places, pairs
from photograft.backbones.pytorch.zoo import build
from photograft.backbones.registry import Backbone
from photograft.core.errors import ConversionError, first_line


@dataclass(frozen=True)
class Converted:
    """A network as files, and an example of what it is to do.

    Attributes:
        model: The ONNX file.
        record: Its record, in TOML.
        pixels: Uint8, shape ``(1, height, width, 3)``.
        features: What torch makes of them, float32, shape ``(1, num_features)``.
    """

    model: bytes
    record: str
    pixels: npt.NDArray[np.uint8]
    features: npt.NDArray[np.float32]


class _Layers(nn.Module):
    """A network's layers from normalised pixels: maps as they are, other outputs pooled."""

    def __init__(self, backbone: Backbone, path: Path | None) -> None:
        super().__init__()
        self.network = build(backbone, path)
        self.places = layer_places(self.network, backbone)
        self.are_maps: list[bool] = []
        self.eval()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = pairs(self.network, x, self.places)
        # Copies: a layer that is the last one, too, would be one output under two names.
        return tuple(
            values.clone() if as_map else pooled
            for (values, pooled), as_map in zip(found, self.are_maps, strict=True)
        )


def convert(backbone: Backbone, path: Path | None) -> Converted:
    """Return a network as an ONNX file of its layers, with a record.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.

    Raises:
        WeightsError: The file does not hold this network's weights.
        ConversionError: The network can't be exported.
    """
    network = _Layers(backbone, path)
    pixels = noise_photo(backbone)
    outputs = [layer.name for layer in backbone.layers]
    try:
        with hushed(), torch.no_grad():
            given = Normalisation(backbone)(torch.from_numpy(pixels))
            found = pairs(network.network, given, network.places)
            network.are_maps = [
                is_map(values, pooled, layer.pooling)
                for (values, pooled), layer in zip(found, backbone.layers, strict=True)
            ]
            features = torch.cat([pooled for _, pooled in found], dim=1).numpy()
            model = model_of(network, given, "photos", outputs)
            data = model.SerializeToString(deterministic=True)
    except Exception as error:  # whatever torch stumbles over in this network
        raise ConversionError(
            f"{backbone.name} can't be exported from torch ({first_line(error)})"
        ) from error
    return Converted(data, _record(backbone, outputs), pixels, features)


def file_names(backbone: Backbone) -> tuple[str, str]:
    """Return what a network's file and its record are called."""
    name = backbone.name.replace("/", "-")
    return name + SUFFIX, name + RECORD_SUFFIX


def _record(backbone: Backbone, outputs: list[str]) -> str:
    values = {
        "file": file_names(backbone)[0],
        "input_size": list(backbone.input_size),
        "range": [0.0, 1.0],
        "mean": list(backbone.mean),
        "std": list(backbone.std),
        "interpolation": backbone.interpolation,
        "crop": backbone.crop_mode,
        "crop_pct": backbone.crop_pct,
        "layout": "NCHW",
        "layers": outputs,
        "licence": backbone.licence,
        "paper": backbone.paper,
    }
    # What JSON makes of text, numbers and lists of them is TOML, too.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    return "\n".join([f"# {backbone.name}: for photograft --backbone", *lines]) + "\n"
