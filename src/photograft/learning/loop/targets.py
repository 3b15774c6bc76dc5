"""How classes are coded as targets, and the loss that goes with each encoding.

binary        one output, sigmoid, binary cross-entropy; two classes only
sparse        one output a class, softmax, cross-entropy of class indices
categorical   the same of one-hot rows, which can be mixed
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from photograft.core.errors import InputError
from photograft.core.text import count

#: Logits ``(n, outputs)``, one-hot or mixed targets ``(n, num_classes)`` and weights ``(n,)`` in;
#: the mean loss, a scalar, out.
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def choose_target_encoding(wanted: str, num_classes: int, *, mixed: bool) -> str:
    """Return ``"binary"``, ``"sparse"`` or ``"categorical"``.

    Args:
        wanted: One of them, or ``"auto"``.
        num_classes: At least two.
        mixed: Whether targets are mixtures of classes, which class indices can't say.

    Raises:
        InputError: The encoding does not go with the classes, or with mixing.
    """
    if wanted == "auto":
        if num_classes == 2:
            return "binary"
        return "categorical" if mixed else "sparse"
    if wanted == "binary" and num_classes != 2:
        raise InputError(
            "binary targets are for two classes",
            expected="target_encoding sparse or categorical",
            got=count(num_classes, "class", "classes"),
        )
    if wanted == "sparse" and mixed:
        raise InputError(
            "sparse targets can't be mixed by mixup", expected="target_encoding categorical or auto"
        )
    return wanted


def num_outputs(target_encoding: str, num_classes: int) -> int:
    """Return how many outputs a head has."""
    return 1 if target_encoding == "binary" else num_classes


def make_loss(target_encoding: str, label_smoothing: float) -> Loss:
    """Return the loss of a target encoding.

    Args:
        target_encoding: From `choose_target_encoding`.
        label_smoothing: Share of the target that is spread over all classes.
    """

    def loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        logits = logits.float()
        smooth = targets * (1 - label_smoothing) + label_smoothing / targets.shape[1]
        if target_encoding == "binary":
            each = functional.binary_cross_entropy_with_logits(
                logits[:, 0], smooth[:, 1], reduction="none"
            )
        elif target_encoding == "sparse":
            each = functional.cross_entropy(
                logits, targets.argmax(dim=1), reduction="none", label_smoothing=label_smoothing
            )
        else:
            each = functional.cross_entropy(logits, smooth, reduction="none")
        return (each * weights).mean()

    return loss


def predicted(target_encoding: str, logits: Tensor) -> Tensor:
    """Return class indices, shape ``(n,)``."""
    return (logits[:, 0] > 0).long() if target_encoding == "binary" else logits.argmax(dim=1)


def class_weights(labels: npt.NDArray[np.int64], num_classes: int, kind: str) -> Tensor:
    """Return a weight per class, their mean over the photos 1, shape ``(num_classes,)``.

    Args:
        labels: Of the training photos, shape ``(n,)``.
        num_classes: How many classes there are.
        kind: ``"none"`` or ``"balanced"``.
    """
    if kind == "none":
        return torch.ones(num_classes)
    counts = np.maximum(np.bincount(labels, minlength=num_classes), 1)
    return torch.tensor(len(labels) / (num_classes * counts), dtype=torch.float32)


def mixed_up(x: Tensor, targets: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Mix each photo with another of its batch (mixup, Zhang et al., 2018, arXiv:1710.09412).

    Args:
        x: Inputs, shape ``(n, …)``, floating point.
        targets: One-hot, shape ``(n, num_classes)``.
        alpha: Parameter of the beta distribution; 0 leaves all as it is.

    Returns:
        Inputs and targets, mixed by torch's global generator.
    """
    if not alpha:
        return x, targets
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    other = torch.randperm(len(x)).to(x.device)
    return share * x + (1 - share) * x[other], share * targets + (1 - share) * targets[other]
