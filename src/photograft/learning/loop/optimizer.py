"""Optimisers, their parameter groups, and the learning rate over time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from photograft.learning.settings import Training

_MOMENTUM = 0.9
#: As in Keras; torch's own default forgets ten times more slowly.
_RMSPROP_DECAY = 0.9
#: Keras adds 1e-7 to the mean square, under the root; torch adds what it is given to the root.
#: Small gradients so take small steps, where torch's own 1e-8 would blow them up to full ones.
_RMSPROP_EPSILON = 1e-7**0.5
_PLATEAU_PATIENCE = 3
_PLATEAU_FACTOR = 0.1


def make_optimizer(blocks: Sequence[nn.Module], settings: Training) -> torch.optim.Optimizer:
    """Return an optimiser of all parameters that are to be trained.

    Norms and biases bear no weight decay. Blocks below learn more slowly (ULMFiT, Howard & Ruder,
    2018, arXiv:1801.06146).

    Args:
        blocks: The head first, then the trained blocks from the top down.
        settings: `optimizer`, `learning_rate`, `layer_decay` and `weight_decay` matter here.
    """
    groups = []
    for depth, block in enumerate(blocks):
        rate = settings.learning_rate * settings.layer_decay ** max(0, depth - 1)
        trained = [p for p in block.parameters() if p.requires_grad]
        for decay, chosen in (
            (settings.weight_decay, [p for p in trained if p.ndim > 1]),
            (0.0, [p for p in trained if p.ndim <= 1]),
        ):
            if chosen:
                groups.append({"params": chosen, "lr": rate, "rate": rate, "weight_decay": decay})
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups)
    if settings.optimizer == "adam":
        return torch.optim.Adam(groups)
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, alpha=_RMSPROP_DECAY, eps=_RMSPROP_EPSILON)
    return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=_MOMENTUM)


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's learning rate to `factor` times its own."""
    for group in optimizer.param_groups:
        group["lr"] = group["rate"] * factor


def rate_factor(settings: Training, step: int, num_steps: int, losses: Iterable[float]) -> float:
    """Return what the learning rates are multiplied by, in [0, 1].

    Args:
        settings: `schedule` and `warmup` matter here.
        step: Of this update, from 0.
        num_steps: Updates of the whole training.
        losses: Validation losses of the epochs so far.
    """
    warmup = settings.warmup * num_steps
    if step < warmup:
        return (step + 1) / (math.ceil(warmup) + 1)
    if settings.schedule == "cosine":
        share = (step - warmup) / max(1.0, num_steps - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    if settings.schedule == "plateau":
        return _PLATEAU_FACTOR ** _num_plateaus(losses)
    return 1.0


def _num_plateaus(losses: Iterable[float]) -> int:
    best, waited, plateaus = math.inf, 0, 0
    for loss in losses:
        if loss < best:
            best, waited = loss, 0
            continue
        waited += 1
        if waited == _PLATEAU_PATIENCE:
            plateaus, waited = plateaus + 1, 0
    return plateaus
