"""What a network costs: multiply-adds for a photo, and values that are no parameters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from photograft.backbones.pytorch.pooling import layer_places, pool_layers
from photograft.backbones.pytorch.zoo import new_network
from photograft.backbones.registry import Backbone


@dataclass(frozen=True)
class Costs:
    """What a backbone costs.

    Attributes:
        multiply_adds: Of convolutions, dense layers and attention, for one photo.
        num_statistics: Moving means and variances of batch normalisation.
    """

    multiply_adds: int
    num_statistics: int


def measure_costs(backbone: Backbone) -> Costs:
    """Count what a backbone costs, on shapes alone: nothing is computed."""
    network = new_network(backbone.architecture)
    places = layer_places(network, backbone)
    meta = network.to("meta")
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        pool_layers(meta, torch.zeros(1, 3, *backbone.input_size, device="meta"), places)
    names = ("running_mean", "running_var")
    statistics = sum(b.numel() for name, b in meta.named_buffers() if name.endswith(names))
    return Costs(counter.get_total_flops() // 2, statistics)
