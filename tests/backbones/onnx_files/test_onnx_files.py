"""ONNX files as backbones: found, read, described, wrapped, and run as their parts say."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper

from onnx_helpers import MAP, POOLED, TOKENS, WIDTH, expected_map, write_network
from photograft.backbones.engines import PREPARING, Engine, choose_engine
from photograft.backbones.get import get_backbone, note_on
from photograft.backbones.networks import open_network
from photograft.backbones.registry import Backbone
from photograft.backbones.settings import Preprocessing
from photograft.backbones.weights import locate_weights
from photograft.core.errors import ConversionError, InputError, UnknownNameError, WeightsError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def pixels_of(size: int = 32, n: int = 2) -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def features(
    backbone: Backbone, pixels: Pixels, tmp_path: Path, engine: str = "onnxruntime"
) -> npt.NDArray[np.float32]:
    located, path = locate_weights(backbone, tmp_path)
    folder = tmp_path / f"kept-{engine}-{located.weights_sha256[:8]}-{len(backbone.layers)}"
    return open_network(located, path, Engine(engine, "fp32"), folder)(pixels)


def maps_of(
    pixels: Pixels, mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD
) -> list[npt.NDArray[np.float32]]:
    return [expected_map((p / np.float32(255) - mean) / std) for p in pixels]


@pytest.mark.parametrize("engine", PREPARING)
@pytest.mark.parametrize("opset", [9, 13, 17, 21])
def test_outputs_of_every_kind(tmp_path: Path, engine: str, opset: int) -> None:
    """A map gives its mean, tokens the first and the mean of the others, two axes themselves."""
    path = write_network(tmp_path / "a.onnx", (MAP, TOKENS, POOLED), opset=opset)
    backbone = get_backbone(str(path))
    assert [(x.name, x.num_features, x.pooling) for x in backbone.layers] == [
        (MAP, WIDTH, "avg"),
        (TOKENS, 2 * WIDTH, "both"),
        ("last", WIDTH, "none"),
    ]
    pixels = pixels_of()
    expected = []
    for values in maps_of(pixels):
        tokens = values.reshape(WIDTH, -1).T
        parts = [values.mean(axis=(1, 2)), tokens[0], tokens[1:].mean(axis=0), tokens.max(axis=0)]
        expected.append(np.concatenate(parts))
    np.testing.assert_allclose(
        features(backbone, pixels, tmp_path, engine), expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    ("tokens", "pooled"),
    [
        ("cls", lambda tokens: tokens[0]),
        ("mean", lambda tokens: tokens.mean(axis=0)),
    ],
)
def test_what_is_taken_of_tokens(
    tmp_path: Path,
    tokens: str,
    pooled: Callable[[Floats], Floats],
) -> None:
    path = write_network(tmp_path / "a.onnx", (TOKENS,))
    path.with_suffix(".toml").write_text(f"tokens = '{tokens}'")
    pixels = pixels_of(n=1)
    (values,) = maps_of(pixels)
    found = features(get_backbone(str(path)), pixels, tmp_path)
    np.testing.assert_allclose(found[0], pooled(values.reshape(WIDTH, -1).T), atol=1e-4)


@pytest.mark.parametrize("engine", PREPARING)
def test_channels_last(tmp_path: Path, engine: str) -> None:
    """Told from the input's shape; the map is pooled over its own axes."""
    path = write_network(tmp_path / "a.onnx", (MAP,), channels_last=True)
    backbone = get_backbone(str(path))
    assert backbone.layers[0].num_features == WIDTH
    pixels = pixels_of()
    expected = [values.mean(axis=(1, 2)) for values in maps_of(pixels)]
    found = features(backbone, pixels, tmp_path, engine)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8])
def test_inputs_of_other_numbers(tmp_path: Path, kind: int) -> None:
    """Whole numbers are given as they are: the network does the rest by itself."""
    path = write_network(tmp_path / "a.onnx", (MAP,), kind=kind, channels_last=True)
    pixels = pixels_of()
    expected = [values.mean(axis=(1, 2)) for values in maps_of(pixels)]
    if kind == TensorProto.UINT8:
        expected = [expected_map(p.astype(np.float32)).mean(axis=(1, 2)) for p in pixels]
    found = features(get_backbone(str(path)), pixels, tmp_path)
    np.testing.assert_allclose(found, expected, rtol=5e-3, atol=5e-3)


def test_pixels_as_they_are_can_not_be_changed(tmp_path: Path) -> None:
    path = write_network(tmp_path / "a.onnx", (MAP,), kind=TensorProto.UINT8)
    for changed in (Preprocessing(rescale=1 / 255), Preprocessing(center="sample")):
        with pytest.raises(InputError, match="does the rest itself"):
            get_backbone(str(path), preprocessing=changed)
    path.with_suffix(".toml").write_text("mean = [1, 1, 1]")
    with pytest.raises(InputError, match="Leave mean, std and range out"):
        get_backbone(str(path))


def test_any_size_and_any_number_of_photos(tmp_path: Path) -> None:
    path = write_network(tmp_path / "a.onnx", (TOKENS,), size=None, batch="n")
    backbone = get_backbone(str(path))
    assert backbone.input_size == (224, 224)
    smaller = get_backbone(str(path), preprocessing=Preprocessing(input_size=64))
    assert smaller.input_size == (64, 64)
    assert features(smaller, pixels_of(64), tmp_path).shape == (2, 2 * WIDTH)


def test_every_place(tmp_path: Path) -> None:
    path = write_network(tmp_path / "a.onnx", (TOKENS, MAP))
    backbone = get_backbone(str(path), pooling="flatten")
    assert [(x.name, x.num_features, x.pooling) for x in backbone.layers] == [
        ("last", 16 * WIDTH, "flatten")
    ]
    both = get_backbone(str(path), pooling="flatten", layer=f"{TOKENS},last")
    pixels = pixels_of(n=1)
    (values,) = maps_of(pixels)
    expected = np.concatenate([values.reshape(WIDTH, -1).T.ravel(), values.ravel()])
    np.testing.assert_allclose(features(both, pixels, tmp_path)[0], expected, atol=1e-4)
    with pytest.raises(UnknownNameError, match="There are tokens, last"):
        get_backbone(str(path), layer="nonsense")


RECORD = """
input_size = [32, 40]
range = [-1, 1]
mean = [0.1, 0.2, 0.3]
std = [0.5, 1, 2]
interpolation = "bilinear"
crop = "center"
crop_pct = 0.9
layout = "NCHW"
layers = ["pooled", "map"]
licence = "MIT"
paper = "https://example.org"
"""


def test_what_a_record_says(tmp_path: Path) -> None:
    path = write_network(tmp_path / "a.onnx", (MAP, POOLED), size=None)
    path.with_suffix(".toml").write_text(RECORD)
    backbone = get_backbone(str(path))
    assert (backbone.input_size, backbone.interpolation) == ((32, 40), "bilinear")
    assert (backbone.crop_mode, backbone.crop_pct) == ("center", 0.9)
    assert (backbone.licence, backbone.paper) == ("MIT", "https://example.org")
    assert [layer.name for layer in backbone.layers] == [POOLED, "last"]
    assert note_on(str(path)) == ""
    pixels = np.random.default_rng(1).integers(0, 256, (1, 32, 40, 3), dtype=np.uint8)
    scaled = (pixels[0] / np.float32(127.5) - 1 - (0.1, 0.2, 0.3)) / (0.5, 1, 2)
    values = expected_map(scaled.astype(np.float32))
    expected = np.concatenate([values.max(axis=(1, 2)), values.mean(axis=(1, 2))])
    np.testing.assert_allclose(features(backbone, pixels, tmp_path)[0], expected, atol=1e-4)


def test_a_range_alone_means_that_nothing_else_is_done(tmp_path: Path) -> None:
    path = write_network(tmp_path / "a.onnx")
    path.with_suffix(".toml").write_text("range = [0, 255]")
    pixels = pixels_of(n=1)
    expected = expected_map(pixels[0].astype(np.float32)).mean(axis=(1, 2))
    found = features(get_backbone(str(path)), pixels, tmp_path)
    np.testing.assert_allclose(found[0], expected, rtol=1e-4)


def test_what_is_taken_for_granted_is_said(tmp_path: Path) -> None:
    path = write_network(tmp_path / "a.onnx", (TOKENS,), size=None)
    note = note_on(str(path))
    for part in ("NCHW", "224 x 224", "ImageNet", "bicubic", "the first and the mean", "a.toml"):
        assert part in note
    assert note_on("efficientnet_lite0") == ""


@pytest.mark.parametrize("given", ["a.onnx", "a.toml", "./", "renamed.toml"])
def test_names_that_mean_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_network(tmp_path / "a.onnx")
    if given.endswith(".toml"):
        Path(given).write_text("" if given == "a.toml" else "file = 'a.onnx'")
    backbone = get_backbone(given)
    assert (backbone.name, backbone.weights) == (given, f"file:{tmp_path / 'a.onnx'}")


@pytest.mark.parametrize(
    ("name", "record", "said"),
    [
        ("none.onnx", None, "there is no ONNX file"),
        ("./none", None, "no backbone named .* There is no folder or ONNX file"),
        ("a.toml", None, "can't be read"),
        ("a.toml", "mean = ", "is no TOML file"),
        ("a.toml", "maen = [1, 2, 3]", "Did you mean mean?"),
        ("a.toml", "mean = [1, 2]", "mean holds 3 numbers"),
        ("a.toml", "std = [0, 1, 1]", "std can't be 0"),
        ("a.toml", "range = [1, 0]", "range goes from"),
        ("a.toml", "input_size = 'big'", "input_size is of another type"),
        ("a.toml", "input_size = 64", "it takes photos of 32 x 32 only"),
        ("a.toml", "layout = 'NHWC'", "has 32 channels where NHWC has them"),
        ("a.toml", "layers = ['nonsense']", "there is no output named 'nonsense'"),
        ("a.toml", "file = '../a.onnx'", "file can't be '../a.onnx'"),
        ("a.toml", "file = 'b.onnx'", "there is no"),
        ("a.toml", "x = '" + "x" * (1 << 20) + "'", "more than"),
        ("a.onnx", "file = 'b.onnx'", "is the record of another file"),
    ],
)
def test_names_and_records_that_are_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, record: str | None, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_network(tmp_path / "a.onnx")
    if record is not None:
        Path("a.toml").write_text(record)
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        get_backbone(name)


def test_a_folder_without_a_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It might be a network's name: how to say what is meant is said."""
    monkeypatch.chdir(tmp_path)
    write_network(tmp_path / "own" / "a.onnx")
    with pytest.raises(InputError, match=r"Write ./own for the folder"):
        get_backbone("own")
    assert get_backbone("./own").is_onnx


def test_a_folder_of_none_or_several(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no ONNX file"):
        get_backbone(f"{tmp_path}/")
    write_network(tmp_path / "a.onnx")
    write_network(tmp_path / "b.onnx")
    with pytest.raises(InputError, match=r"holds several; got a.onnx, b.onnx. Name one of them"):
        get_backbone(f"{tmp_path}/")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": 8}, "it takes 8 photos at a time"),
        ({"size": 4}, "sides of 8 to 4096"),
        ({"kind": TensorProto.INT64}, "it takes no photos"),
        ({"opset": 8}, "operators version 8"),
    ],
)
def test_graphs_that_can_be_no_backbone(tmp_path: Path, options: dict[str, int], said: str) -> None:
    path = write_network(tmp_path / "a.onnx", **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=said):
        get_backbone(str(path))


def test_weights_are_not_given_twice(tmp_path: Path) -> None:
    path = write_network(tmp_path / "a.onnx")
    with pytest.raises(InputError, match="holds its weights itself"):
        get_backbone(str(path), "random")


def test_damaged_files(tmp_path: Path) -> None:
    """Whatever stands in the file, what is said is an error of the user's."""
    whole = write_network(tmp_path / "a.onnx", (MAP, TOKENS)).read_bytes()
    rng = np.random.default_rng(0)
    outcomes = set()
    for i in range(60):
        data = bytearray(whole[: int(rng.integers(len(whole)))] if i % 2 else whole)
        for place in rng.integers(0, max(len(data) // 4, 1), 3):
            if data:
                data[place] = int(rng.integers(256))
        path = tmp_path / f"{i}.onnx"
        path.write_bytes(bytes(data))
        try:
            features(get_backbone(str(path)), pixels_of(n=1), tmp_path / str(i))
            outcomes.add("ran")
        except (InputError, ConversionError):
            outcomes.add("refused")
    assert "refused" in outcomes


def test_unused_inputs_do_not_count(tmp_path: Path) -> None:
    """Of a network of photos and text, the part that sees photos is taken."""
    path = write_network(tmp_path / "a.onnx", (POOLED,))
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("text", TensorProto.FLOAT, [1, WIDTH]))
    model.graph.node.append(helper.make_node("Mul", [POOLED, "text"], ["alike"]))
    model.graph.output.append(helper.make_tensor_value_info("alike", TensorProto.FLOAT, [1, WIDTH]))
    onnx.save(model, path)
    backbone = get_backbone(str(path))
    assert [layer.num_features for layer in backbone.layers] == [WIDTH]
    assert features(backbone, pixels_of(), tmp_path).shape == (2, WIDTH)
    path.with_suffix(".toml").write_text("layers = ['alike']")
    with pytest.raises(InputError, match="the output alike needs more than photos: text"):
        get_backbone(str(path))


def test_a_shape_that_only_running_it_tells(tmp_path: Path) -> None:
    path = write_network(tmp_path / "a.onnx", (POOLED,))
    model = onnx.load(path)
    model.graph.node.extend(
        [
            helper.make_node("NonZero", ["pooled"], ["where"]),  # as long as there are such
            helper.make_node("Cast", ["where"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats"], ["rows"], axes=[1]),
            helper.make_node("Reshape", ["rows", "row"], ["out"]),
        ]
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, -1]), "row"))
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("out", TensorProto.FLOAT, ["one", "any"])
    )
    onnx.save(model, path)
    assert get_backbone(str(path)).num_features == 2


def test_data_beside_the_file(tmp_path: Path) -> None:
    path = write_network(tmp_path / "a.onnx", external="a.data")
    one = write_network(tmp_path / "one.onnx")
    pixels = pixels_of()
    found = features(get_backbone(str(path)), pixels, tmp_path)
    np.testing.assert_array_equal(found, features(get_backbone(str(one)), pixels, tmp_path))
    located, _ = locate_weights(get_backbone(str(path)), tmp_path)
    data = bytearray((tmp_path / "a.data").read_bytes())
    data[0] ^= 1
    (tmp_path / "a.data").write_bytes(bytes(data))
    with pytest.raises(WeightsError, match="is not the file that it was"):
        locate_weights(located, tmp_path)
    (tmp_path / "a.data").write_bytes(bytes(data[:-4]))
    with pytest.raises(InputError, match="does not hold the data"):
        features(get_backbone(str(path)), pixels, tmp_path)
    (tmp_path / "a.data").unlink()
    with pytest.raises(InputError, match=r"has its data in a.data, which is not beside it"):
        locate_weights(located, tmp_path)


@pytest.mark.parametrize("place", ["../secret", "/etc/hostname", "sub/a.data", ".."])
def test_data_elsewhere_are_not_read(tmp_path: Path, place: str) -> None:
    path = write_network(tmp_path / "folder" / "a.onnx", external="a.data")
    (tmp_path / "secret").write_bytes((path.parent / "a.data").read_bytes())
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = place
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="expected a file in the same folder"):
        get_backbone(str(path))


def test_data_behind_a_link_are_not_read(tmp_path: Path) -> None:
    path = write_network(tmp_path / "folder" / "a.onnx", external="a.data")
    os.rename(path.parent / "a.data", tmp_path / "secret")
    (path.parent / "a.data").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="expected a file in the same folder"):
        get_backbone(str(path))


def test_large_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    with path.open("wb") as file:
        file.truncate(2_000_000_001)  # takes no room on the disk
    with pytest.raises(InputError, match="expected 2,000,000,000 at most"):
        get_backbone(str(path))


def test_an_operator_that_no_engine_has(tmp_path: Path) -> None:
    path = write_network(tmp_path / "a.onnx", (POOLED,))
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("nobody", 1))
    model.graph.node[0].domain, model.graph.node[0].op_type = "nobody", "Own"
    onnx.save(model, path)
    for engine in PREPARING:
        with pytest.raises((ConversionError, InputError)):
            features(get_backbone(str(path)), pixels_of(), tmp_path, engine)


def test_features_that_are_no_numbers(tmp_path: Path) -> None:
    path = write_network(tmp_path / "a.onnx", (POOLED,))
    model = onnx.load(path)
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(helper.make_node("Neg", ["before"], ["negative"]))
    model.graph.node.append(helper.make_node("Sqrt", ["negative"], [POOLED]))
    onnx.save(model, path)
    with pytest.raises(ConversionError, match="no finite numbers"):
        features(get_backbone(str(path)), pixels_of(), tmp_path)


def test_engines(tmp_path: Path) -> None:
    assert choose_engine(prepared_only=True).device == "cpu"
    for options in ({"name": "torch"}, {"device": "mps"}):
        with pytest.raises(InputError, match="run by openvino or onnxruntime"):
            choose_engine(**options, prepared_only=True)
    backbone = get_backbone(str(write_network(tmp_path / "a.onnx")))
    assert Engine("openvino", "bf16").fallback(backbone) == Engine("onnxruntime", "fp32")
    assert Engine("onnxruntime", "fp32").fallback(backbone) is None
