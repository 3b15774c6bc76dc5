"""A network in int8: near the one in float32, the same every time, and really in whole numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from drawing import draw_photo
from photograft.backbones import engines
from photograft.backbones.engines import PREPARING, Engine, choose_engine
from photograft.backbones.get import get_backbone
from photograft.backbones.int8.calibrating import agreement, calibrate, measure, observed
from photograft.backbones.int8.graph import quantised, weight_scales
from photograft.backbones.int8.ranges import Ranges
from photograft.backbones.networks import open_network
from photograft.backbones.opening import open_model, prepare_network
from photograft.backbones.prepared import read_prepared
from photograft.backbones.registry import Backbone
from photograft.backbones.settings import Preprocessing
from photograft.backbones.weights import locate_weights
from photograft.core.arrays import Floats, Pixels
from photograft.core.errors import ConversionError, InputError

SIZE = 64


def record(size: int = SIZE) -> tuple[Backbone, Path | None]:
    preprocessing = Preprocessing(input_size=size)
    backbone = get_backbone("efficientnet_lite0", preprocessing=preprocessing)
    return locate_weights(backbone, Path("/nowhere"))


def drawn(n: int, *, seed: int = 0) -> Pixels:
    rng = np.random.default_rng(seed)
    return np.stack([np.asarray(draw_photo(rng, i, SIZE)) for i in range(n)])


def calibrated(engine: str, photos: Pixels) -> Engine:
    backbone, path = record()
    wanted = Engine(engine, "int8")
    return replace(wanted, ranges=calibrate(backbone, path, wanted, [photos[:8], photos[8:]])[0])


@pytest.fixture(scope="module", params=PREPARING)
def engine(request: pytest.FixtureRequest) -> Engine:
    pytest.importorskip(request.param)
    return calibrated(request.param, drawn(16))


def test_features_are_near_those_in_float32(engine: Engine, tmp_path: Path) -> None:
    backbone, path = record()
    pixels = drawn(24, seed=1)
    found = open_network(backbone, path, engine, tmp_path / "int8")(pixels)
    expected = open_network(backbone, path, engine.in_float(), tmp_path / "float")(pixels)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert not np.array_equal(found, expected)
    ends = np.cumsum([layer.num_features for layer in backbone.layers])[:-1]
    for exact, near in zip(*(np.split(x, ends, axis=1) for x in (expected, found)), strict=True):
        assert agreement(exact, near) > 0.95


def test_a_photos_features_do_not_depend_on_its_company(engine: Engine, tmp_path: Path) -> None:
    backbone, path = record()
    pixels = drawn(12, seed=2)
    network = open_network(backbone, path, engine, tmp_path)
    found = network(pixels)
    assert np.array_equal(network(pixels[::-1])[::-1], found)
    for i in range(len(pixels)):
        assert np.array_equal(network(pixels[i : i + 1]), found[i : i + 1])
    assert np.array_equal(open_network(backbone, path, engine, tmp_path / "anew")(pixels), found)


def test_the_same_photos_give_the_same_ranges_and_network(engine: Engine, tmp_path: Path) -> None:
    assert calibrated(engine.name, drawn(16)) == engine
    assert calibrated(engine.name, drawn(16, seed=5)) != engine
    backbone, path = record()
    for name in "ab":
        open_network(backbone, path, engine, tmp_path / name)
    a, b = (read_prepared(tmp_path / name) for name in "ab")
    assert a == b
    assert a is not None
    exact = prepare_network(backbone, path, engine.name)
    assert len(a.model) < len(exact.model) / 3
    assert a.maps == exact.maps


def test_engines_agree(tmp_path: Path) -> None:
    for name in PREPARING:
        pytest.importorskip(name)
    backbone, path = record()
    pixels, ranges = drawn(16, seed=3), calibrated("openvino", drawn(16)).ranges
    a, b = (
        open_network(backbone, path, Engine(name, "int8", ranges=ranges), tmp_path / name)(pixels)
        for name in PREPARING
    )
    assert agreement(a, b) > 0.99


def test_openvino_computes_in_whole_numbers(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    backbone, path = record()
    open_network(backbone, path, calibrated("openvino", drawn(16)), tmp_path)
    prepared = read_prepared(tmp_path)
    assert prepared is not None
    core = openvino.Core()
    hints = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(prepared.model), "CPU", hints)
    kinds = [node.get_rt_info() for node in compiled.get_runtime_model().get_ordered_ops()]
    read = [k["runtimePrecision"].value for k in kinds if k["layerType"].value == "Convolution"]
    assert len(read) == 49
    assert read.count("u8") == 48  # all but the first


def test_ranges_go_by_what_most_photos_have(engine: Engine) -> None:
    backbone, path = record()
    photos = drawn(12, seed=4)
    model = prepare_network(backbone, path, engine.name).model
    run = open_model(observed(model), engine.name, "fp32", 2)
    apart = np.array(
        [[row[1:] for row in measure(model, run, [photos[i : i + 1]])] for i in range(12)]
    )
    together = np.array([row[1:] for row in measure(model, run, [photos[:8], photos[8:]])])
    lows, highs = apart[..., 0], apart[..., 1]
    means, spread = apart.mean(axis=0), 2 * apart.std(axis=0)
    assert np.allclose(together[:, 0], np.maximum(means - spread, apart.min(0))[:, 0])
    assert np.allclose(together[:, 1], np.minimum(means + spread, apart.max(0))[:, 1])
    assert (together[:, 0] >= lows.min(axis=0) - 1e-9).all()
    assert (together[:, 1] <= highs.max(axis=0) + 1e-9).all()


def test_no_sum_of_two_products_is_cut_off_in_16_bits() -> None:
    rng = np.random.default_rng(0)
    for shape, axis in (((8, 7, 1, 1), 0), ((8, 6, 3, 3), 0), ((7, 8), 1)):
        weights = rng.standard_normal(shape).astype(np.float32)
        scales = weight_scales(weights, axis)
        rows = np.moveaxis(np.moveaxis(weights, axis, 0), 1, -1)
        whole = np.round(rows / scales.reshape(-1, *[1] * (rows.ndim - 1)))
        whole = np.concatenate([whole, np.zeros_like(whole[..., : rows.shape[-1] % 2])], axis=-1)
        pairs = whole.reshape(-1, 2)
        for part in (np.maximum(pairs, 0), np.minimum(pairs, 0)):
            assert (255 * np.abs(part.sum(axis=1))).max() < 2**15
        assert np.abs(whole).max() > 63  # not a bit less for all of them
    depthwise = rng.standard_normal((4, 1, 3, 3)).astype(np.float32)
    assert np.allclose(weight_scales(depthwise, 0) * 127, np.abs(depthwise).max(axis=(1, 2, 3)))
    assert (weight_scales(np.zeros((2, 3), np.float32), 1) > 0).all()


def small_graph() -> onnx.ModelProto:
    """Two convolutions, a sum and a matrix; of odd widths."""
    rng = np.random.default_rng(0)
    weights = {
        "first": rng.standard_normal((5, 3, 3, 3)),
        "second": rng.standard_normal((5, 5, 3, 3)),
        "matrix": rng.standard_normal((5, 4)),
    }
    nodes = [
        helper.make_node("Transpose", ["pixels"], ["upright"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["upright"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["real", "first"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("ReduceMean", ["d"], ["e"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["e", "matrix"], ["features"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, 8, 8, 3])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 4])],
        [numpy_helper.from_array(v.astype(np.float32) / 100, k) for k, v in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def features(model: bytes, engine: str, pixels: Pixels) -> Floats:
    return open_model(model, engine, "int8", 1)(pixels)[0]


@pytest.mark.parametrize("engine", PREPARING)
def test_sums_and_matrices(engine: str) -> None:
    pytest.importorskip(engine)
    model = small_graph().SerializeToString()
    pixels = np.random.default_rng(1).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    run = open_model(observed(model), engine, "fp32", 1)
    ranges = measure(model, run, [pixels])
    assert [name for name, _, _ in ranges] == ["b", "e", "c"]
    changed = onnx.ModelProto.FromString(quantised(model, ranges))
    onnx.checker.check_model(changed)
    reads = {node.op_type: list(node.input) for node in changed.graph.node}
    assert set(reads["Add"]) == {"b.real", "c.real"}
    assert reads["MatMul"] == ["e.real", "matrix.real"]
    floats = [node.input[1] for node in changed.graph.node if node.op_type == "Conv"]
    assert floats == ["first", "second.real"]
    exact, near = (features(m, engine, pixels) for m in (model, quantised(model, ranges)))
    assert np.abs(exact - near).max() < 0.1 * np.abs(exact).max()


@pytest.mark.parametrize("ranges", [(), (("nothing", 0.0, 1.0),), (("b", 0.0, 1.0), ("z", 0, 1))])
def test_ranges_of_another_network(ranges: Ranges) -> None:
    with pytest.raises(ConversionError, match="is not the one whose int8 ranges were measured"):
        quantised(small_graph().SerializeToString(), ranges)


def test_a_network_without_such_layers() -> None:
    model = small_graph()
    del model.graph.node[3:7]
    model.graph.node[3].input[0] = "a"
    model.graph.node[3].op_type = "Identity"
    del model.graph.node[3].input[1:]
    with pytest.raises(ConversionError, match="no layer that could compute in int8"):
        observed(model.SerializeToString())


def test_agreement() -> None:
    exact = np.random.default_rng(0).standard_normal((9, 5)).astype(np.float32)
    assert agreement(exact, exact) == pytest.approx(1)
    assert agreement(exact, exact + 7) == pytest.approx(1)  # a head learns what all have in common
    assert agreement(exact, -exact) == pytest.approx(-1)
    assert agreement(np.ones_like(exact), exact) == 1


def test_what_is_not_calibrated_does_not_run(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    backbone, path = record()
    with pytest.raises(InputError, match="has to be calibrated"):
        open_network(backbone, path, Engine("openvino", "int8"), tmp_path)
    with pytest.raises(ConversionError, match="takes photos to be calibrated with"):
        calibrate(backbone, path, Engine("openvino", "int8"), [])


def test_choosing(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"openvino", "onnxruntime"}
    monkeypatch.setattr(engines, "is_installed", lambda name: name in installed)
    monkeypatch.setattr(engines, "has_torch", lambda: True)
    monkeypatch.setattr(engines, "find_device", lambda: "cuda")
    assert choose_engine(precision="int8") == Engine("openvino", "int8")
    assert choose_engine("onnxruntime", "int8") == Engine("onnxruntime", "int8")
    for name, device in (("torch", "auto"), ("torch", "cpu"), ("auto", "cuda"), ("torch", "mps")):
        with pytest.raises(InputError, match="does not compute in int8"):
            choose_engine(name, "int8", device)
    ranges = (("x", -1.0, 1.5),)
    made = Engine("openvino", "int8", ranges=ranges)
    assert made.available() == made
    assert made.fallback(get_backbone("efficientnet_lite0")) is None
    assert made.in_float() == Engine("openvino", "fp32")
    installed.remove("openvino")
    assert made.available() == Engine("onnxruntime", "int8", ranges=ranges)
    installed.clear()
    for ask in (made.available, lambda: choose_engine(precision="int8")):
        with pytest.raises(InputError, match="torch does not compute in int8"):
            ask()


def test_an_engine_as_json() -> None:
    made = Engine("openvino", "int8", ranges=(("x3", -1.25, 1 / 3), ("map.last", 0.0, 6.0)))
    assert Engine.from_json(json.loads(json.dumps(made.to_json()))) == made
    plain = {"name": "openvino", "precision": "bf16", "device": "cpu"}
    assert Engine("openvino", "bf16").to_json() == plain
    assert Engine.from_json(plain) == Engine("openvino", "bf16")
