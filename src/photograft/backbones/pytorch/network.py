"""Frozen networks: pixels in, features out, run by torch."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from photograft.backbones.pytorch.device import sent
from photograft.backbones.pytorch.pooling import Places, layer_places, pairs, pool_layers
from photograft.backbones.pytorch.zoo import build
from photograft.backbones.registry import BATCH_SIZE, Backbone
from photograft.backbones.running import filled_batches
from photograft.core.arrays import Floats

#: Added to the standard deviation of one photo's pixels, which may be all the same.
_EPSILON = 1e-6


class Normalisation(nn.Module):
    """From uint8 pixels to what a network was trained on: its record's way.

    Args:
        backbone: The record.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (backbone.mean, backbone.std))
        self.register_buffer("scale", 1 / (255 * std), persistent=False)
        self.register_buffer("shift", -mean / std, persistent=False)
        self.per_photo = backbone.per_photo

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return float32 ``(n, 3, h, w)`` of uint8 pixels ``(n, h, w, 3)``."""
        x = pixels.permute(0, 3, 1, 2).to(torch.float32) * self.scale + self.shift
        if self.per_photo in ("center", "both"):
            x = x - x.mean(dim=(1, 2, 3), keepdim=True)
        if self.per_photo in ("standardize", "both"):
            mean = x.mean(dim=(1, 2, 3), keepdim=True)
            variance = (x - mean).square().mean(dim=(1, 2, 3), keepdim=True)
            x = x / (variance.sqrt() + _EPSILON)
        return x


class PooledNetwork(nn.Module):
    """A backbone with its normalisation before it and the pooling of its layers behind it.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.
        folded: Fold batch normalisation into the convolutions before it, where that demonstrably
            gives the same output: a third less time for the same features.
    """

    def __init__(self, backbone: Backbone, path: Path | None, *, folded: bool) -> None:
        super().__init__()
        network = build(backbone, path)
        places = layer_places(network, backbone)
        self.network = fold(network, backbone.input_size, places) if folded else network
        self.places = places
        self.normalisation = Normalisation(backbone)
        self.eval()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return float32 features ``(n, num_features)`` of uint8 pixels ``(n, h, w, 3)``."""
        return torch.cat([pooled for _, pooled in self.pairs(pixels)], dim=1)

    def pairs(self, pixels: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return each layer's own output, and its features, of uint8 pixels ``(n, h, w, 3)``."""
        x = self.normalisation(pixels).to(next(self.network.parameters()).dtype)
        return pairs(self.network, x, self.places)


#: Photos that an accelerator is given at once.
ACCELERATED_BATCH = 32


class FrozenNetwork:
    """A backbone run by torch, on batches of one size, blanks filling up the last.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.
        precision: ``"bf16"`` or ``"fp32"``.
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.
        batch_size: A photo's features depend on it, if only by rounding; where not given,
            `BATCH_SIZE` on processors, `ACCELERATED_BATCH` on others.
    """

    def __init__(
        self,
        backbone: Backbone,
        path: Path | None,
        precision: str,
        device: str = "cpu",
        batch_size: int = 0,
    ) -> None:
        self._module = PooledNetwork(backbone, path, folded=True)
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._module.network.to(dtype).to(memory_format=torch.channels_last)
        self._module.to(device)
        self._device = device
        self._batch_size = batch_size or (BATCH_SIZE if device == "cpu" else ACCELERATED_BATCH)

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """Return the pooled output of every layer of the record, joined.

        Args:
            pixels: Shape ``(n, height, width, 3)``, uint8.

        Returns:
            Shape ``(n, backbone.num_features)``, float32.
        """
        with torch.inference_mode():
            # All batches are on their way before the first one is waited for.
            found = [
                self._module(sent(batch, self._device))[:count]
                for batch, count in filled_batches(pixels, self._batch_size)
            ]
            features: Floats = torch.cat(found).cpu().numpy()
        return features


def fold(network: nn.Module, input_size: tuple[int, int], places: Places) -> nn.Module:
    """Return the network with batch normalisation folded in, or as it was where that differs."""
    folded = copy.deepcopy(network)
    with torch.no_grad():
        _fold_children(folded)
        x = torch.randn(2, 3, *input_size, generator=torch.Generator().manual_seed(0))
        before, after = (pool_layers(n, x, places) for n in (network, folded))
        # Layer by layer: one of large values must not hide what is wrong in another.
        same = all(
            bool((b - a).abs().max() <= 1e-4 * b.abs().max())
            for b, a in zip(before, after, strict=True)
        )
    return folded if same else network


def _fold_children(parent: nn.Module) -> None:
    """Fold each batch normalisation into the convolution that stands before it in its module.

    That the one is fed by the other is only likely from their order: `fold` checks it.
    """
    before: nn.Module | None = None
    for name, child in list(parent.named_children()):
        if isinstance(child, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
            if child.running_mean is None or child.running_var is None:
                continue
            fused = torch.nn.utils.fusion.fuse_conv_bn_weights(
                before.weight,
                before.bias,
                child.running_mean,
                child.running_var,
                child.eps,
                child.weight,
                child.bias,
            )
            before.weight, before.bias = fused
            # timm's own batch normalisation also holds the activation that follows it.
            setattr(parent, name, getattr(child, "act", nn.Identity()))
            before = None
        else:
            _fold_children(child)
            before = child
