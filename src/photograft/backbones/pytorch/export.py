"""Any backbone that torch runs as what an engine reads: exported once, then run without torch."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from photograft.backbones.prepared import Prepared
from photograft.backbones.pytorch.network import PooledNetwork
from photograft.backbones.pytorch.pooling import pool_map
from photograft.backbones.registry import Backbone
from photograft.core.errors import ConversionError, first_line

_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Exported:
    """A network, and an example of what it is to do.

    Attributes:
        prepared: The network.
        pixels: Uint8, shape ``(1, height, width, 3)``.
        features: What torch makes of them, float32, shape ``(1, num_features)``.
    """

    prepared: Prepared
    pixels: npt.NDArray[np.uint8]
    features: npt.NDArray[np.float32]


class _WithMaps(nn.Module):
    """A network's features, and the maps that some of them are pooled from."""

    def __init__(self, network: PooledNetwork) -> None:
        super().__init__()
        self.network = network
        self.chosen: list[int] = []

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pairs = self.network.pairs(pixels)
        features = torch.cat([pooled for _, pooled in pairs], dim=1)
        # Copies: a layer that is the last one, too, would be one output under two names.
        return features, *(pairs[i][0].clone() for i in self.chosen)


def noise_photo(backbone: Backbone) -> npt.NDArray[np.uint8]:
    """Return pixels to try a network on, uint8, shape ``(1, height, width, 3)``."""
    shape = (1, *backbone.input_size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def export(backbone: Backbone, path: Path | None) -> Exported:
    """Return a network for an engine.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.

    Raises:
        WeightsError: The file does not hold this network's weights.
        ConversionError: The network can't be exported.
    """
    network = _WithMaps(PooledNetwork(backbone, path, folded=False))
    pixels = noise_photo(backbone)
    given = torch.from_numpy(pixels)
    try:
        with hushed(), torch.no_grad():
            pairs = network.network.pairs(given)
            features = torch.cat([pooled for _, pooled in pairs], dim=1).numpy()
            network.chosen = [
                i
                for i, ((values, pooled), layer) in enumerate(
                    zip(pairs, backbone.layers, strict=True)
                )
                if is_map(values, pooled, layer.pooling)
            ]
            names = tuple(backbone.layers[i].name for i in network.chosen)
            outputs = ["features", *(f"map.{name}" for name in names)]
            model = model_of(network, given, "pixels", outputs)
            # What a map is pooled to is asked for, the maps themselves only for heat maps.
            del model.graph.output[1:]
            data = model.SerializeToString(deterministic=True)
    except Exception as error:  # whatever torch stumbles over in this network
        raise ConversionError(
            f"{backbone.name} can't be exported from torch ({first_line(error)})",
            fix="Use --engine torch.",
        ) from error
    return Exported(Prepared(data, names), pixels, features)


def model_of(network: nn.Module, given: torch.Tensor, name: str, outputs: list[str]) -> Any:
    """Return a network as an ONNX model.

    Args:
        network: In eval mode.
        given: What it takes, such as a blank photo.
        name: That the input is to have.
        outputs: Those that the outputs are to have.
    """
    program: Any = torch.onnx.export(
        network,
        (given,),
        dynamo=True,
        verbose=False,
        input_names=[name],
        output_names=outputs,
    )
    return program.model_proto


def is_map(values: torch.Tensor, pooled: torch.Tensor, pooling: str) -> bool:
    """Return whether features are a map's, pooled, and nothing more."""
    if values.ndim != 4 or values.shape[2] * values.shape[3] == 1:
        return False
    own = pool_map(values, pooling)
    largest = max(1.0, float(pooled.abs().max()))
    return own.shape == pooled.shape and float((own - pooled).abs().max()) <= _TOLERANCE * largest


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Keep the libraries' talk about their own insides from the user, and the root logger as is."""
    root = logging.getLogger()
    handlers, disabled = root.handlers[:], logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers
