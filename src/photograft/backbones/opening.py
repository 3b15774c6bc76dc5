"""A prepared network: from a backbone's weights, and opened by an engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from photograft.backbones.prebuilt import building
from photograft.backbones.prepared import Prepared
from photograft.backbones.registry import Backbone
from photograft.backbones.running import Run, Whole
from photograft.core.errors import ConversionError, WeightsError
from photograft.core.optional import need_torch


def prepare_network(backbone: Backbone, path: Path | None, engine: str) -> Prepared:
    """Return a network in float32, built here or exported once from torch.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.
        engine: The name of the one that has to make of an exported network what torch does.

    Raises:
        WeightsError: The weights don't fit the network.
        ConversionError: It can't be exported, or the engine gives other features.
        InputError: It takes torch, which is not installed.
    """
    return built(backbone, path) or _exported(backbone, path, engine)


def built(backbone: Backbone, path: Path | None) -> Prepared | None:
    """Return a network in float32 as far as that takes no torch; None where it does."""
    if backbone.is_onnx:
        from photograft.backbones.onnx_files.wrapping import wrap  # ONNX, only where needed

        if path is None:
            raise WeightsError(f"the file of {backbone.name} is not here")
        return wrap(backbone, path)
    return building.build(backbone, path)


def open_model(model: bytes, engine: str, precision: str, at_once: int, device: str = "cpu") -> Run:
    """Return what runs a model.

    Args:
        model: Serialised.
        engine: ``"openvino"`` or ``"onnxruntime"``.
        precision: Of what is not quantised; ``"int8"`` leaves that in float32.
        at_once: How many photos are in it at the same time, each on a core.
        device: What the engine computes on.

    Raises:
        ConversionError: The engine can't run it.
    """
    if engine == "openvino":
        from photograft.backbones.openvino import network as openvino

        return openvino.open_model(model, precision, at_once, device)
    from photograft.backbones.onnxruntime import network as onnxruntime

    return onnxruntime.open_model(model, at_once, device)


def open_whole(model: bytes | Path, engine: str, probes: Sequence[str] = ()) -> Whole:
    """Return what runs a model as it is, in float32, on as many photos at once as it is given.

    Args:
        model: A serialised ONNX model, or the path of a file that the engine reads.
        engine: ``"openvino"`` or ``"onnxruntime"``.
        probes: Names of tensors within it that are to be given out, too.

    Raises:
        ConversionError: The engine can't run it.
    """
    if engine == "openvino":
        from photograft.backbones.openvino import whole as openvino

        return openvino.open_whole(model, probes)
    from photograft.backbones.onnxruntime import whole as onnxruntime

    if probes:
        from photograft.backbones.graphs import with_outputs  # ONNX, only where needed

        model = with_outputs(model if isinstance(model, bytes) else model.read_bytes(), probes)
    return onnxruntime.open_whole(model)


def _exported(backbone: Backbone, path: Path | None, engine: str) -> Prepared:
    """Export a network from torch, and make sure that the engine makes of it what torch does."""
    need_torch(f"preparing {backbone.name} for {engine}")
    from photograft.backbones.pytorch.export import export  # torch, this once

    exported = export(backbone, path)
    run = open_model(exported.prepared.model, engine, "fp32", 1)
    found, expected = run(exported.pixels)[0], exported.features
    if np.abs(found - expected).max() > 1e-3 * max(1.0, float(np.abs(expected).max())):
        raise ConversionError(
            f"{engine} gives other features for {backbone.name} than torch",
            fix="Use --engine torch.",
        )
    return exported.prepared
