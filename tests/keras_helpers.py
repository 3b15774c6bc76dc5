"""Networks of Keras's structure, and how tests hold two of them against each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from photograft.backbones.pytorch.keras_networks import build

#: Weight files as Keras fetches them, for trying on; not part of the repository.
REAL = Path(__file__).resolve().parents[2] / "shared" / "weights"


def wave() -> torch.Tensor:
    """A picture of waves, ``(1, 3, 96, 96)``, R, G and B from 0 to 1."""
    rows, columns = np.mgrid[:96, :96]
    waves = [np.sin((rows * (c + 1) + 2 * columns) / 7) for c in range(3)]
    return torch.from_numpy(np.round(127.5 * (1 + np.stack(waves))) / 255).float()[None]


def randomised(name: str, seed: int = 1) -> nn.Module:
    """A network with random values in every tensor, all of them exact in half precision."""
    network = build(name, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                positive = key.endswith("running_var")
                fan_in = tensor[0].numel() if tensor.ndim == 4 else 4
                values = torch.randn(tensor.shape, generator=generator) / fan_in**0.5
                tensor.copy_(values.abs() + 0.5 if positive else values).copy_(tensor.half())
    return network


def check_same(network: nn.Module, other: nn.Module, tolerance: float = 0.0) -> None:
    state = other.state_dict()
    assert set(state) == set(network.state_dict())
    for key, tensor in network.state_dict().items():
        torch.testing.assert_close(state[key], tensor, rtol=0, atol=tolerance, msg=key)
