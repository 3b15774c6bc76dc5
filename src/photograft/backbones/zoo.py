"""Networks from timm: their records, their weights put in, and running them frozen.

The only importer of timm, and with `training` the only importer of torch.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import timm
import torch
from safetensors.torch import load_file
from torch import nn

from photograft.backbones.registry import INCLUDED_WEIGHTS, Backbone, Layer
from photograft.errors import UnknownNameError, WeightsError

#: At most this many depths are pooled; a plain stack of equal blocks is sampled evenly.
_MAX_LAYERS = 5

#: Of the random values that weights from a file must replace: none that anyone would choose.
_LOADING_SEED = 5_713_208_964

Features = npt.NDArray[np.float32]


def describe(name: str) -> Backbone:
    """Return the record of any timm model, its preprocessing and weights as timm has them.

    Args:
        name: timm's name, with or without a tag, such as ``"resnet50"`` or
            ``"resnet50.a1_in1k"``.

    Raises:
        UnknownNameError: timm has no such model.
    """
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture) or (
        name != architecture and name not in timm.list_pretrained(name)
    ):
        raise UnknownNameError(
            "backbone",
            name,
            [*timm.list_models(), *timm.list_pretrained()],
            fix="`photograft backbones --search TEXT` lists all names.",
        )
    network = _bare(name)
    config = network.pretrained_cfg
    height, width = config["input_size"][1:]
    layers = _layers(network, height, width)
    tag = config.get("tag") or ""
    return Backbone(
        name=name,
        architecture=config.get("architecture", architecture) + (f".{tag}" if tag else ""),
        input_size=(height, width),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=config["interpolation"],
        crop_pct=float(config["crop_pct"]),
        crop_mode=config.get("crop_mode") or "center",
        layers=layers,
        weights=_source(config),
        weights_sha256="",
        num_params=sum(p.numel() for p in network.parameters()),
        licence=config.get("license") or "not stated",
        paper=_paper(config),
    )


def search(pattern: str) -> list[str]:
    """Return timm's names of pretrained models that contain `pattern`."""
    return list(timm.list_pretrained(f"*{pattern}*"))


def build(backbone: Backbone, path: Path | None, *, seed: int = 0) -> nn.Module:
    """Build a backbone's network without its classification layer, its weights put in.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.
        seed: Of the random weights.

    Raises:
        WeightsError: The file does not hold this network's weights.
    """
    if path is None:
        return _seeded(backbone.architecture, seed)
    try:
        return _loaded(backbone, path)
    except Exception as error:  # on damaged files, the loaders let out nearly every kind
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise WeightsError(
            f"{path} does not hold the weights of {backbone.architecture} ({lines[0]})",
            fix="Give a file of this network's weights, as safetensors or a PyTorch state dict.",
        ) from error


def state_dict(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return a network's weights as contiguous tensors, for a safetensors file."""
    return {name: tensor.contiguous() for name, tensor in network.state_dict().items()}


class PooledNetwork(nn.Module):
    """A backbone with its normalisation before it and the pooling of its layers behind it.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.
        folded: Fold batch normalisation into the convolutions before it, where that demonstrably
            gives the same output: a third less time for the same features.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, backbone: Backbone, path: Path | None, *, folded: bool) -> None:
        super().__init__()
        network = build(backbone, path)
        self.network = _folded(network, backbone.input_size) if folded else network
        self.indices = _indices(network)
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (backbone.mean, backbone.std))
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("shift", -mean / std)
        self.eval()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return float32 features ``(n, num_features)`` of uint8 pixels ``(n, h, w, 3)``."""
        x = pixels.permute(0, 3, 1, 2).to(torch.float32) * self.scale + self.shift
        x = x.to(next(self.network.parameters()).dtype)
        return torch.cat(_pooled(self.network, x, self.indices), dim=1)


class FrozenNetwork:
    """A backbone run by torch.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.
        precision: ``"bf16"`` or ``"fp32"``.
    """

    def __init__(self, backbone: Backbone, path: Path | None, precision: str) -> None:
        self._module = PooledNetwork(backbone, path, folded=True)
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._module.network.to(dtype).to(memory_format=torch.channels_last)

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> Features:
        """Return the pooled output of every layer of the record, joined.

        Args:
            pixels: Shape ``(BATCH_SIZE, height, width, 3)``, uint8.

        Returns:
            Shape ``(BATCH_SIZE, backbone.num_features)``, float32.
        """
        with torch.inference_mode():
            features: Features = self._module(torch.from_numpy(pixels)).numpy()
        return features


def _bare(name: str) -> Any:
    return timm.create_model(name, pretrained=False, num_classes=0).eval()


def _seeded(name: str, seed: int, **options: Any) -> nn.Module:
    """Build a network whose random values follow from `seed`; torch's own state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = timm.create_model(name, num_classes=0, **options)
    return network.eval()


def _loaded(backbone: Backbone, path: Path) -> nn.Module:
    if path.name == INCLUDED_WEIGHTS:
        network: nn.Module = _bare(backbone.architecture)
        network.load_state_dict(load_file(path))
        return network
    if backbone.weights.startswith("package:"):
        network = _bare(backbone.architecture)
        _load_in_order(network, path)
        return network
    overlay = {"file": str(path), "custom_load": False}
    network = _seeded(
        backbone.architecture, _LOADING_SEED, pretrained=True, pretrained_cfg_overlay=overlay
    )
    # timm takes a file that lacks some of the tensors, or all, and leaves random values in them.
    blank = dict(_seeded(backbone.architecture, _LOADING_SEED).named_parameters())
    for name, value in network.named_parameters():
        varied = value.requires_grad and bool((value != value.flatten()[0]).any())
        if varied and torch.equal(value, blank[name]):
            raise ValueError(f"{name} is not in it")
    return network


def _load_in_order(network: nn.Module, path: Path) -> None:
    """Put in weights whose tensors come in the network's order under other names."""
    given = torch.load(path, map_location="cpu", weights_only=True)
    tensors = [t for name, t in given.items() if not name.endswith("num_batches_tracked")]
    own = network.state_dict()
    names = [name for name in own if not name.endswith("num_batches_tracked")]
    # What is left over are the weight and bias of the ImageNet classifier.
    if len(tensors) - len(names) not in (0, 2):
        raise ValueError(f"it has {len(tensors)} tensors, not {len(names) + 2}")
    matched = dict(zip(names, tensors, strict=False))
    for name, tensor in matched.items():
        if tensor.shape != own[name].shape:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, not {tuple(own[name].shape)}")
    network.load_state_dict({**own, **matched})


def _pooled(network: Any, x: torch.Tensor, indices: list[int]) -> list[torch.Tensor]:
    if not indices:
        last = network.forward_features(x)
        return [network.forward_head(last, pre_logits=True).flatten(1).float()]
    last, maps = network.forward_intermediates(x, indices=indices)
    pooled = [m.float().mean(dim=(2, 3)) for m in maps]
    return [*pooled, network.forward_head(last, pre_logits=True).flatten(1).float()]


def _indices(network: Any) -> list[int]:
    """Return which of the network's intermediate outputs are pooled; none where it gives none."""
    if not hasattr(network, "forward_intermediates"):
        return []
    probe = torch.zeros(1, 3, *network.pretrained_cfg["input_size"][1:])
    parameter = next(network.parameters())
    with torch.inference_mode():
        maps = network.forward_intermediates(probe.to(parameter.dtype), intermediates_only=True)
    if any(m.ndim != 4 for m in maps):
        return []
    if len(maps) <= _MAX_LAYERS:
        return list(range(len(maps)))
    step = len(maps) / (_MAX_LAYERS - 1)
    return [round(step * (i + 1)) - 1 for i in range(_MAX_LAYERS - 1)]


def _layers(network: Any, height: int, width: int) -> tuple[Layer, ...]:
    indices = _indices(network)
    with torch.inference_mode():
        pooled = _pooled(network, torch.zeros(1, 3, height, width), indices)
    info = network.feature_info
    rows = info if isinstance(info, list) else getattr(info, "info", [])
    names = [str(row.get("module", "")) for row in rows]
    labels = [names[i] if i < len(names) and names[i] else f"stage.{i}" for i in indices]
    widths = [p.shape[1] for p in pooled]
    return tuple(Layer(n, w) for n, w in zip([*labels, "last"], widths, strict=True))


def _folded(network: nn.Module, input_size: tuple[int, int]) -> nn.Module:
    """Return the network with batch normalisation folded in, or as it was where that differs."""
    folded = copy.deepcopy(network)
    indices = _indices(network)
    with torch.no_grad():
        _fold_children(folded)
        x = torch.randn(2, 3, *input_size, generator=torch.Generator().manual_seed(0))
        before, after = (_pooled(n, x, indices) for n in (network, folded))
        # Layer by layer: one of large values must not hide what is wrong in another.
        same = all(
            bool((b - a).abs().max() <= 1e-4 * b.abs().max())
            for b, a in zip(before, after, strict=True)
        )
    return folded if same else network


def _fold_children(parent: nn.Module) -> None:
    """Fold each batch normalisation into the convolution that stands before it in its module.

    That the one is fed by the other is only likely from their order: `_folded` checks it.
    """
    before: nn.Module | None = None
    for name, child in list(parent.named_children()):
        if isinstance(child, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
            if child.running_mean is None or child.running_var is None:
                continue
            fused = torch.nn.utils.fusion.fuse_conv_bn_weights(
                before.weight,
                before.bias,
                child.running_mean,
                child.running_var,
                child.eps,
                child.weight,
                child.bias,
            )
            before.weight, before.bias = fused
            # timm's own batch normalisation also holds the activation that follows it.
            setattr(parent, name, getattr(child, "act", nn.Identity()))
            before = None
        else:
            _fold_children(child)
            before = child


def _source(config: dict[str, Any]) -> str:
    """Return where timm gets the weights from, in the form of `Backbone.weights`."""
    if hub := config.get("hf_hub_id"):
        return f"hf:{hub}/{config.get('hf_hub_filename') or 'model.safetensors'}"
    return f"url:{config['url']}" if config.get("url") else "random"


def _paper(config: dict[str, Any]) -> str:
    paper = config.get("paper_ids") or ""
    first = paper if isinstance(paper, str) else (paper or [""])[0]
    return f"https://arxiv.org/abs/{first[6:]}" if first.lower().startswith("arxiv:") else first
