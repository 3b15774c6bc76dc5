"""Networks: their records, and building them with their weights put in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import nn

from photograft.backbones.names import unknown_backbone
from photograft.backbones.pytorch.convnet import PREFIX as CONVNET
from photograft.backbones.pytorch.convnet import ConvNet, initialise
from photograft.backbones.pytorch.keras_networks import build as build_keras
from photograft.backbones.pytorch.keras_networks import keras_network
from photograft.backbones.pytorch.keras_networks import load as load_keras
from photograft.backbones.pytorch.loading import load_by_order
from photograft.backbones.pytorch.pooling import find_layers, measure_layers
from photograft.backbones.pytorch.records import timm_record, without_values
from photograft.backbones.pytorch.timm_weights import (
    LOADING_SEED,
    load_with_timm,
    read_tensors,
    relative_of,
)
from photograft.backbones.registry import INCLUDED_WEIGHTS, Backbone, Layer
from photograft.core.errors import InputError, WeightsError

#: Before the name of a network whose structure is Keras's, in `Backbone.architecture`.
KERAS_PREFIX = "keras:"


def describe(name: str) -> Backbone:
    """Return the record of any timm model, its preprocessing and weights as timm has them.

    Args:
        name: timm's name, with or without a tag, such as ``"resnet50"`` or
            ``"resnet50.a1_in1k"``.

    Raises:
        UnknownNameError: timm has no such model.
    """
    import timm  # two seconds, which an architecture spec does without

    architecture = name.partition(".")[0]
    if not timm.is_model(architecture) or (
        name != architecture and name not in timm.list_pretrained(name)
    ):
        raise unknown_backbone(name, [*timm.list_models(), *timm.list_pretrained()])
    return without_values(lambda: timm_record(name, new_network(name)))


def describe_convnet(text: str, input_size: int) -> Backbone:
    """Return the record of an architecture spec, `text` as `convnet` explains it.

    Raises:
        InputError: The text can't be understood, or the input is too small for the network.
    """
    network = new_network(text)
    size = (input_size, input_size)
    try:
        layers = find_layers(network, size)
    except RuntimeError as error:
        raise InputError(
            f"photos of {input_size} × {input_size} are too small for the network {text}",
            fix="Give a larger input size, or a network with fewer poolings.",
        ) from error
    return Backbone(
        name=text,
        architecture=text,
        input_size=size,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        interpolation="bilinear",
        crop_pct=1.0,
        crop_mode="squash",
        layers=layers,
        weights="random",
        weights_sha256="",
        num_params=sum(p.numel() for p in network.parameters()),
        licence="none: its weights are trained here",
        paper="",
    )


def describe_keras(name: str) -> Backbone:
    """Return the record of a network whose weights come in a file of Keras's.

    Raises:
        UnknownNameError: It is none of `keras_networks.KERAS`.
    """
    known = keras_network(name)
    network = new_network(KERAS_PREFIX + known.name)
    return Backbone(
        name=name,
        architecture=KERAS_PREFIX + known.name,
        input_size=known.input_size,
        mean=known.mean,
        std=known.std,
        interpolation="bilinear",
        crop_pct=1.0,
        crop_mode="squash",
        layers=find_layers(network, known.input_size),
        weights="random",
        weights_sha256="",
        num_params=sum(p.numel() for p in network.parameters()),
        licence=known.licence,
        paper=known.paper,
    )


def with_layers(backbone: Backbone, names: list[str], pooling: str) -> Backbone:
    """Return a record of other layers, or other pooling, or whose input size was changed.

    Args:
        backbone: The record.
        names: Of its layers; empty for all where the pooling is ``"avg"``, else the last.
        pooling: ``"avg"`` or ``"flatten"``.

    Raises:
        InputError: A layer is unknown, or the input is too small for the network.
    """

    def layered() -> Backbone:
        network = new_network(backbone.architecture)
        if not names and pooling == "avg":
            return replace(backbone, layers=find_layers(network, backbone.input_size))
        layers = measure_layers(network, backbone.input_size, names or ["last"], pooling)
        _drop_unused(network, layers)
        num_params = sum(p.numel() for p in network.parameters())
        return replace(backbone, layers=layers, num_params=num_params)

    try:
        return without_values(layered)
    except (RuntimeError, AssertionError) as error:
        height, width = backbone.input_size
        raise InputError(
            f"{backbone.name} can't take photos of {height} × {width}",
            fix="Give another input size.",
        ) from error


def search(pattern: str) -> list[str]:
    """Return timm's names of pretrained models that contain `pattern`."""
    import timm

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
        network = new_network(backbone.architecture, seed)
        _drop_unused(network, backbone.layers)
        return network
    try:
        return _loaded(backbone, path)
    except WeightsError:
        raise
    except Exception as error:  # on damaged files, the loaders let out nearly every kind
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise WeightsError(
            f"{path} does not hold the weights of {backbone.architecture} ({lines[0]})",
            fix="Give a file of this network's weights: safetensors, a PyTorch state dict, or "
            "for some networks Keras's .h5.",
        ) from error


def new_network(architecture: str, seed: int = 0) -> nn.Module:
    """Build a network of random weights, as a record's architecture names it, in eval mode.

    Args:
        architecture: timm's name, or one of this program's with its prefix.
        seed: The random weights follow from it; torch's own state stays as it is.
    """
    network: nn.Module
    if not architecture.startswith((CONVNET, KERAS_PREFIX)):
        import timm  # before anything is drawn
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if architecture.startswith(CONVNET):
            network = ConvNet(architecture.removeprefix(CONVNET))
            initialise(network, torch.Generator().manual_seed(seed))
        elif architecture.startswith(KERAS_PREFIX):
            network = build_keras(architecture.removeprefix(KERAS_PREFIX), seed=seed)
        else:
            network = timm.create_model(architecture, pretrained=False, num_classes=0)
    return network.eval()


def state_dict(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return a network's weights as contiguous tensors, for a safetensors file."""
    return {name: tensor.contiguous() for name, tensor in network.state_dict().items()}


def weights_bytes(backbone: Backbone, path: Path | None) -> bytes:
    """Return a backbone's weights as the content of a safetensors file.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.

    Raises:
        WeightsError: The weights don't fit the network.
    """
    return save(state_dict(build(backbone, path)))


def _drop_unused(network: nn.Module, layers: Sequence[Layer]) -> None:
    """Take away the dense layers behind a feature map that is not averaged, as VGG's."""
    if hasattr(network, "pre_logits") and all(layer.pooling == "flatten" for layer in layers):
        network.pre_logits = nn.Identity()


def _loaded(backbone: Backbone, path: Path) -> nn.Module:
    network = new_network(backbone.architecture)
    if path.name == INCLUDED_WEIGHTS:
        _drop_unused(network, backbone.layers)
        network.load_state_dict(load_file(path))
    elif backbone.weights.startswith("package:"):
        load_by_order(network, read_tensors(path), ordered=True)
    elif path.suffix == ".h5":
        load_keras(network, backbone.architecture.removeprefix(KERAS_PREFIX), path)
    else:
        network = _loaded_by_timm(backbone, path)
    _drop_unused(network, backbone.layers)
    return network


def _loaded_by_timm(backbone: Backbone, path: Path) -> nn.Module:
    """Load a file as timm does; one of other names, by the order of its tensors."""
    tensors = read_tensors(path)
    try:
        blank = new_network(backbone.architecture, LOADING_SEED)
        return load_with_timm(backbone.architecture, tensors, blank)
    except ValueError as error:
        if not backbone.weights.startswith("file:"):
            raise
        network = new_network(backbone.architecture)
        try:
            load_by_order(network, tensors, ordered=path.suffix != ".safetensors")
        except ValueError:
            other = relative_of(backbone.architecture, tensors)
            more = f"; it seems to be of {other}" if other else ""
            raise ValueError(f"{error}{more}") from None
    return network
