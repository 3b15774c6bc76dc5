"""Batch normalisation over the whole of a batch whose photos are dealt to several workers.

torch's own `SyncBatchNorm` computes on GPUs alone, and is another kind of module; this takes the
modules as they are, wherever they compute, and leaves them so.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from photograft.learning.loop.distributed import Group, added_up

_NORMS = nn.modules.batchnorm._BatchNorm


class Counting:
    """Whether the photos that this worker has at the moment count.

    Attributes:
        weight: 1, or 0 for one that goes along with a photo of another worker.
    """

    weight = 1.0


@contextmanager
def synchronised(blocks: Sequence[nn.Module], group: Group) -> Iterator[Counting]:
    """Have batch normalisation in training go by the photos of all workers, for a while.

    As one process has it, the mean and the variance are those of the whole batch, and the running
    statistics, which follow from them, are the same in each worker.

    Args:
        blocks: What is trained. Of each norm in training, all workers have to run the same number
            of forwards and backwards, in the same order.
        group: The workers.
    """
    counting = Counting()
    inner = {m for block in blocks for m in block.modules() if isinstance(m, _NORMS)}
    norms = inner if group.size > 1 else set()
    for norm in norms:
        # One of its own goes before that of its class.
        vars(norm)["forward"] = functools.partial(_normalised, norm, group, counting)
    try:
        yield counting
    finally:
        for norm in norms:
            del vars(norm)["forward"]


def _normalised(norm: nn.Module, group: Group, counting: Counting, x: Tensor) -> Tensor:
    if not isinstance(norm, _NORMS) or not norm.training:
        found: Tensor = type(norm).forward(norm, x)
        return found
    axes, shape = [0, *range(2, x.ndim)], [1, -1, *[1] * (x.ndim - 2)]
    values, own = x.float(), counting.weight
    number = values.new_tensor([own * values.numel() / values.shape[1]])
    sums = added_up(torch.cat([own * values.sum(axes), number]), group)
    count = sums[-1].detach()
    mean = sums[:-1] / count
    centred = values - mean.view(shape)
    variance = added_up(own * centred.square().sum(axes), group) / count
    _note(norm, mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
    y = centred * torch.rsqrt(variance + norm.eps).view(shape)
    if norm.affine:
        y = y * norm.weight.view(shape) + norm.bias.view(shape)
    y = y.to(x.dtype)
    for name in ("drop", "act"):  # timm's own holds them, too
        then = getattr(norm, name, None)
        y = then(y) if isinstance(then, nn.Module) else y
    return y


def _note(norm: nn.modules.batchnorm._BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Let the running statistics follow, as torch does."""
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked += 1
    momentum = norm.momentum
    share = 1 / float(norm.num_batches_tracked) if momentum is None else momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), share)
    norm.running_var.lerp_(variance.to(norm.running_var.dtype), share)
