"""Weights whose tensors come under other names than the network's own: matched by order and shape.

Two implementations of one network define the same layers in the same order, and mostly differ in
what they call them. A match by order is only taken where every shape fits and nothing is left over
but the ImageNet classifier; where the order itself can't be told, the weights are refused.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

import torch
from torch import nn

#: Tensors of one module by their last names: ``weight``, ``bias``, ``running_mean``...
_Group = dict[str, torch.Tensor]

_COUNTER = "num_batches_tracked"


def load_by_order(
    network: nn.Module, tensors: Mapping[str, torch.Tensor], *, ordered: bool = False
) -> None:
    """Put in weights whose tensors come under other names.

    Args:
        network: Gets the weights; it has no classification layer.
        tensors: The weights under their names, a classification layer at the end allowed.
        ordered: Whether the tensors come in the order in which their network defines them, as
            PyTorch's state dicts do. Where not, as from safetensors files, the order is that of
            the numbers in the names, and only networks of convolutions and batch normalisation
            are taken.

    Raises:
        ValueError: The tensors don't fit, or their order can't be told.
    """
    own = {k: v for k, v in network.state_dict().items() if not k.endswith(_COUNTER)}
    own_groups = _groups(own)
    groups = _groups({k: v for k, v in tensors.items() if not k.endswith(_COUNTER)})
    if not ordered:
        _check_plain(network)
        groups = dict(sorted(groups.items(), key=_place))
    groups = _without_classifier(groups, len(own_groups))
    matched = {}
    for (own_name, own_group), (name, group) in zip(
        own_groups.items(), groups.items(), strict=True
    ):
        if set(group) != set(own_group):
            raise ValueError(
                f"{name or 'the root'} holds {', '.join(sorted(group))} where "
                f"{own_name or 'the root'} has {', '.join(sorted(own_group))}"
            )
        for last, tensor in group.items():
            key = _joined(own_name, last)
            if tensor.shape != own[key].shape:
                raise ValueError(
                    f"{_joined(name, last)} is {tuple(tensor.shape)}, "
                    f"not {tuple(own[key].shape)} as {key}"
                )
            if not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
                raise ValueError(f"{_joined(name, last)} holds something else than finite numbers")
            matched[key] = tensor
    if not ordered:
        _check_order(groups)
    network.load_state_dict(matched, strict=False)  # all but the counters, as checked above


def _groups(tensors: Mapping[str, torch.Tensor]) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for name, tensor in tensors.items():
        module, _, last = name.rpartition(".")
        groups.setdefault(module, {})[last] = tensor
    return groups


def _joined(module: str, last: str) -> str:
    return f"{module}.{last}" if module else last


def _place(item: tuple[str, _Group]) -> tuple[object, ...]:
    """Return a sorting key: numbers as numbers, and ``conv1`` before its ``bn1``."""
    name, group = item
    parent, _, last = name.rpartition(".")
    number = re.search(r"(\d+)\D*$", last)
    return _natural(parent), int(number[1]) if number else -1, "running_var" in group, last


def _natural(name: str) -> list[tuple[bool, int, str]]:
    parts = [part for part in re.split(r"[._]|(\d+)", name) if part]
    return [(p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in parts]


def _without_classifier(groups: dict[str, _Group], wanted: int) -> dict[str, _Group]:
    """Drop the one module too many, if it can be a classification layer.

    It may stand first, as ``classifier`` does in the alphabet, or last, as in a network.
    """
    if len(groups) == wanted + 1:
        for name in (next(reversed(groups)), next(iter(groups))):
            group = groups[name]
            weight = group.get("weight")
            is_linear = weight is not None and (weight.ndim == 2 or weight.shape[2:] == (1, 1))
            if is_linear and set(group) <= {"weight", "bias"}:
                return {n: g for n, g in groups.items() if n != name}
    if len(groups) != wanted:
        raise ValueError(f"it has weights for {len(groups)} layers, not {wanted}")
    return groups


def _check_plain(network: nn.Module) -> None:
    """Refuse networks in which layers of equal shape do different work, as queries and keys do."""
    for name, module in network.named_modules():
        known = isinstance(module, nn.Conv2d | nn.BatchNorm2d)
        if not known and next(module.parameters(recurse=False), None) is not None:
            raise ValueError(
                f"its tensors have other names than the network's, and {name or 'the network'} "
                f"is a {type(module).__name__}: their order can't be told"
            )


def _check_order(groups: dict[str, _Group]) -> None:
    """Refuse convolutions of equal shape that only the alphabet has put into this order."""
    kernels = [(n, g["weight"].shape) for n, g in groups.items() if g["weight"].ndim == 4]
    for (a, a_shape), (b, b_shape) in itertools.combinations(kernels, 2):
        if a_shape == b_shape and re.sub(r"\d+", "#", a) != re.sub(r"\d+", "#", b):
            raise ValueError(f"whether {a} or {b} comes first can't be told from their names")
