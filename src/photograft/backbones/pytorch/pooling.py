"""From a network's feature maps to vectors: which depths there are, and how they are pooled."""

from __future__ import annotations

from typing import Any

import torch

from photograft.backbones.registry import Backbone, Layer
from photograft.core.errors import UnknownNameError

#: At most this many depths are pooled; a plain stack of equal blocks is sampled evenly.
_MAX_LAYERS = 5

#: For each layer of a record: which intermediate output it is (None is the last), and its pooling.
Places = list[tuple[int | None, str]]


def find_layers(network: Any, input_size: tuple[int, int]) -> tuple[Layer, ...]:
    """Return the layers of a network that can be pooled, ``"last"`` at the end."""
    indices, names = intermediates(network)
    places: Places = [*((i, "avg") for i in indices), (None, "avg")]
    widths = _widths(network, input_size, places)
    return tuple(Layer(n, w) for n, w in zip([*names, "last"], widths, strict=True))


def measure_layers(
    network: Any, input_size: tuple[int, int], names: list[str], pooling: str
) -> tuple[Layer, ...]:
    """Return some layers of a network under a pooling.

    Args:
        network: As `zoo.build` gives it.
        input_size: Height and width of the input.
        names: Of its layers, as `find_layers` names them.
        pooling: ``"avg"`` or ``"flatten"``.
    """
    wanted = [Layer(name, 0, pooling) for name in names]
    widths = _widths(network, input_size, _places(network, wanted))
    return tuple(Layer(layer.name, n, pooling) for layer, n in zip(wanted, widths, strict=True))


def _widths(network: Any, input_size: tuple[int, int], places: Places) -> list[int]:
    """Return the lengths of pooled features: a blank photo tells, unless the network knows."""
    if hasattr(network, "map_shape"):
        channels, height, width = network.map_shape(*input_size)
        return [channels * (height * width if how == "flatten" else 1) for _, how in places]
    with torch.inference_mode():
        pooled = pool_layers(network, torch.zeros(1, 3, *input_size), places)
    return [p.shape[1] for p in pooled]


def layer_places(network: Any, backbone: Backbone) -> Places:
    """Return where a record's layers are found in its network."""
    return _places(network, list(backbone.layers))


def _places(network: Any, layers: list[Layer]) -> Places:
    if all(layer.name == "last" for layer in layers):
        return [(None, layer.pooling) for layer in layers]
    indices, names = intermediates(network)
    found = dict(zip(names, indices, strict=True))
    for layer in layers:
        if layer.name not in (*names, "last"):
            raise UnknownNameError(
                "layer", layer.name, names, fix=f"There are {', '.join([*names, 'last'])}."
            )
    return [
        (None if layer.name == "last" else found[layer.name], layer.pooling) for layer in layers
    ]


def pool_layers(network: Any, x: torch.Tensor, places: Places) -> list[torch.Tensor]:
    """Return float32 features of each place, shape ``(n, width)``, of normalised pixels."""
    return [pooled for _, pooled in pairs(network, x, places)]


def pairs(network: Any, x: torch.Tensor, places: Places) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return each place's own output, and its features; see `pool_layers`."""
    indices = [i for i, _ in places if i is not None]
    if indices:
        last, maps = network.forward_intermediates(x, indices=indices)
    else:
        last, maps = network.forward_features(x), []
    found = dict(zip(indices, maps, strict=True))
    return [
        (last, pool(network, last, pooling))
        if i is None
        else (found[i], pool_map(found[i], pooling))
        for i, pooling in places
    ]


def pool(network: Any, last: torch.Tensor, pooling: str) -> torch.Tensor:
    """Return a network's last output as float32 features, shape ``(n, width)``."""
    if pooling == "flatten":
        return last.flatten(1).float()
    pooled: torch.Tensor = network.forward_head(last, pre_logits=True)
    return pool_map(pooled, "avg") if pooled.ndim == 4 else pooled.flatten(1).float()


def pool_map(x: torch.Tensor, pooling: str) -> torch.Tensor:
    """Return a map ``(n, channels, h, w)`` as float32 features, shape ``(n, width)``."""
    return x.flatten(1).float() if pooling == "flatten" else x.float().mean(dim=(2, 3))


def intermediates(network: Any) -> tuple[list[int], list[str]]:
    """Return which of a network's intermediate outputs are pooled, and their names."""
    if not hasattr(network, "forward_intermediates"):
        return [], []
    probe = torch.zeros(1, 3, *network.pretrained_cfg["input_size"][1:])
    parameter = next(network.parameters())
    with torch.inference_mode():
        maps = network.forward_intermediates(probe.to(parameter.dtype), intermediates_only=True)
    if any(m.ndim != 4 for m in maps):
        return [], []
    indices = list(range(len(maps)))
    if len(maps) > _MAX_LAYERS:
        step = len(maps) / (_MAX_LAYERS - 1)
        indices = [round(step * (i + 1)) - 1 for i in range(_MAX_LAYERS - 1)]
    info = network.feature_info
    rows = info if isinstance(info, list) else getattr(info, "info", [])
    known = [str(row.get("module", "")) for row in rows]
    names = [known[i] if i < len(known) and known[i] else f"stage.{i}" for i in indices]
    return indices, names
