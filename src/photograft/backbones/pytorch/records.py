"""What timm says of a network, made a record; its widths are told without drawing any weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

from photograft.backbones.pytorch.pooling import find_layers
from photograft.backbones.registry import Backbone

Found = TypeVar("Found")


def without_values(look: Callable[[], Found]) -> Found:
    """Return what building a network and looking at it gives, where only shapes matter.

    Its tensors have no values, which saves drawing millions of them, and running it. Networks that
    can't do without are built in earnest.

    Args:
        look: Called again where it fails, so that its errors are those of a true network.
    """
    try:
        with torch.device("meta"):
            return look()
    except Exception:
        return look()


def timm_record(name: str, network: Any) -> Backbone:
    """Return the record of a timm model.

    Args:
        name: timm's, with or without a tag.
        network: As `zoo.new_network` gives it.
    """
    config = network.pretrained_cfg
    height, width = config["input_size"][1:]
    tag = config.get("tag") or ""
    architecture = config.get("architecture", name.partition(".")[0])
    return Backbone(
        name=name,
        architecture=architecture + (f".{tag}" if tag else ""),
        input_size=(height, width),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=config["interpolation"],
        crop_pct=float(config["crop_pct"]),
        crop_mode=config.get("crop_mode") or "center",
        layers=find_layers(network, (height, width)),
        weights=_source(config),
        weights_sha256="",
        num_params=sum(p.numel() for p in network.parameters()),
        licence=config.get("license") or "not stated",
        paper=_paper(config),
    )


def _source(config: dict[str, Any]) -> str:
    """Return where timm gets the weights from, in the form of `Backbone.weights`."""
    if hub := config.get("hf_hub_id"):
        return f"hf:{hub}/{config.get('hf_hub_filename') or 'model.safetensors'}"
    return f"url:{config['url']}" if config.get("url") else "random"


def _paper(config: dict[str, Any]) -> str:
    paper = config.get("paper_ids") or ""
    first = paper if isinstance(paper, str) else (paper or [""])[0]
    return f"https://arxiv.org/abs/{first[6:]}" if first.lower().startswith("arxiv:") else first
