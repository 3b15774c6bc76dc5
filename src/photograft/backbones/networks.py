"""A backbone's network, opened by an engine: its features, its maps, and its weights."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photograft.backbones.engines import PREPARING, Engine, for_onnx, is_here
from photograft.backbones.opening import built, open_model, prepare_network
from photograft.backbones.prebuilt import building
from photograft.backbones.prepared import has_prepared, keep_prepared, read_prepared
from photograft.backbones.registry import Backbone
from photograft.backbones.running import num_at_once
from photograft.core.arrays import Floats
from photograft.core.errors import ConversionError, InputError
from photograft.core.optional import need_torch

#: Pixels of photos in, ``(n, height, width, 3)``, uint8; features out, ``(n, num_features)``,
#: float32. A photo's do not depend on those that come with it.
Network = Callable[[npt.NDArray[np.uint8]], Floats]
#: A photo's pixels in, ``(height, width, 3)``, uint8; each layer's map out,
#: ``(channels, height, width)``, float32, and the features that pooling them gives, joined.
Maps = Callable[[npt.NDArray[np.uint8]], tuple[list[Floats], Floats]]


def weights_bytes(backbone: Backbone, path: Path | None) -> bytes:
    """Return a backbone's weights as a safetensors file, under timm's names; an ONNX file whole.

    Raises:
        WeightsError: The weights don't fit the network.
        InputError: It takes torch, which is not installed.
    """
    if backbone.is_onnx and path is not None:
        from photograft.backbones.onnx_files.reading import whole_bytes  # ONNX, only where needed

        return whole_bytes(path)
    data = building.weights_bytes(backbone, path)
    if data is None:
        need_torch(f"keeping a copy of the weights of {backbone.name}")
        from photograft.backbones.pytorch import zoo  # torch, only where needed

        data = zoo.weights_bytes(backbone, path)
    return data


def open_network(backbone: Backbone, path: Path | None, engine: Engine, folder: Path) -> Network:
    """Build the network that gives a backbone's features.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.
        engine: What runs it.
        folder: Where a prepared network is kept for the next time, if it can be written to. It must
            serve this backbone and these weights only.

    Raises:
        WeightsError: The weights don't fit the network.
        ConversionError: The engine can't run this network, or not with the same result.
        InputError: It takes torch, which is not installed.
    """
    if backbone.is_onnx:
        for_onnx(engine.name, engine.device)
    if engine.name == "torch":
        need_torch(f"the engine torch, which is to run {backbone.name},")
        from photograft.backbones.pytorch.network import FrozenNetwork  # torch, only where needed

        return FrozenNetwork(backbone, path, engine.precision, engine.device)
    prepared = read_prepared(folder)
    if prepared is None:
        prepared = prepare_network(backbone, path, engine.name)
        if engine.precision == "int8":
            prepared = replace(prepared, model=quantised_model(prepared.model, engine))
        keep_prepared(prepared, folder)
    opened = functools.partial(
        open_model, prepared.model, engine.name, engine.precision, num_at_once(), engine.device
    )
    if backbone.is_onnx:
        from photograft.backbones.onnx_files.running import held_to_record  # ONNX, where needed

        return held_to_record(backbone, engine.name, opened)
    run = opened()
    return lambda pixels: run(pixels)[0]


def open_maps(
    backbone: Backbone, path: Path | None, names: Sequence[str], engine: Engine, folder: Path
) -> Maps | None:
    """Return what gives a backbone's feature maps without torch, where there is such a thing.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.
        names: Of the layers that are wanted.
        engine: What runs the network.
        folder: As in `open_network`; nothing is exported for a map alone.

    Raises:
        WeightsError: The weights don't fit the network.
    """
    engine = engine.in_float()
    engine = engine if engine.name in PREPARING else replace(engine, name=PREPARING[0])
    if not is_here(engine.name):
        return None
    prepared = read_prepared(folder) or built(backbone, path)
    if prepared is None or not set(names) <= set(prepared.maps):
        return None
    from photograft.backbones.maps import PreparedMaps, with_maps  # ONNX, only where needed

    layers = [layer for layer in backbone.layers if layer.name in names]
    try:
        run = open_model(with_maps(prepared.model, layers), engine.name, "fp32", 1)
    except ConversionError:
        return None
    return PreparedMaps(run, layers)


def is_prepared(backbone: Backbone, path: Path | None, engine: Engine, folder: Path) -> bool:
    """Return whether `open_network` finds what it needs, and so is quick."""
    if engine.name == "torch" or backbone.is_onnx:
        return True
    return has_prepared(folder) or building.may_build(backbone, path)


def quantised_model(model: bytes, engine: Engine) -> bytes:
    """Return a prepared network that computes in 8 bits, by an engine's ranges.

    Raises:
        InputError: The engine has none.
        ConversionError: They are of another network.
    """
    if not engine.ranges:
        raise InputError("a network in int8 has to be calibrated", fix="Call calibrate first.")
    from photograft.backbones.int8.graph import quantised  # ONNX, only where needed

    return quantised(model, engine.ranges)
