"""Resizing in the graph against Pillow's, pixel by pixel."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from onnx import TensorProto, helper
from PIL import Image

from photograft.backbones.graphs import IR_VERSION, OPSET, Graph
from photograft.backbones.opening import open_whole
from photograft.backbones.registry import EMBEDDED, Backbone
from photograft.classifier.export.resizing import resized
from photograft.features.preprocessing import prepare

Pixels = npt.NDArray[np.uint8]

#: Width and height: larger and smaller than the input, tall and wide, and as small as can be.
SIZES = (
    *((500, 375), (375, 500), (96, 96), (1, 1), (3, 900), (900, 3), (640, 96), (96, 640)),
    *((97, 301), (720, 480), (300, 100), (50, 40), (192, 288), (40, 97), (1200, 700), (230, 31)),
)
FILTERS = ("nearest", "bilinear", "bicubic", "lanczos")
WAYS = (
    ("squash", 1.0, (96, 96)),
    ("squash", 0.875, (64, 80)),
    ("center", 1.0, (96, 96)),
    ("center", 0.9, (96, 60)),
)


def opened(backbone: Backbone, engine: str) -> Callable[[Pixels], Pixels]:
    """What resizes photos by the graph and nothing else."""
    made = Graph()
    made.add("Identity", [resized(made, backbone, "photos")], "pixels")
    shape: list[str | int] = ["n", "height", "width", 3]
    photos = helper.make_tensor_value_info("photos", TensorProto.UINT8, shape)
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, None)
    graph = helper.make_graph(made.nodes, "resizing", [photos], [pixels], made.constants)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
    run = open_whole(model.SerializeToString(), engine)
    return lambda given: run(given)["pixels"].transpose(0, 2, 3, 1)


def photo(width: int, height: int, seed: int = 0) -> Pixels:
    """Noise, which every wrong weight shows in, with a ground that is bright on one side."""
    rng = np.random.default_rng([seed, width, height])
    noise = rng.integers(0, 256, (height, width, 3))
    ground = np.linspace(0, 255, width)[None, :, None]
    return np.where(rng.random((height, width, 1)) < 0.5, noise, ground).astype(np.uint8)


def by_pillow(pixels: Pixels, backbone: Backbone) -> Pixels:
    """What the library makes of a file that holds a photo."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return prepare(stream.getvalue(), backbone)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(("crop_mode", "crop_pct", "size"), WAYS)
def test_resizing_is_pillows(
    engine: str, interpolation: str, crop_mode: str, crop_pct: float, size: tuple[int, int]
) -> None:
    """But for a pixel in some photos, by one of 256 levels.

    OpenVINO has no doubles, by which Pillow decides at ties of "nearest".
    """
    if (engine, interpolation) == ("openvino", "nearest"):
        pytest.skip("it has no doubles")
    backbone = replace(
        EMBEDDED["efficientnet_lite0"],
        interpolation=interpolation,
        crop_mode=crop_mode,
        crop_pct=crop_pct,
        input_size=size,
    )
    run = opened(backbone, engine)
    wrong = 0
    for width, height in SIZES:
        pixels = photo(width, height)
        away = np.abs(run(pixels[None])[0] - by_pillow(pixels, backbone).astype(np.float32))
        assert away.max() <= (2 if interpolation == "lanczos" else 1), (width, height)
        wrong += int(np.count_nonzero(away))
    allowed = {"onnxruntime": {"bicubic": 2}, "openvino": {"bicubic": 2, "lanczos": 100}}
    assert wrong <= allowed[engine].get(interpolation, 0)


def test_photos_of_one_size_are_resized_together() -> None:
    backbone = EMBEDDED["efficientnet_lite0"]
    pixels = np.stack([photo(300, 200, seed) for seed in range(3)])
    found = opened(backbone, "onnxruntime")(pixels)
    assert np.array_equal(found, [by_pillow(one, backbone) for one in pixels])
