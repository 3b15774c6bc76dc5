"""A network as a row of units, each fed by the one before: what freezing and unfreezing count by.

timm's networks say how to run them whole, not where they may be parted. Their modules are taken in
the order in which they are defined; whether that is also the order in which they run is checked
with numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from photograft.core.errors import InputError, UnknownNameError

#: Convolutions in each of VGG16's five blocks, for the names that Keras has for them.
_VGG16_BLOCKS = (2, 2, 3, 3, 3)

#: How many modules may stand behind the last unit: pooling, dropout, the classification layer.
_MOST_BEHIND = 8


@dataclass(frozen=True)
class Unit:
    """A block, or a convolution with what follows it.

    Attributes:
        name: The network's own name of its first module.
        names: The names of all its modules.
        module: They, in a row.
    """

    name: str
    names: tuple[str, ...]
    module: nn.Sequential


def find_units(network: Any, input_size: tuple[int, int]) -> tuple[Unit, ...]:
    """Part a network into units; none where it is not a row of modules.

    Args:
        network: As `zoo.build` gives it, in eval mode. It is left as it is.
        input_size: Height and width to try it with.
    """
    modules = list(_row(network, ""))
    parameter = next(network.parameters())
    x = torch.randn(1, 3, *input_size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network.forward_features(x.to(parameter.dtype))
        outputs = list(_outputs(modules, x.to(parameter.dtype)))
    for count in range(len(outputs), max(0, len(outputs) - _MOST_BEHIND), -1):
        last = outputs[count - 1]
        if last.shape == expected.shape and torch.allclose(last, expected, rtol=1e-4, atol=1e-5):
            return tuple(_joined(modules[:count]))
    return ()


def first_trained(units: tuple[Unit, ...], unfreeze: str) -> int:
    """Return the index of the first unit that is trained; ``len(units)`` where none is.

    Args:
        units: Of a network.
        unfreeze: A number of units from the end, a module's name, ``"all"`` or ``"auto"``, which
            is the last quarter.

    Raises:
        InputError: There is no module of that name, or not that many units.
    """
    if unfreeze == "all":
        return 0
    if unfreeze == "auto":
        return len(units) - max(1, round(len(units) / 4))
    if unfreeze.isdecimal():
        if int(unfreeze) > len(units):
            raise InputError(
                f"unfreeze can't be {unfreeze}", expected=f"a number up to {len(units)}, or all"
            )
        return len(units) - int(unfreeze)
    aliases = _vgg16_aliases(units)
    wanted = aliases.get(unfreeze, unfreeze)
    for i, unit in enumerate(units):
        if any(name == wanted or name.startswith(f"{wanted}.") for name in unit.names):
            return i
    known = [*aliases, *(name for unit in units for name in unit.names)]
    raise UnknownNameError(
        "layer", unfreeze, known, fix="`photograft summary BACKBONE` lists the names."
    )


def _row(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield modules in the order of their definition, containers that are rows taken apart."""
    for name, child in module.named_children():
        full = f"{prefix}{name}"
        if type(child) is nn.Sequential:
            yield from _row(child, f"{full}.")
        else:
            yield full, child


def _outputs(modules: list[tuple[str, nn.Module]], x: torch.Tensor) -> Iterator[torch.Tensor]:
    for _, module in modules:
        try:
            x = module(x)
        except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError):
            return  # no row, or beyond the feature map
        if not isinstance(x, torch.Tensor):
            return
        yield x


def _joined(modules: list[tuple[str, nn.Module]]) -> Iterator[Unit]:
    """Yield units: each begins with a module that has more parameters than a normalisation."""
    held: list[tuple[str, nn.Module]] = []
    for name, module in modules:
        heavy = any(p.ndim > 1 for p in module.parameters())
        if heavy and any(p.ndim > 1 for _, m in held for p in m.parameters()):
            yield _unit(held)
            held = []
        held.append((name, module))
    if held:
        yield _unit(held)


def _unit(held: list[tuple[str, nn.Module]]) -> Unit:
    names = tuple(
        f"{name}.{inner}" if inner else name for name, m in held for inner, _ in m.named_modules()
    )
    first = next(n for n, m in held if any(p.ndim > 1 for p in m.parameters()) or len(held) == 1)
    return Unit(first, names, nn.Sequential(*(module for _, module in held)))


def _vgg16_aliases(units: tuple[Unit, ...]) -> dict[str, str]:
    """Return Keras's names of VGG16's convolutions, where it is one."""
    names = [unit.name for unit in units]
    if len(names) != sum(_VGG16_BLOCKS) or not all(re.match(r"features\.\d+$", n) for n in names):
        return {}
    keras = [
        f"block{block}_conv{i}"
        for block, count in enumerate(_VGG16_BLOCKS, 1)
        for i in range(1, count + 1)
    ]
    return dict(zip(keras, names, strict=True))
