"""Keras's ``*_notop.h5`` files: which layer is which module, kernels turned to PyTorch's layout.

The files hold a group a layer. Most layers have names; those of InceptionV3 and the shortcuts of
Xception have only numbers, given in the order in which they were made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from photograft.core.errors import WeightsError


def read_weights(path: Path, name: str, network: nn.Module) -> dict[str, torch.Tensor]:
    """Read a network's tensors from a file of Keras's.

    Args:
        path: An HDF5 file, with or without classification layers, which are passed over, as
            ``keras.applications`` fetches it or ``model.save("NAME.h5")`` writes it. Any precision.
        name: The network: a key of `keras_networks.KERAS`.
        network: Its modules, as `keras_networks.build` gives them. Not changed.

    Returns:
        All tensors of the network's state but the counters ``num_batches_tracked``, float32, in
        PyTorch's layout.

    Raises:
        WeightsError: h5py is not installed.
        ValueError: The file does not hold this network's weights.
    """
    try:
        import h5py  # an extra: who has no Keras files does not need it
    except ImportError as error:
        raise WeightsError(
            "Keras's weight files are read with h5py, which is not installed",
            fix="Run: pip install 'photograft[keras]'",
        ) from error
    if not h5py.is_hdf5(path):
        raise ValueError(f"it is no HDF5 file: {_WANTED}")
    try:
        with h5py.File(path, "r") as file:
            return _tensors(name, network, _datasets(file))
    except (OSError, KeyError, RuntimeError) as error:
        raise ValueError(f"it is damaged: {error}") from error


_WANTED = (
    "what can be read is a file of keras.applications or one written by model.save('NAME.h5'), "
    "not .keras or .weights.h5"
)

#: What a layer's tensor is for, from its name, which is ``kernel``, ``kernel:0``, ``conv1_W_1:0``.
_ROLE = re.compile(
    r"(?:^|_)(depthwise_kernel|pointwise_kernel|kernel|bias|gamma|beta|moving_mean|moving_variance"
    r"|running_mean|running_std|W|b)(?:_\d+)?(?::0)?$"
)
#: Names of the first Keras; its "running_std" is a variance.
_OLD_ROLES = {"W": "kernel", "b": "bias"} | {
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
}

#: Layers of the classification part, in the networks of Keras and in those that users put on top.
_TOP = re.compile(r"fc1|fc2|fc1000|predictions|probs|conv_preds|Logits|logits|dense(_\d+)?")

#: Epsilon of the first Keras's ResNet50, whose layers are called ``res2a_branch2a`` and so on.
_OLD_RESNET_EPSILON = 1e-3

#: HDF5 datasets of each layer, by their role.
_Layers = dict[str, dict[str, Any]]


def _datasets(file: Any) -> _Layers:
    """Return the layers that hold anything. Links that lead out of the file are not followed."""
    root = file.get("model_weights", file)
    if "layers" in root or "_layer_checkpoint_dependencies" in root:
        raise ValueError(f"it is of a layout that is not understood: {_WANTED}")
    items: dict[str, Any] = {}
    root.visititems(items.__setitem__)
    layers: _Layers = {}
    for name, dataset in items.items():
        if not hasattr(dataset, "dtype"):
            continue  # a group
        layer, last = name.split("/")[0], name.split("/")[-1]
        if _TOP.fullmatch(layer):
            continue
        match = _ROLE.search(last)
        role = _OLD_ROLES.get(match[1], match[1]) if match else last
        if role in layers.setdefault(layer, {}):
            raise ValueError(f"layer {layer} holds more than one {role}")
        layers[layer][role] = dataset
    return layers


def _tensors(name: str, network: nn.Module, layers: _Layers) -> dict[str, torch.Tensor]:
    """Return a network's tensors, those of the file in PyTorch's layout, but for the counters."""
    own = network.state_dict()
    tensors: dict[str, torch.Tensor] = {}
    is_old = name == "resnet50" and any(layer.startswith("res") for layer in layers)
    biases: dict[str, torch.Tensor] = {}
    for layer, path in _matched(name, network, layers).items():
        given = layers.pop(layer, None)
        if given is None:
            raise ValueError(f"layer {layer} is not in it")
        module = network.get_submodule(path)
        for role, last in _roles(module).items():
            key = f"{path}.{last}"
            if role == "gamma" and role not in given and name == "inception_v3":
                tensors[key] = torch.ones_like(own[key])  # it is trained without
                continue
            if role == "kernel" and role not in given:
                given = {"kernel" if r == "depthwise_kernel" else r: d for r, d in given.items()}
            tensors[key] = _tensor(f"{layer}'s {role}", given.pop(role, None), own[key].shape)
        if name == "resnet50" and isinstance(module, nn.Conv2d):
            bias = _tensor(f"{layer}'s bias", given.pop("bias", None), module.weight.shape[:1])
            biases[_normalisation(path)] = bias
        if given:
            raise ValueError(f"layer {layer} holds a {min(given)}, which the network does not have")
    if layers:
        raise ValueError(f"layer {min(layers)} is none of {name}'s")
    for path, bias in biases.items():
        tensors[f"{path}.running_mean"] -= bias
        if is_old:
            epsilon = cast("float", network.get_submodule(path).eps)
            tensors[f"{path}.running_var"] += _OLD_RESNET_EPSILON - epsilon
    return tensors


def _roles(module: nn.Module) -> dict[str, str]:
    """Return what Keras calls a module's tensors, and what it calls them itself."""
    if isinstance(module, nn.BatchNorm2d):
        return {
            "gamma": "weight",
            "beta": "bias",
            "moving_mean": "running_mean",
            "moving_variance": "running_var",
        }
    if isinstance(module, nn.Conv2d):
        return {"kernel": "weight"} | ({"bias": "bias"} if module.bias is not None else {})
    return {"depthwise_kernel": "conv1.weight", "pointwise_kernel": "pointwise.weight"}


def _tensor(what: str, dataset: Any, shape: torch.Size) -> torch.Tensor:
    """Return a dataset as a tensor of `shape`, which is ``(out, in, height, width)`` or a vector.

    Keras's kernels are ``(height, width, in, out)``; depthwise, where ``in`` is 1, the other way
    round: ``(height, width, out, 1)``.
    """
    if dataset is None:
        raise ValueError(f"{what} is not in it")
    is_depthwise = len(shape) == 4 and shape[1] == 1
    order = (2, 3, 0, 1) if is_depthwise else (3, 2, 0, 1) if len(shape) == 4 else (0,)
    expected = tuple(shape[order.index(i)] for i in range(len(shape)))
    if tuple(dataset.shape) != expected:
        raise ValueError(f"{what} is {tuple(dataset.shape)}, not {expected}")
    if dataset.dtype.kind != "f":
        raise ValueError(f"{what} is of type {dataset.dtype}, not of floating point")
    values = np.asarray(dataset[()], dtype=np.float32)
    if not np.isfinite(values).all():
        raise ValueError(f"{what} holds values that are not finite")
    return torch.from_numpy(np.ascontiguousarray(values.transpose(order)))


def _matched(name: str, network: nn.Module, layers: Iterable[str]) -> dict[str, str]:
    """Return Keras's name of each layer, and the path of the module that stands for it."""
    if name == "vgg16":
        return _vgg16(network)
    if name == "mobilenet":
        return _mobilenet(network)
    if name == "mobilenet_v2":
        return _mobilenet_v2(network)
    if name == "resnet50":
        return _resnet50(network, any(layer.startswith("res") for layer in layers))
    if name == "inception_v3":
        convs = [n for n, m in network.named_modules() if isinstance(m, nn.Conv2d)]
        return _numbered(convs, layers)
    shortcuts = [f"block{i}.skip" for i in (1, 2, 3, 12)]
    return _xception() | _numbered(shortcuts, layers)


def _vgg16(network: nn.Module) -> dict[str, str]:
    names = [f"block{b}_conv{i + 1}" for b in range(1, 6) for i in range(2 if b < 3 else 3)]
    convs = [n for n, m in network.named_modules() if isinstance(m, nn.Conv2d)]
    return dict(zip(names, convs, strict=True))


def _mobilenet(network: Any) -> dict[str, str]:
    found = {"conv1": "conv_stem", "conv1_bn": "bn1"}
    blocks = [
        f"blocks.{s}.{b}" for s, stage in enumerate(network.blocks) for b in range(len(stage))
    ]
    for i, block in enumerate(blocks, start=1):
        found |= {f"conv_dw_{i}": f"{block}.conv_dw", f"conv_dw_{i}_bn": f"{block}.bn1"}
        found |= {f"conv_pw_{i}": f"{block}.conv_pw", f"conv_pw_{i}_bn": f"{block}.bn2"}
    return found


def _mobilenet_v2(network: Any) -> dict[str, str]:
    found = {"Conv1": "conv_stem", "bn_Conv1": "bn1", "Conv_1": "conv_head", "Conv_1_bn": "bn2"}
    blocks = [
        f"blocks.{s}.{b}" for s, stage in enumerate(network.blocks) for b in range(len(stage))
    ]
    for i, block in enumerate(blocks):
        steps = {"expand": "conv_pw", "depthwise": "conv_dw", "project": "conv_pwl"}
        if i == 0:
            steps = {"depthwise": "conv_dw", "project": "conv_pw"}
        for number, (step, conv) in enumerate(steps.items(), start=1):
            layer = f"block_{i}_{step}" if i else f"expanded_conv_{step}"
            found |= {layer: f"{block}.{conv}", f"{layer}_BN": f"{block}.bn{number}"}
    return found


def _resnet50(network: Any, is_old: bool) -> dict[str, str]:
    found = {"conv1": "conv1", "bn_conv1": "bn1"}
    if not is_old:
        found = {"conv1_conv": "conv1", "conv1_bn": "bn1"}
    for s in range(1, 5):
        for b, block in enumerate(getattr(network, f"layer{s}")):
            for i in range(0 if block.downsample is not None else 1, 4):
                path = f"layer{s}.{b}" + (f".conv{i}" if i else ".downsample.0")
                old = f"{s + 1}{'abcdef'[b]}_branch{('1', '2a', '2b', '2c')[i]}"
                new = f"conv{s + 1}_block{b + 1}_{i}_"
                conv, bn = (f"res{old}", f"bn{old}") if is_old else (f"{new}conv", f"{new}bn")
                found |= {conv: path, bn: _normalisation(path)}
    return found


def _xception() -> dict[str, str]:
    found = {f"block1_conv{i}": f"conv{i}" for i in (1, 2)}
    found |= {f"block1_conv{i}_bn": f"bn{i}" for i in (1, 2)}
    for b in range(1, 13):
        for i in range(1, 3 if b in (1, 2, 3, 12) else 4):
            place = 3 * i - (3 if b == 1 else 2)  # no activation before the very first
            layer = f"block{b + 1}_sepconv{i}"
            found |= {layer: f"block{b}.rep.{place}", f"{layer}_bn": f"block{b}.rep.{place + 1}"}
    for i in (1, 2):
        found |= {f"block14_sepconv{i}": f"conv{i + 2}", f"block14_sepconv{i}_bn": f"bn{i + 2}"}
    return found


def _normalisation(conv: str) -> str:
    """Return the path of the batch normalisation behind a convolution."""
    if conv.endswith("downsample.0"):
        return conv.replace("downsample.0", "downsample.1")
    if conv.endswith(".skip"):
        return f"{conv}bn"
    return re.sub(r"conv(\d*)$", r"bn\1", conv)


def _numbered(convs: list[str], layers: Iterable[str]) -> dict[str, str]:
    """Match layers that Keras has numbered as they were made, from whatever number on."""
    found: dict[str, str] = {}
    layers = list(layers)
    for kind, paths in (
        ("conv(?:olution)?2d", convs),
        ("batch_?normalization", [_normalisation(conv) for conv in convs]),
    ):
        matches = [m for n in layers if (m := re.fullmatch(rf"({kind})(?:_(\d+))?", n))]
        numbers = {int(m[2] or 0): m[0] for m in matches}
        names = [numbers[i] for i in sorted(numbers)]
        if len(names) != len(paths):
            gaps = set(range(min(numbers, default=0), max(numbers, default=0))) - set(numbers)
            word = matches[0][1] if matches else kind.replace("(?:olution)?", "").replace("?", "")
            which = f" ({word}_{min(gaps)} is not in it)" if gaps else ""
            raise ValueError(f"it has {len(names)} layers {word}, not {len(paths)}{which}")
        found |= dict(zip(names, paths, strict=True))
    return found
