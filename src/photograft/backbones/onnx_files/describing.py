"""The record of an ONNX file: what its graph tells, what its TOML record says, and what is left."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from photograft.backbones.engines import choose_engine
from photograft.backbones.onnx_files.outline import (
    PhotoInput,
    Shape,
    count_multiply_adds,
    infer_shapes,
    num_params,
    photo_input,
)
from photograft.backbones.onnx_files.reading import read_graph, read_whole
from photograft.backbones.onnx_files.record import (
    LEAST_SIZE,
    MOST_SIZE,
    OnnxFile,
    Record,
    find_file,
)
from photograft.backbones.onnx_files.wrapping import Way, raw
from photograft.backbones.opening import open_model
from photograft.backbones.registry import Backbone, Layer
from photograft.core.errors import InputError, PhotograftError, UnknownNameError

#: Mean and standard deviation of ImageNet, which most networks were trained with.
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_USUAL_SIZE = 224


@dataclass(frozen=True)
class Described:
    """An ONNX file as a backbone.

    Attributes:
        backbone: Its record.
        note: What was not said of it, and is taken for granted; empty where nothing was.
        is_raw: Whether it takes pixels as they are, whatever mean and deviation say.
    """

    backbone: Backbone
    note: str
    is_raw: bool


def describe(
    name: str, *, side: int = 0, pooling: str = "avg", layers: Sequence[str] = ()
) -> Described:
    """Return what is known of an ONNX file.

    Args:
        name: As `find_file` takes it.
        side: Of the square input; 0 for its own.
        pooling: ``"avg"`` or ``"flatten"``.
        layers: That are wanted, with ``"flatten"``; the last one where there are none.

    Raises:
        InputError: It can't be read, takes no photos or not of this size, or gives no features.
    """
    file = find_file(name)
    try:
        status = file.path.stat()
    except OSError as error:
        raise InputError(f"{file.path} can't be read ({error.strerror})") from error
    file, changed = replace(file, path=file.path.resolve()), (status.st_size, status.st_mtime_ns)
    return _described(name, file, changed, side, pooling, tuple(layers))


@functools.lru_cache(maxsize=16)
def _described(
    name: str, file: OnnxFile, changed: object, side: int, pooling: str, layers: tuple[str, ...]
) -> Described:
    del changed  # another file at the same path is described anew
    try:
        return _describe(name, file, side, pooling, layers)
    except UnknownNameError:
        raise
    except PhotograftError as error:
        if str(file.path) in str(error):
            raise
        raise InputError(f"{file.path}: {error}") from error


def _describe(
    name: str, file: OnnxFile, side: int, pooling: str, wanted: tuple[str, ...]
) -> Described:
    model, record, said = read_graph(file.path), file.record, list[str]()
    given, outputs = photo_input(model, record.layers)
    layout = _layout(given, record, said)
    size = _size(given, layout, record, side, said)
    shape = [1, 3, *size] if layout == "NCHW" else [1, *size, 3]
    mean, std = _statistics(given, record, said)
    interpolation = record.interpolation or "bicubic"
    crop = record.crop or "squash"
    if not record.interpolation or not record.crop:
        said.append(f"resized {interpolation}, {'whole' if crop == 'squash' else 'centre'}")
    way = Way(layout, record.map_layout or layout, outputs[-1])
    backbone = Backbone(
        name=name,
        architecture=way.text(),
        input_size=size,
        mean=mean,
        std=std,
        interpolation=interpolation,
        crop_pct=record.crop_pct if record.crop_pct and not side else 1.0,
        crop_mode=crop,
        layers=(),
        weights=f"file:{file.path}",
        weights_sha256="",
        num_params=num_params(model, outputs),
        licence=record.licence or "not stated",
        paper=record.paper,
    )
    shapes = infer_shapes(model, given, shape, outputs)
    if any(None in shapes.get(output, (None,)) for output in outputs):
        shapes |= _tried(file, backbone, outputs)
    names = [*outputs[:-1], "last"]
    tokens = record.tokens or "both"
    every = {
        layer: _layer(layer, output, shapes[output], way, tokens, pooling)
        for layer, output in zip(names, outputs, strict=True)
    }
    if not record.tokens and any(layer.pooling == "both" for layer in every.values()):
        said.append("of tokens, the first and the mean of the others")
    for layer in wanted:
        if layer not in names:
            fix = f"There are {', '.join(names)}."
            raise UnknownNameError("layer", layer, names, fix=fix)
    chosen = (wanted or ("last",)) if pooling == "flatten" else names
    if not record.layers:
        shown = ", ".join(f"{o} {'x'.join(map(str, shapes[o][1:]))}" for o in outputs)
        said.append(f"layers: {shown}")
    note = f"{name}: taken as {'; '.join(said)}. {file.record_path} can say otherwise."
    return Described(
        replace(backbone, layers=tuple(every[n] for n in names if n in chosen)),
        note if said else "",
        given.kind == onnx.TensorProto.UINT8,
    )


@functools.lru_cache(maxsize=16)
def multiply_adds(backbone: Backbone) -> int:
    """Return the multiply-adds of an ONNX file for a photo, as far as the graph tells them."""
    model, way = read_graph(Path(backbone.weights.partition(":")[2])), Way.of(backbone)
    outputs = [way.output(layer) for layer in backbone.layers]
    given, _ = photo_input(model, outputs)
    shape = [1, 3, *backbone.input_size]
    shape = shape if way.layout == "NCHW" else [1, *backbone.input_size, 3]
    return count_multiply_adds(model, infer_shapes(model, given, shape, outputs), outputs)


def _layout(given: PhotoInput, record: Record, said: list[str]) -> str:
    """Return the layout of the input, and make sure that it takes one photo of three channels."""
    first, second, _, fourth = given.shape
    if first not in (None, 1):
        raise InputError(
            f"it takes {first} photos at a time",
            fix="Export it for one, or for any number.",
        )
    layout = record.layout or ("NHWC" if fourth == 3 and second != 3 else "NCHW")
    channels = second if layout == "NCHW" else fourth
    if channels not in (None, 3):
        raise InputError(
            f"its input {given.name} has {channels} channels where {layout} has them",
            expected="3, of photos in colour",
            got=str(list(given.shape)),
        )
    if not record.layout:
        said.append(layout)
    return layout


def _size(
    given: PhotoInput, layout: str, record: Record, side: int, said: list[str]
) -> tuple[int, int]:
    """Return height and width of the input."""
    own = given.shape[2:] if layout == "NCHW" else given.shape[1:3]
    asked = (side, side) if side else record.size
    if asked is None:
        known = [s for s in own if s is not None]
        height, width = (s or (known or [_USUAL_SIZE])[0] for s in own)
        said.append(f"{height} x {width}")
        asked = height, width
    if any(s not in (None, a) for s, a in zip(own, asked, strict=True)):
        shown = " x ".join(str(s or "any") for s in own)
        raise InputError(
            f"it takes photos of {shown} only", got=f"input size {asked[0]} x {asked[1]}"
        )
    if not all(LEAST_SIZE <= s <= MOST_SIZE for s in asked):
        raise InputError(
            f"it takes photos of {asked[0]} x {asked[1]}",
            expected=f"sides of {LEAST_SIZE} to {MOST_SIZE}",
        )
    return asked


def _statistics(
    given: PhotoInput, record: Record, said: list[str]
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return mean and standard deviation for pixels in [0, 1]."""
    if given.kind == onnx.TensorProto.UINT8:
        if record.mean or record.std or record.range:
            raise InputError(
                "it takes whole numbers from 0 to 255",
                fix="Leave mean, std and range out of the record.",
            )
        return (0.0,) * 3, (1.0,) * 3
    low, high = record.range or (0.0, 1.0)
    usual = ((0.0,) * 3, (1.0,) * 3) if record.range else _IMAGENET
    if not record.range and not record.mean and not record.std:
        said.append("ImageNet's mean and deviation")
    if bool(record.mean) != bool(record.std) and not record.range:
        usual = ((0.0,) * 3, (1.0,) * 3)
    mean, std = record.mean or usual[0], record.std or usual[1]
    red, green, blue = ((m - low) / (high - low) for m in mean)
    spread = tuple(s / (high - low) for s in std)
    return (red, green, blue), (spread[0], spread[1], spread[2])


def _layer(name: str, output: str, shape: Shape, way: Way, tokens: str, pooling: str) -> Layer:
    """Return an output as a layer."""
    sides = [side or 0 for side in shape]
    if not 2 <= len(sides) <= 4 or sides[0] != 1 or 0 in sides:
        raise InputError(
            f"its output {output} can't be features",
            expected="two, three or four axes, of one photo",
            got=str(list(shape)),
        )
    if len(sides) == 4 and pooling == "avg":
        return Layer(name, sides[1 if way.map_layout == "NCHW" else 3], "avg")
    if len(sides) == 4:
        return Layer(name, math.prod(sides), "flatten")
    if len(sides) == 2 or sides[1] == 1:
        return Layer(name, math.prod(sides), "none" if len(sides) == 2 else "all")
    if pooling == "flatten":
        return Layer(name, math.prod(sides), "all")
    return Layer(name, sides[2] * (2 if tokens == "both" else 1), tokens)


def _tried(file: OnnxFile, backbone: Backbone, outputs: Sequence[str]) -> dict[str, Shape]:
    """Return the shapes of outputs, by running the network on a blank photo."""
    model = raw(read_whole(file.path), backbone, outputs)
    engine = choose_engine(precision="fp32", prepared_only=True)
    run = open_model(model, engine.name, engine.precision, 1)
    found = run(np.zeros((1, *backbone.input_size, 3), np.uint8))
    return {output: values.shape for output, values in zip(outputs, found, strict=True)}
