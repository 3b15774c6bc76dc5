"""Where evidence for a class is, asked of a network in torch: any backbone's, by gradients.

A transformer that reads its class from a token of its own is asked before its last block, where the
evidence is still in the patches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from photograft.backbones.registry import Backbone
from photograft.core.arrays import Floats
from photograft.core.errors import InputError

if TYPE_CHECKING:
    import torch


class TorchMaps:
    """A backbone in torch, in float32 on the processor.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.
        names: Of the layers that the head sees.
    """

    def __init__(self, backbone: Backbone, path: Path | None, names: Sequence[str]) -> None:
        from photograft.backbones.pytorch.network import Normalisation
        from photograft.backbones.pytorch.pooling import layer_places
        from photograft.backbones.pytorch.zoo import build

        self._name = backbone.name
        self._network: Any = build(backbone, path).requires_grad_(False)
        self._normalisation = Normalisation(backbone)
        used = tuple(layer for layer in backbone.layers if layer.name in names)
        self._places = layer_places(self._network, replace(backbone, layers=used))

    def __call__(
        self, pixels: npt.NDArray[np.uint8]
    ) -> tuple[Floats, Callable[[Floats], list[Floats]]]:
        """Return a photo's features, and what tells its evidence; see `heat_maps.Maps`."""
        import torch

        maps, pooled = zip(*self._pooled(torch.from_numpy(pixels[None].copy())), strict=True)
        features = torch.cat(pooled, dim=1)

        def evidence(gradient: Floats) -> list[Floats]:
            slopes = torch.autograd.grad(
                features, maps, torch.from_numpy(gradient[None]), allow_unused=True
            )
            return [
                self._evidence(source.detach(), slope, pooling).numpy()
                for source, slope, (_, pooling) in zip(maps, slopes, self._places, strict=True)
            ]

        return features[0].detach().numpy(), evidence

    def _pooled(self, pixels: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return, for each layer, the map whose gradient is taken and the features made of it."""
        from photograft.backbones.pytorch.pooling import pool

        x = self._normalisation(pixels)
        indices = [i for i, _ in self._places if i is not None]
        tokens: list[torch.Tensor] = []
        hook = self._watch_last_block(tokens)
        try:
            if indices:
                last, found = self._network.forward_intermediates(x, indices=indices)
            else:
                last, found = self._network.forward_features(x), []
        finally:
            if hook is not None:
                hook.remove()
        maps = dict(zip(indices, found, strict=True))
        pairs = []
        for i, pooling in self._places:
            if i is not None:
                source = maps[i].detach().requires_grad_()
                whole = pooling == "flatten"
                values = source.flatten(1) if whole else source.mean(dim=(2, 3))
                pairs.append((source, values.float()))
            elif tokens:
                pairs.append((tokens[-1], pool(self._network, last, pooling)))
            else:
                source = last.detach().requires_grad_()
                # A copy: what follows may work in place, which a leaf of the graph forbids.
                pairs.append((source, pool(self._network, source.clone(), pooling)))
        return pairs

    def _watch_last_block(self, tokens: list[torch.Tensor]) -> Any:
        """Have the last block's input, where it is a row of tokens, put into a list."""
        blocks = getattr(self._network, "blocks", None)
        if all(i is not None for i, _ in self._places) or not blocks:
            return None

        def begin(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
            if not inputs or inputs[0].ndim != 3:
                return None
            tokens.append(inputs[0].detach().requires_grad_())
            return (tokens[-1].clone(), *inputs[1:])

        return blocks[-1].register_forward_pre_hook(begin)

    def _evidence(
        self, source: torch.Tensor, gradient: torch.Tensor | None, pooling: str
    ) -> torch.Tensor:
        """Return the evidence of each place, float32, shape ``(h, w)``."""
        values = self._laid_out(source)
        if gradient is None:
            raise self._without_a_map("its classes do not depend on its map")
        slopes = self._laid_out(gradient)
        if source.ndim == 3 and not bool(slopes.any()) and bool(gradient.any()):
            raise self._without_a_map("its class token stands apart from its patches")
        if pooling != "flatten" or source.ndim == 3:
            slopes = slopes.mean(dim=(1, 2), keepdim=True)
        return (slopes * values).sum(dim=0).float()

    def _laid_out(self, source: torch.Tensor) -> torch.Tensor:
        """Return a map of one photo as ``(channels, h, w)``."""
        network = self._network
        if source.ndim == 4:
            channels_last = getattr(network, "output_fmt", "NCHW") == "NHWC"
            # Earlier layers' maps come with the channels first whatever the last one has.
            is_last = channels_last and source.shape[-1] == network.num_features
            return source[0].permute(2, 0, 1) if is_last else source[0]
        if source.ndim == 3:
            count = source.shape[1]
            for prefix in (getattr(network, "num_prefix_tokens", None) or 0, 0):
                rows, columns = self._grid(count - prefix)
                if rows * columns == count - prefix > 1:
                    return source[0, prefix:].T.reshape(-1, rows, columns)
        raise self._without_a_map(f"its last output has the shape {tuple(source.shape[1:])}")

    def _grid(self, count: int) -> tuple[int, int]:
        rows, columns = getattr(getattr(self._network, "patch_embed", None), "grid_size", None) or (
            0,
            0,
        )
        if rows * columns == count:
            return rows, columns
        side = math.isqrt(max(count, 0))
        return side, side

    def _without_a_map(self, why: str) -> InputError:
        return no_heat_map(self._name, why)


def no_heat_map(name: str, why: str) -> InputError:
    """Return the error of a backbone whose output can't be laid out over a photo."""
    return InputError(
        f"there is no heat map for the backbone {name}",
        expected="a network whose last output lies over the photo as a grid",
        got=why,
        fix="Its nearest training photos can still be shown.",
    )
