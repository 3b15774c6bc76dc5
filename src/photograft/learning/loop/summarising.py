"""What a network consists of, layer by layer: output shapes, and parameters trained or not.

A blank photo is sent through the network, and every layer that it passes is taken down. Parameters
are counted as Keras counts them: the running mean and variance of batch normalisation are
parameters, too, that are never trained.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from photograft.backbones.registry import Backbone
from photograft.core.text import count
from photograft.learning.loop.network import HeadModule, TransferNetwork
from photograft.learning.loop.summary import Row, Summary, sum_of
from photograft.learning.loop.targets import choose_target_encoding, num_outputs

_COUNTS = ("params", "trainable", "statistics", "tensors", "trainable_tensors")

_NORMS = nn.modules.batchnorm._BatchNorm
#: Layers whose maps have their channels first in every network.
_CHANNELS_FIRST = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, _NORMS)


def summarise(
    backbone: Backbone,
    hidden: tuple[int, ...],
    dropout: float,
    num_classes: int,
    *,
    target_encoding: str,
    unfreeze: str,
    freeze_batch_norm: bool,
) -> Summary:
    """Return what a backbone and a head on it consist of; no weight file is needed.

    Args:
        backbone: The record; the head takes its last layer.
        hidden: Widths of the head's hidden layers.
        dropout: Before its last layer, in [0, 1).
        num_classes: At least two.
        target_encoding: ``"auto"``, ``"binary"``, ``"sparse"`` or ``"categorical"``.
        unfreeze: The part of the backbone that is trained: a number of blocks, a layer's name,
            ``"all"``, ``"auto"``, or ``"0"`` for the head alone.
        freeze_batch_norm: Whether batch normalisation is left as it is.

    Raises:
        InputError: The network can't be parted there, or the target encoding does not go with
            the classes.
    """
    target_encoding = choose_target_encoding(target_encoding, num_classes, mixed=False)
    head = _head(backbone, hidden, num_outputs(target_encoding, num_classes), dropout)
    transfer = TransferNetwork(
        backbone, None, head, unfreeze=unfreeze, freeze_batch_norm=freeze_batch_norm
    )
    walk = _Walk(transfer, backbone)
    own, behind = walk.rows("network"), walk.rows("head")
    flat = (backbone.layers[-1].num_features,)
    if own[-1].shape != flat:
        kind = "Flatten" if transfer.pooling == "flatten" else "global pooling"
        behind.insert(0, Row("pooling", kind, flat))
    activation = "sigmoid" if target_encoding == "binary" else "softmax"
    behind[-1] = replace(behind[-1], kind=f"{behind[-1].kind}, {activation}")
    return Summary(
        f"{_title(backbone)}, with a head for {count(num_classes, 'class', 'classes')}",
        (*own, *behind),
        (*walk.blocks(own), *behind),
    )


def base_summary(
    backbone: Backbone, *, unfreeze: str = "all", freeze_batch_norm: bool = False
) -> Summary:
    """Return what a backbone alone consists of, as `summarise` does for one with a head.

    Args:
        backbone: The record. Where its last layer is flattened, the output is the feature map.
        unfreeze: The part that is trained.
        freeze_batch_norm: Whether batch normalisation is left as it is.

    Raises:
        InputError: The network can't be parted there.
    """
    head = _head(backbone, (), 1, 0.0)
    transfer = TransferNetwork(
        backbone, None, head, unfreeze=unfreeze, freeze_batch_norm=freeze_batch_norm
    )
    walk = _Walk(transfer, backbone)
    rows = walk.rows("network")
    return Summary(_title(backbone), tuple(rows), tuple(walk.blocks(rows)))


class _Walk:
    """What a blank photo met on its way through a network.

    Args:
        transfer: The network.
        backbone: Its record.
    """

    def __init__(self, transfer: TransferNetwork, backbone: Backbone) -> None:
        self._network: Any = transfer.network
        self._units = transfer.units
        self._modules = {name: module for name, module in transfer.named_modules() if name}
        self._names = {module: name for name, module in self._modules.items()}
        # Of the modules that ran, and of those around them, in order; empty for the latter.
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._ran: set[str] = set()
        self._last: tuple[tuple[int, ...], bool] = ((), False)
        hooks = [m.register_forward_pre_hook(self._enter) for m in self._modules.values()]
        hooks += [m.register_forward_hook(self._leave) for m in self._modules.values()]
        try:
            with torch.inference_mode():
                transfer.eval()(torch.zeros(1, *backbone.input_size, 3, dtype=torch.uint8))
        finally:
            for hook in hooks:
                hook.remove()

    def rows(self, part: str) -> list[Row]:
        """Return the layers of ``"network"`` or ``"head"``, without those that do nothing."""
        owned, found = self._owned(), []
        around = {name.rpartition(".")[0] for name in self._shapes}
        for name, shape in self._shapes.items():
            module = self._modules[name]
            if name.split(".")[0] != part or (name in around and name not in owned):
                continue
            if isinstance(module, nn.Identity) or getattr(module, "p", 1) == 0:  # no dropout
                continue
            tensors = owned.get(name, [])
            trained = [t for t in tensors if t.requires_grad]
            statistics = [t for t in tensors if not isinstance(t, nn.Parameter)]
            found.append(
                Row(
                    name=name.removeprefix("network."),
                    kind=type(module).__name__,
                    shape=shape,
                    params=sum(t.numel() for t in tensors),
                    trainable=sum(t.numel() for t in trained),
                    statistics=sum(t.numel() for t in statistics),
                    tensors=len(tensors) - len(statistics),
                    trainable_tensors=len(trained),
                )
            )
        return found

    def blocks(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Yield the network's rows, those of a block as one, where its first one stands."""
        blocks = list(self._blocks())
        rest = list(rows)
        while rest:
            names, block = next((b for b in blocks if rest[0].name in b[0]), (set(), rest[0]))
            own = [row for row in rest if row.name in names] or rest[:1]
            rest = [row for row in rest if row not in own]
            counts: dict[str, Any] = {count: sum_of(own, count) for count in _COUNTS}
            yield replace(block, **counts)

    def _blocks(self) -> Iterator[tuple[set[str], Row]]:
        """Yield each block: the names of its modules, and its row without the parameters.

        Blocks are the units that training counts by; where there are none, what stands right
        below the network's root.
        """
        for unit in self._units:
            modules = [m for m in unit.module if not isinstance(m, nn.Identity)]
            kinds = ", ".join(type(m).__name__ for m in modules)
            yield set(unit.names), Row(unit.name, kinds, self._shapes[self._names[modules[-1]]])
        for name, module in [] if self._units else self._network.named_children():
            inner = {f"{name}.{n}" if n else name for n, _ in module.named_modules()}
            shapes = [s for n, s in self._shapes.items() if n.removeprefix("network.") in inner]
            if shapes:
                yield inner, Row(name, type(module).__name__, shapes[0] or shapes[-1])

    def _owned(self) -> dict[str, list[Tensor]]:
        """Return which module each tensor is counted with; what did not run, is not counted."""
        owned = defaultdict(list)
        seen: set[int] = set()
        for name, module in self._modules.items():
            owner = self._owner(name)
            for tensor in _tensors(module):
                if owner and id(tensor) not in seen:
                    seen.add(id(tensor))
                    owned[owner].append(tensor)
        return owned

    def _owner(self, name: str) -> str:
        """Return the module itself, or the one around it that uses its tensors; or nothing."""
        if name in self._shapes:
            return name
        while name := name.rpartition(".")[0]:
            if name in self._ran:
                return name
        return ""

    def _enter(self, module: nn.Module, _: Any) -> None:
        parts = self._names[module].split(".")
        for i in range(len(parts)):
            self._shapes.setdefault(".".join(parts[: i + 1]), ())

    def _leave(self, module: nn.Module, _: Any, output: Any) -> None:
        name = self._names[module]
        self._ran.add(name)
        if not isinstance(output, Tensor):
            return
        shape = tuple(output.shape[1:])
        if isinstance(module, _CHANNELS_FIRST):
            is_last = False
        elif isinstance(module, (nn.Linear, nn.LayerNorm)):
            is_last = not type(module).__name__.endswith("2d")  # timm's turn their maps round
        elif shape == self._last[0]:  # such as a ReLU: as its input
            is_last = self._last[1]
        else:
            is_last = getattr(self._network, "output_fmt", "NCHW") == "NHWC"
        self._last = shape, is_last
        self._shapes[name] = shape if is_last or len(shape) != 3 else (*shape[1:], shape[0])


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters(recurse=False)
    if isinstance(module, _NORMS) and module.running_mean is not None:
        yield module.running_mean
        if module.running_var is not None:
            yield module.running_var


def _head(backbone: Backbone, hidden: Sequence[int], outputs: int, dropout: float) -> HeadModule:
    return HeadModule(backbone.layers[-1].num_features, hidden, outputs, dropout, seed=0)


def _title(backbone: Backbone) -> str:
    height, width = backbone.input_size
    return f"{backbone.name}, photos of {height} × {width}"
