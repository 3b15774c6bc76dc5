"""A backbone and a new head on it, as one network whose upper part is trained."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from photograft.backbones.pytorch.network import Normalisation
from photograft.backbones.pytorch.pooling import pool
from photograft.backbones.pytorch.units import Unit, find_units, first_trained
from photograft.backbones.pytorch.zoo import build
from photograft.backbones.registry import Backbone
from photograft.classifier.head import Head
from photograft.core.errors import InputError

_NORMS = nn.modules.batchnorm._BatchNorm


class HeadModule(nn.Sequential):
    """A head as torch trains it: hidden layers with ReLU, dropout before the last layer.

    Args:
        num_features: Length of a feature vector.
        hidden: Widths of the hidden layers.
        outputs: Of the last layer.
        dropout: In [0, 1).
        seed: Of the random weights, drawn as Glorot & Bengio (2010) do.
    """

    def __init__(
        self, num_features: int, hidden: Sequence[int], outputs: int, dropout: float, seed: int
    ) -> None:
        super().__init__()
        widths = [num_features, *hidden, outputs]
        generator = torch.Generator().manual_seed(seed)
        for i, (before, after) in enumerate(itertools.pairwise(widths), 1):
            last = i == len(widths) - 1
            if last and dropout:
                self.add_module("dropout", nn.Dropout(dropout))
            # Without torch's own first values, which would be drawn from its global generator; and
            # not by `nn.Module.to_empty`, which imports a package for algebra, for half a second.
            layer = nn.Linear(before, after, device="meta")
            layer.weight = nn.Parameter(torch.empty(after, before))
            layer.bias = nn.Parameter(torch.empty(after))
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)
            self.add_module(f"dense{i}", layer)
            if not last:
                self.add_module(f"dense{i}_relu", nn.ReLU())

    @property
    def layers(self) -> list[nn.Linear]:
        """The affine layers."""
        return [module for module in self if isinstance(module, nn.Linear)]

    def standardise(self, mean: Tensor, scale: Tensor) -> None:
        """Change the first layer so that it does to raw features what it did to standardised ones.

        Args:
            mean: Of the features, shape ``(num_features,)``.
            scale: Their standard deviation, likewise; infinity takes away the weight of one.
        """
        first = self.layers[0]
        with torch.no_grad():
            first.weight.div_(scale)
            first.bias.sub_(first.weight @ mean)

    def start_from(self, head: Head, target_encoding: str) -> None:
        """Take the weights of a head of the same layers.

        Args:
            head: The head.
            target_encoding: Of this one: of a softmax over two classes, ``"binary"`` takes the
                difference.
        """
        weights, biases = list(head.weights), list(head.biases)
        if target_encoding == "binary" and head.activation == "softmax":
            weights[-1] = weights[-1][:, 1:] - weights[-1][:, :1]
            biases[-1] = biases[-1][1:] - biases[-1][:1]
        with torch.no_grad():
            for layer, weight, bias in zip(self.layers, weights, biases, strict=True):
                layer.weight.copy_(torch.from_numpy(np.array(weight)).T)
                layer.bias.copy_(torch.from_numpy(np.array(bias)))

    def to_head(self, target_encoding: str) -> Head:
        """Return the head without torch."""
        layers = [(m.weight.detach().cpu(), m.bias.detach().cpu()) for m in self.layers]
        return Head(
            tuple(w.float().numpy().T.copy(order="C") for w, _ in layers),
            tuple(b.float().numpy().copy() for _, b in layers),
            "sigmoid" if target_encoding == "binary" else "softmax",
        )


class TransferNetwork(nn.Module):
    """A backbone parted into a frozen lower and a trained upper part, and a head.

    Args:
        backbone: The record; its last layer's pooling is used.
        path: Its weight file; None for random weights.
        head: Takes the pooled last output.
        unfreeze: As in `units.first_trained`; ``"0"`` trains the head alone.
        freeze_batch_norm: Leave batch normalisation's statistics and parameters as they are.
        seed: Of random weights.

    Attributes:
        units: What the network is parted into; none where it is not a row of modules.

    Raises:
        InputError: The network can't be parted there.
    """

    def __init__(
        self,
        backbone: Backbone,
        path: Path | None,
        head: HeadModule,
        *,
        unfreeze: str,
        freeze_batch_norm: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.network = build(backbone, path, seed=seed)
        self.head = head
        self.normalisation = Normalisation(backbone)
        self.pooling = backbone.layers[-1].pooling
        self.freeze_batch_norm = freeze_batch_norm
        self._behind: list[nn.Module] = []
        self.units = units = find_units(self.network, backbone.input_size)
        if units:
            first = first_trained(units, unfreeze)
            self._lower = [unit.module for unit in units[:first]]
            self._upper = [unit.module for unit in units[first:]]
            self._behind = _modules_behind(self.network, units) if self._upper else []
            self.boundary = units[first - 1].name if first else ""
        elif unfreeze in ("0", "all", "auto"):
            # Not a row of modules: it is trained whole, or not at all.
            whole = nn.Sequential(_Whole(self.network))
            self._lower, self._upper = ([whole], []) if unfreeze == "0" else ([], [whole])
            self.boundary = "whole" if unfreeze == "0" else ""
        else:
            raise InputError(
                f"{backbone.name} can't be parted at {unfreeze}", expected="unfreeze 0 or all"
            )
        self._freeze()

    def lower(self, pixels: Tensor) -> Tensor:
        """Return the frozen part's output for uint8 pixels ``(n, h, w, 3)``."""
        x = self.normalisation(pixels)
        if x.device.type != "mps":
            x = x.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            for module in self._lower:
                x = module(x)
        found: Tensor = x
        return found

    def upper(self, x: Tensor) -> Tensor:
        """Return logits ``(n, outputs)`` for what `lower` gave, or the mix of two such."""
        for module in self._upper:
            x = module(x)
        logits: Tensor = self.head(pool(self.network, x, self.pooling))
        return logits

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits ``(n, outputs)`` for uint8 pixels ``(n, h, w, 3)``."""
        return self.upper(self.lower(pixels))

    def train(self, mode: bool = True) -> TransferNetwork:
        """Set the trained part to training; the frozen part and frozen norms stay as they are."""
        super().train(mode)
        self.network.eval()
        for module in (*self._upper, *self._behind):
            module.train(mode)
            if self.freeze_batch_norm:
                for inner in module.modules():
                    if isinstance(inner, _NORMS):
                        inner.eval()
        return self

    def blocks(self) -> list[nn.Module]:
        """Return the head and the trained blocks from the top down."""
        return [self.head, *reversed(self._behind), *reversed(self._upper)]

    def trained_state(self) -> dict[str, Tensor]:
        """Return the tensors that training changes, by name; not copies."""
        state = {f"head.{name}": p for name, p in self.head.state_dict().items()}
        for i, module in enumerate([*self._upper, *self._behind]):
            for name, tensor in module.state_dict().items():
                state[f"upper.{i}.{name}"] = tensor
        return state

    def _freeze(self) -> None:
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        for module in (*self._upper, *self._behind):
            for inner in module.modules():
                frozen = self.freeze_batch_norm and isinstance(inner, _NORMS)
                for parameter in inner.parameters(recurse=False):
                    parameter.requires_grad_(not frozen)


class _Whole(nn.Module):
    """A network's feature part as one module."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.network.forward_features(x)  # type: ignore[operator]
        return result


def _modules_behind(network: nn.Module, units: Sequence[Unit]) -> list[nn.Module]:
    """Return what a network has behind its feature map, such as a norm after the pooling."""
    names = {name.partition(".")[0] for unit in units for name in unit.names}
    return [
        module
        for name, module in network.named_children()
        if name not in names and any(True for _ in module.parameters())
    ]
