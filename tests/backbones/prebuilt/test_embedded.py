"""The embedded networks, built without torch: they give what timm's own networks give."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import timm
import torch
from PIL import Image
from safetensors.numpy import load, save_file

from drawing import draw_folder
from photograft.backbones.engines import PREPARING, Engine
from photograft.backbones.get import get_backbone
from photograft.backbones.networks import open_maps, open_network, weights_bytes
from photograft.backbones.prebuilt import lite
from photograft.backbones.prebuilt.building import build
from photograft.backbones.pytorch.costs import measure_costs
from photograft.backbones.pytorch.network import PooledNetwork
from photograft.backbones.pytorch.zoo import with_layers
from photograft.backbones.registry import EMBEDDED, INCLUDED_WEIGHTS, Backbone
from photograft.backbones.settings import Preprocessing
from photograft.backbones.weights import locate_weights
from photograft.core.errors import WeightsError

Pixels = npt.NDArray[np.uint8]

#: Of a network's own size 0, and of one that is no multiple of 32.
SIZES = (0, 150)
#: Where in `looks` the photos are that are all the same.
EVEN = -2
ENGINES = (*PREPARING, "torch")


def record(name: str, size: int = 0, **options: Any) -> tuple[Backbone, Path]:
    prepared = Preprocessing(input_size=size, **options.pop("preprocessing", {}))
    backbone = get_backbone(name, preprocessing=prepared, **options)
    backbone, path = locate_weights(backbone, Path("/nowhere"))
    assert path is not None
    return backbone, path


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Pixels]:
    """Drawn photos, noise, and what is all the same."""
    folder = draw_folder(tmp_path_factory.mktemp("photos"), ("circle", "square"), n=4, seed=1)

    def of_size(size: int) -> Pixels:
        files = sorted(folder.rglob("*.jpg"))
        photos = [np.asarray(Image.open(f).convert("RGB").resize((size, size))) for f in files]
        noise = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), np.uint8)
        even = [np.full((size, size, 3), value, np.uint8) for value in (0, 255)]
        return np.concatenate([np.stack(photos), noise, even])

    return of_size


def timms(backbone: Backbone, path: Path, pixels: Pixels) -> npt.NDArray[np.float32]:
    """The features by timm's own network and its own intermediate outputs, in float32."""
    network: Any = timm.create_model(backbone.architecture, num_classes=0).eval()
    weights = lite.named_as_timm(backbone.architecture, torch.load(path, weights_only=True))
    network.load_state_dict(weights)
    x = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    with torch.inference_mode():
        last, maps = network.forward_intermediates(x.contiguous())
        pooled = [m.mean((2, 3)) for m in maps]
        return torch.cat([*pooled, network.forward_head(last)], dim=1).numpy()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "name",
    ["efficientnet_lite0", *(pytest.param(n, marks=pytest.mark.slow) for n in list(EMBEDDED)[1:])],
)
def test_every_engine_gives_timms_features(
    name: str, size: int, engine: str, looks: Callable[[int], Pixels], tmp_path: Path
) -> None:
    pytest.importorskip(engine)
    backbone, path = record(name, size)
    pixels = looks(backbone.input_size[0])
    expected = timms(backbone, path, pixels)
    network = open_network(backbone, path, Engine(engine, "fp32"), tmp_path)
    found = network(pixels)
    assert found.shape == expected.shape == (len(pixels), backbone.num_features)
    error = np.abs(found - expected).max(axis=1)
    assert error[:EVEN].max() <= 1e-4
    # Where a photo is all the same, so is each rounding: they add up.
    assert error.max() <= 1e-3
    # A photo's features are its own: alone, in other company, and in a batch that is not full.
    assert np.array_equal(network(pixels[::-1])[::-1], found)
    assert np.array_equal(network(pixels[4:5]), found[4:5])
    assert np.array_equal(network(pixels[:11]), found[:11])


@pytest.mark.parametrize("engine", PREPARING)
def test_a_photos_features_are_the_same_at_every_time(
    engine: str, looks: Callable[[int], Pixels], tmp_path: Path
) -> None:
    pytest.importorskip(engine)
    backbone, path = record("efficientnet_lite0", 64)
    pixels = looks(64)
    networks = [open_network(backbone, path, Engine(engine, "fp32"), tmp_path) for _ in range(2)]
    expected = networks[0](pixels)
    for network in networks:
        for _ in range(20):
            assert np.array_equal(network(pixels), expected)


@pytest.mark.parametrize("engine", PREPARING)
@pytest.mark.parametrize(
    "options",
    [
        {"preprocessing": {"center": "sample"}},
        {"preprocessing": {"standardize": "sample"}},
        {"preprocessing": {"center": "sample", "standardize": "sample"}},
        {"preprocessing": {"rescale": 1 / 255}},
        {"pooling": "flatten"},
        {"pooling": "flatten", "layer": "blocks.4,last"},
    ],
    ids=str,
)
def test_what_a_record_says_is_done(
    engine: str, options: dict[str, Any], looks: Callable[[int], Pixels], tmp_path: Path
) -> None:
    pytest.importorskip(engine)
    backbone, path = record("efficientnet_lite0", 96, **options)
    pixels = looks(96)
    with torch.inference_mode():
        expected = PooledNetwork(backbone, path, folded=False)(torch.from_numpy(pixels)).numpy()
    found = open_network(backbone, path, Engine(engine, "fp32"), tmp_path)(pixels)
    assert np.abs(found - expected).max() <= 1e-4 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("engine", PREPARING)
def test_maps_are_there_before_anything_was_prepared(
    engine: str, looks: Callable[[int], Pixels], tmp_path: Path
) -> None:
    pytest.importorskip(engine)
    backbone, path = record("efficientnet_lite0", 150)
    names = ("blocks.2", "last")
    maps = open_maps(backbone, path, names, Engine(engine, "fp32"), tmp_path)
    assert maps is not None
    assert list(tmp_path.iterdir()) == []
    photo = looks(150)[0]
    found, pooled = maps(photo)
    shapes = lite.map_shapes(backbone.architecture, backbone.input_size)
    assert [values.shape for values in found] == [shapes[name] for name in names]
    features = open_network(backbone, path, Engine(engine, "fp32"), tmp_path)(photo[None])[0]
    kept = np.concatenate([features[40:80], features[-1280:]])
    assert np.abs(pooled - kept).max() <= 1e-4


@pytest.mark.parametrize("name", EMBEDDED)
@pytest.mark.parametrize("size", [0, 150])
def test_shapes_and_costs_are_as_torch_counts_them(name: str, size: int) -> None:
    backbone, _ = record(name, size)
    costs = measure_costs(backbone)
    counted = lite.count_costs(backbone.architecture, backbone.input_size)
    assert counted == (costs.multiply_adds, costs.num_statistics)
    assert with_layers(EMBEDDED[name], [], "avg").layers == backbone.layers
    flat, _ = record(name, size, pooling="flatten", layer="blocks.4,last")
    in_torch = with_layers(backbone, ["blocks.4", "last"], "flatten")
    assert flat.layers == in_torch.layers


def structure(model: bytes) -> str:
    """What a model does, and with which numbers, rounded; not how it is written down."""
    graph = onnx.ModelProto.FromString(model).graph
    nodes = [
        (
            n.op_type,
            [*n.input, *n.output],
            sorted((a.name, str(onnx.helper.get_attribute_value(a))) for a in n.attribute),
        )
        for n in graph.node
    ]
    sums = [
        (list(c.dims), f"{np.abs(onnx.numpy_helper.to_array(c)).sum(dtype=np.float64):.3e}")
        for c in graph.initializer
    ]
    return hashlib.sha256(json.dumps([nodes, sums]).encode()).hexdigest()[:16]


def test_a_network_that_changes_has_another_version() -> None:
    """Where this fails, raise `prepared.CODE_VERSION`: kept features are of the old one."""
    found = {name: build(*record(name)) for name in EMBEDDED}
    assert {name: structure(made.model) for name, made in found.items() if made} == STRUCTURES


STRUCTURES = {
    "efficientnet_lite0": "b9af10713e745e66",
    "efficientnet_lite1": "80a820def879a1f6",
    "efficientnet_lite2": "66d57ed86c8bf608",
}


class TestWeightFiles:
    def test_a_copy_of_the_weights_is_made_and_read_without_torch(self, tmp_path: Path) -> None:
        backbone, path = record("efficientnet_lite0")
        data = weights_bytes(backbone, path)
        (tmp_path / INCLUDED_WEIGHTS).write_bytes(data)
        copy = build(replace(backbone, weights="trained"), tmp_path / INCLUDED_WEIGHTS)
        assert copy == build(backbone, path)
        network = timm.create_model(backbone.architecture, num_classes=0)
        tensors = {name: torch.from_numpy(value.copy()) for name, value in load(data).items()}
        network.load_state_dict(tensors)

    def test_files_that_only_torch_can_match_are_left_to_it(self, tmp_path: Path) -> None:
        backbone, path = record("efficientnet_lite0")
        tensors = load(weights_bytes(backbone, path))
        file = tmp_path / "weights.safetensors"
        for changed in (
            {f"module.{name}": value for name, value in tensors.items()},
            {name: value for name, value in tensors.items() if name != "bn2.bias"},
        ):
            save_file(changed, file)
            assert build(replace(backbone, weights=f"file:{file}"), file) is None
        file.write_bytes(b"damaged")
        assert build(replace(backbone, weights=f"file:{file}"), file) is None
        assert build(replace(backbone, weights="random"), None) is None

    @pytest.mark.parametrize("damage", ["shape", "type", "nan", "variance"])
    def test_tensors_that_do_not_fit_are_refused(self, tmp_path: Path, damage: str) -> None:
        backbone, path = record("efficientnet_lite0")
        tensors = load(weights_bytes(backbone, path))
        value = tensors["bn2.running_var"].copy()
        tensors["bn2.running_var"] = {
            "shape": value[:-1].copy(),
            "type": value.astype(np.float64),
            "nan": np.where(np.arange(len(value)) == 3, np.nan, value).astype(np.float32),
            "variance": -value,
        }[damage]
        file = tmp_path / "weights.safetensors"
        save_file(tensors, file)
        with pytest.raises(WeightsError, match=r"bn2\.running_var"):
            build(replace(backbone, weights=f"file:{file}"), file)

    def test_a_package_of_another_network(self) -> None:
        backbone, _ = record("efficientnet_lite0")
        _, other = record("efficientnet_lite2")
        with pytest.raises(WeightsError, match="tf_efficientnet_lite0"):
            build(backbone, other)


@pytest.mark.parametrize("engine", PREPARING)
def test_torch_is_not_imported(engine: str, tmp_path: Path) -> None:
    pytest.importorskip(engine)
    program = f"""
import sys
from pathlib import Path
import numpy as np
from photograft.backbones.engines import choose_engine
from photograft.backbones.networks import open_maps, open_network
from photograft.backbones.get import get_backbone
from photograft.backbones.weights import locate_weights
folder, engine = Path(sys.argv[1]), choose_engine({engine!r}, device="cpu")
backbone, path = locate_weights(get_backbone("efficientnet_lite0"), folder)
pixels = np.zeros((2, *backbone.input_size, 3), np.uint8)
assert open_network(backbone, path, engine, folder)(pixels).shape == (2, backbone.num_features)
assert open_maps(backbone, path, ["last"], engine, folder)(pixels[0])[0][0].shape == (1280, 7, 7)
print(*(m for m in ("torch", "timm", "torchvision", "onnxruntime", "openvino") if m in sys.modules))
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [engine]
