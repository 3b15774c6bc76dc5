"""What a training loop is given: a model, inputs with their labels, and where it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from photograft.learning.loop.batches import Batches


class Model(Protocol):
    """What is trained: `network.TransferNetwork`, or a head alone."""

    def upper(self, x: Tensor) -> Tensor:
        """Return logits for what a feed's `enter` gave."""

    def blocks(self) -> list[nn.Module]:
        """Return the trained modules, the head first."""

    def trained_state(self) -> dict[str, Tensor]:
        """Return the tensors that training changes, by name; not copies."""

    def train(self, mode: bool = True) -> nn.Module:
        """Set to training, or to evaluation."""


def as_it_is(x: Tensor) -> Tensor:
    """Return what the model's `upper` takes already."""
    return x


@dataclass(frozen=True)
class Feed:
    """Photos to train on or to validate with.

    Attributes:
        batches: Their inputs.
        labels: Class indices, shape ``(n,)``.
        enter: From inputs to what the model's `upper` takes.
    """

    batches: Batches
    labels: npt.NDArray[np.int64]
    enter: Callable[[Tensor], Tensor] = as_it_is


@dataclass(frozen=True)
class Setting:
    """Where and how a loop runs.

    Attributes:
        target_encoding: Of the targets.
        class_weights: Shape ``(num_classes,)``.
        seed: Of all that is random.
        device: torch's name of the device.
        precision: ``"bf16"`` for mixed precision, or ``"fp32"``.
        compiler: `torch.compile`, or what stands for it; None to compile nothing.
    """

    target_encoding: str
    class_weights: Tensor
    seed: int
    device: str = "cpu"
    precision: str = "fp32"
    compiler: Callable[..., Any] | None = None
