"""Keras's weight files serve in networks of Keras's structure; anything else is refused."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn
from torch.nn import functional

from keras_helpers import REAL, check_same, randomised, wave
from photograft.backbones.pytorch.keras_networks import KERAS, build, keras_network, load
from photograft.core.errors import UnknownNameError, WeightsError

h5py: Any = pytest.importorskip("h5py")

Array = npt.NDArray[np.float32]
#: The tensors of a layer by what Keras calls them.
Tensors = dict[str, Array]


#: Parameters, and statistics of batch normalisation, of a network without classification layers.
COUNTS = {
    "vgg16": (14_714_688, 0),
    "mobilenet": (3_206_976, 21_888),
    "mobilenet_v2": (2_223_872, 34_112),
    "resnet50": (23_508_032, 53_120),
    "inception_v3": (21_785_568, 34_432),
    "xception": (20_806_952, 54_528),
}

#: Of Keras's features of `wave`, averaged over the map: mean, standard deviation, the first three.
FEATURES = {
    "vgg16": (4.6744, 12.9805, 0.0, 0.0, 0.152922),
    "mobilenet_v2": (1.37943, 1.6372, 4.20902, 3.26874, 1.87253),
    "resnet50": (0.965283, 2.4915, 0.0, 0.0, 0.0780581),
    "inception_v3": (0.599292, 1.26295, 0.0, 1.53238, 0.328398),
    "xception": (0.334034, 0.404748, 0.910693, 0.0278005, 0.0),
}


QUICK_AND_SLOW = [
    pytest.param(n, marks=[] if n.startswith("mobilenet") or n == "xception" else pytest.mark.slow)
    for n in KERAS
]


def counts(network: nn.Module) -> tuple[int, int]:
    statistics = (b for n, b in network.named_buffers() if not n.endswith("num_batches_tracked"))
    return sum(p.numel() for p in network.parameters()), sum(b.numel() for b in statistics)


def layer_names(name: str) -> Iterator[str]:
    """Keras's names of layers, in the order in which timm's networks define them."""
    if name == "vgg16":
        yield from (f"block{b}_conv{i}" for b in (1, 2) for i in (1, 2))
        yield from (f"block{b}_conv{i}" for b in (3, 4, 5) for i in (1, 2, 3))
    elif name == "mobilenet":
        yield from ("conv1", "conv1_bn")
        for i in range(1, 14):
            yield from (f"conv_{k}_{i}{end}" for k in ("dw", "pw") for end in ("", "_bn"))
    elif name == "mobilenet_v2":
        yield from ("Conv1", "bn_Conv1", "expanded_conv_depthwise", "expanded_conv_depthwise_BN")
        yield from ("expanded_conv_project", "expanded_conv_project_BN")
        for i in range(1, 17):
            for step in ("expand", "depthwise", "project"):
                yield from (f"block_{i}_{step}", f"block_{i}_{step}_BN")
        yield from ("Conv_1", "Conv_1_bn")
    elif name == "resnet50":
        yield from ("conv1_conv", "conv1_bn")
        for stage, num_blocks in ((2, 3), (3, 4), (4, 6), (5, 3)):
            for block in range(1, num_blocks + 1):
                for i in (1, 2, 3, 0) if block == 1 else (1, 2, 3):
                    yield from (f"conv{stage}_block{block}_{i}_{k}" for k in ("conv", "bn"))
    elif name == "inception_v3":
        for i in range(94):
            yield from (numbered("conv2d", i), numbered("batch_normalization", i))
    elif name == "xception":
        yield from ("block1_conv1", "block1_conv1_bn", "block1_conv2", "block1_conv2_bn")
        for block in range(2, 14):
            if block in (2, 3, 4, 13):
                i = (2, 3, 4, 13).index(block)
                yield from (numbered("conv2d", i), numbered("batch_normalization", i))
            for i in (1, 2) if block in (2, 3, 4, 13) else (1, 2, 3):
                yield from (f"block{block}_sepconv{i}", f"block{block}_sepconv{i}_bn")
        for i in (1, 2):
            yield from (f"block14_sepconv{i}", f"block14_sepconv{i}_bn")


def numbered(kind: str, i: int) -> str:
    return f"{kind}_{i}" if i else kind


def exported(name: str, network: nn.Module) -> dict[str, Tensors]:
    """A network's tensors as Keras keeps them, layer by layer."""
    rng = np.random.default_rng(0)
    names = layer_names(name)
    layers: dict[str, Tensors] = {}
    last: Tensors = {}
    for module in network.modules():
        if not isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            continue
        weight = module.weight.detach().numpy()
        bias = None if module.bias is None else module.bias.detach().numpy()
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            shift = last["bias"] if name == "resnet50" else np.float32(0)
            gamma = {} if name == "inception_v3" else {"gamma": weight}
            last = gamma | {
                "beta": np.asarray(bias),
                "moving_mean": module.running_mean.numpy() + shift,
                "moving_variance": module.running_var.numpy(),
            }
        elif "depthwise_kernel" in last and name == "xception":
            last["pointwise_kernel"] = np.einsum("oihw->hwio", weight)
            continue
        elif module.groups > 1:
            role = "depthwise_kernel" if name == "xception" else "kernel"
            last = {role: np.einsum("oihw->hwoi", weight)}
        else:
            last = {"kernel": np.einsum("oihw->hwio", weight)}
            if name == "resnet50":
                bias = rng.integers(-8, 9, len(weight)).astype(np.float32) / 8
            if bias is not None:
                last["bias"] = bias
        layers[next(names)] = last
    assert next(names, None) is None
    if KERAS[name].mean != (0.5, 0.5, 0.5):  # its weights expect B, G, R
        first = next(iter(layers.values()))
        first["kernel"] = first["kernel"][:, :, ::-1]
    return layers


def write(
    path: Path,
    layers: dict[str, Tensors],
    *,
    root: str = "/",
    end: str = "",
    dtype: str = "float32",
    roles: dict[str, str] | None = None,
) -> Path:
    """Write layers as Keras does: a group each, with another of the same name in it."""
    with h5py.File(path, "w") as file:
        top = file.require_group(root)
        top.attrs["layer_names"] = [*layers, "activation"]
        top.create_group("activation").attrs["weight_names"] = np.zeros(0)
        for name, tensors in layers.items():
            group = top.create_group(name)
            given = {f"{name}/{(roles or {}).get(r, r)}{end}": v for r, v in tensors.items()}
            group.attrs["weight_names"] = list(given)
            for key, values in given.items():
                group.create_dataset(key, data=values.astype(dtype))
    return path


def read(name: str, path: Path) -> nn.Module:
    network = build(name)
    load(network, name, path)
    return network


@pytest.mark.parametrize("name", KERAS)
def test_counts(name: str) -> None:
    assert counts(build(name)) == COUNTS[name]


@pytest.mark.parametrize("name", QUICK_AND_SLOW)
def test_every_tensor_finds_its_place(name: str, tmp_path: Path) -> None:
    network = randomised(name)
    if name == "inception_v3":
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
    path = write(tmp_path / "weights.h5", exported(name, network), dtype="float16")
    # The means of ResNet50 lose some digits where its biases are added and taken off again.
    check_same(read(name, path), network, 2e-3 if name == "resnet50" else 0.0)


@pytest.fixture
def layers(mobilenet: nn.Module) -> dict[str, Tensors]:
    return {name: dict(tensors) for name, tensors in exported("mobilenet", mobilenet).items()}


def refusal(layers: dict[str, Tensors], folder: Path, **options: Any) -> str:
    """Why a file of these layers is refused for MobileNet."""
    with pytest.raises(ValueError, match=r".") as refused:
        read("mobilenet", write(folder / "weights.h5", layers, **options))
    return str(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        {"end": ":0"},
        {"root": "model_weights"},
        {"end": "_1:0", "roles": {"kernel": "W", "moving_variance": "running_std"}},
        {"dtype": "float64"},
    ],
)
def test_layouts(
    mobilenet: nn.Module, layers: dict[str, Tensors], options: Any, tmp_path: Path
) -> None:
    check_same(read("mobilenet", write(tmp_path / "w.h5", layers, **options)), mobilenet)


def test_depthwise_kernels_under_their_other_name(
    mobilenet: nn.Module, layers: dict[str, Tensors], tmp_path: Path
) -> None:
    for name, tensors in layers.items():
        if re.fullmatch(r"conv_dw_\d+", name):
            tensors["depthwise_kernel"] = tensors.pop("kernel")
    check_same(read("mobilenet", write(tmp_path / "weights.h5", layers)), mobilenet)


def test_classification_layers_are_passed_over(
    mobilenet: nn.Module, layers: dict[str, Tensors], tmp_path: Path
) -> None:
    kernel = np.zeros((1, 1, 1024, 1000), np.float32)
    layers["conv_preds"] = {"kernel": kernel, "bias": kernel[0, 0, 0]}
    layers["dense_1"] = {"kernel": kernel[0, 0]}
    check_same(read("mobilenet", write(tmp_path / "weights.h5", layers)), mobilenet)


def test_numbers_may_start_anywhere(tmp_path: Path) -> None:
    """And are taken as numbers: the alphabet would put 100 before 98."""
    network = randomised("xception")
    renamed = {}
    for name, tensors in exported("xception", network).items():
        match = re.fullmatch(r"(conv2d|batch_normalization)(?:_(\d))?", name)
        renamed[f"{match[1]}_{int(match[2] or 0) + 98}" if match else name] = tensors
    path = write(tmp_path / "weights.h5", renamed, dtype="float16")
    check_same(read("xception", path), network)


@pytest.mark.slow
def test_first_keras_resnet50(tmp_path: Path) -> None:
    """Its layers have other names, and its epsilon was larger."""
    network: Any = randomised("resnet50")
    renamed = {}
    for name, tensors in exported("resnet50", network).items():
        match = re.fullmatch(r"conv(\d)_block(\d)_(\d)_(conv|bn)", name)
        kind = "bn" if name.endswith("bn") else "res"
        if match:
            branch = {"0": "1", "1": "2a", "2": "2b", "3": "2c"}[match[3]]
            renamed[f"{kind}{match[1]}{'.abcdef'[int(match[2])]}_branch{branch}"] = tensors
        else:
            renamed["bn_conv1" if kind == "bn" else "conv1"] = tensors
    other: Any = read("resnet50", write(tmp_path / "weights.h5", renamed))
    torch.testing.assert_close(other.layer2[0].conv2.weight, network.layer2[0].conv2.weight)
    own, state = network.state_dict(), other.state_dict()
    for key in (key for key in state if key.endswith("running_var")):
        torch.testing.assert_close(state[key] + 1.001e-5, own[key] + 1e-3)


def test_missing_and_foreign_layers_are_named(layers: dict[str, Tensors], tmp_path: Path) -> None:
    taken = layers.pop("conv_pw_7")
    assert refusal(layers, tmp_path) == "layer conv_pw_7 is not in it"
    layers |= {"conv_pw_7": taken, "conv_pw_14": taken}
    assert refusal(layers, tmp_path) == "layer conv_pw_14 is none of mobilenet's"


def test_missing_and_foreign_tensors_are_named(layers: dict[str, Tensors], tmp_path: Path) -> None:
    gamma = layers["conv1_bn"].pop("gamma")
    assert refusal(layers, tmp_path) == "conv1_bn's gamma is not in it"
    layers["conv1_bn"]["gamma"] = gamma
    layers["conv1"]["bias"] = gamma
    assert refusal(layers, tmp_path).startswith("layer conv1 holds a bias, which the network")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 3, 32, 2)), "conv_dw_1's kernel is (3, 3, 32, 2), not (3, 3, 32, 1)"),
        (np.zeros((3, 3, 32, 1), int), "conv_dw_1's kernel is of type int64"),
        (np.full((3, 3, 32, 1), np.nan), "conv_dw_1's kernel holds values that are not finite"),
    ],
)
def test_wrong_values_are_refused(
    layers: dict[str, Tensors], values: npt.NDArray[Any], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "weights.h5", layers)
    with h5py.File(path, "a") as file:
        del file["conv_dw_1/conv_dw_1/kernel"]
        file["conv_dw_1/conv_dw_1/kernel"] = values
    with pytest.raises(ValueError, match=re.escape(message)):
        read("mobilenet", path)


def test_a_gap_in_the_numbers_is_named(tmp_path: Path) -> None:
    found = exported("xception", build("xception"))
    del found["batch_normalization_2"]
    path = write(tmp_path / "weights.h5", found, dtype="float16")
    message = r"3 layers batch_normalization, not 4 \(batch_normalization_2 is not in it\)"
    with pytest.raises(ValueError, match=message):
        read("xception", path)


def test_files_of_another_network_are_refused(layers: dict[str, Tensors], tmp_path: Path) -> None:
    path = write(tmp_path / "weights.h5", layers)
    for name, message in {
        "mobilenet_v2": "layer Conv1 is not in it",
        "xception": "it has 0 layers conv2d, not 4",
    }.items():
        with pytest.raises(ValueError, match=message):
            read(name, path)


def test_files_that_are_no_weights_are_refused(layers: dict[str, Tensors], tmp_path: Path) -> None:
    path = write(tmp_path / "weights.h5", layers)
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
    with h5py.File(tmp_path / "new.weights.h5", "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros((3, 3, 3, 32), np.float32)
    (tmp_path / "short.h5").write_bytes(path.read_bytes()[:100_000])
    for name, message in {
        "model.keras": r"no HDF5 file: .*not \.keras or \.weights\.h5",
        "new.weights.h5": r"layout that is not understood: .*model\.save",
        "short.h5": "it is damaged: ",
    }.items():
        with pytest.raises(ValueError, match=message):
            read("mobilenet", tmp_path / name)


def test_links_out_of_the_file_are_not_followed(layers: dict[str, Tensors], tmp_path: Path) -> None:
    other = write(tmp_path / "other.h5", layers)
    path = write(tmp_path / "weights.h5", {n: t for n, t in layers.items() if n != "conv1"})
    with h5py.File(path, "a") as file:
        file["conv1"] = h5py.ExternalLink(str(other), "conv1")
    with pytest.raises(ValueError, match="layer conv1 is not in it"):
        read("mobilenet", path)


def test_h5py_is_asked_for_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(WeightsError, match=r"pip install 'photograft\[keras\]'"):
        read("mobilenet", tmp_path / "weights.h5")


def test_names() -> None:
    for name in (
        "mobilenet",
        "MobileNet",
        "mobilenetv1_100",
        "mobilenetv1_100.ra4_e3600_r224_in1k",
    ):
        assert keras_network(name) is KERAS["mobilenet"]
    assert keras_network("legacy_xception") is KERAS["xception"]
    with pytest.raises(UnknownNameError, match=r"'vgg_16'\. Did you mean vgg16"):
        keras_network("vgg_16")


def test_random_weights_follow_from_the_seed() -> None:
    before = torch.get_rng_state()
    check_same(build("mobilenet", seed=3), build("mobilenet", seed=3))
    assert torch.equal(torch.get_rng_state(), before)
    first, second = (build("mobilenet", seed=s).state_dict()["conv_stem.weight"] for s in (3, 4))
    assert not torch.equal(first, second)


def same_windows(x: npt.NDArray[Any], fill: float) -> npt.NDArray[Any]:
    """3x3 windows at stride 2 under TensorFlow's "same": ``(channels, rows, columns, 3, 3)``."""
    size = x.shape[1]
    num = -(-size // 2)
    total = max(0, 2 * (num - 1) + 3 - size)
    start = total // 2
    pad = ((0, 0), (start, total - start), (start, total - start))
    padded = np.pad(x, pad, constant_values=fill)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return windows[:, ::2, ::2][:, :num, :num]


@pytest.mark.parametrize("size", [7, 8, 9, 10])
def test_same_padding(size: int) -> None:
    x = np.random.default_rng(0).standard_normal((3, size, size)).astype(np.float32)
    for name in ("mobilenet", "mobilenet_v2"):
        conv: Any = build(name).get_submodule("conv_stem")
        expected = np.einsum("cyxij,ocij->oyx", same_windows(x, 0.0), conv.weight.detach().numpy())
        found = conv(torch.from_numpy(x)[None])[0].detach().numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)
    pool: Any = build("xception").get_submodule("block1.rep.5")
    found = pool(torch.from_numpy(x)[None])[0].numpy()
    np.testing.assert_array_equal(found, same_windows(x, -np.inf).max(axis=(3, 4)))


@pytest.mark.parametrize("size", [7, 8])
def test_padding_at_the_end(size: int) -> None:
    conv: Any = build("mobilenet").get_submodule("blocks.1.0.conv_dw")
    x = np.random.default_rng(0).standard_normal((64, size, size)).astype(np.float32)
    padded = np.pad(x, ((0, 0), (0, 1), (0, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2]
    expected = np.einsum("cyxij,cij->cyx", windows, conv.weight.detach().numpy()[:, 0])
    found = conv(torch.from_numpy(x)[None])[0].detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_average_does_not_count_the_edge() -> None:
    """Of a picture of ones the average is one everywhere, the corners included."""
    branch: Any = build("inception_v3").get_submodule("Mixed_5b.branch_pool")
    ones = torch.ones(1, 192, 5, 6)
    found = branch(functional.avg_pool2d(ones, 3, stride=1, padding=1))
    torch.testing.assert_close(found, branch.bn(branch.conv(ones)))


def test_stride_is_in_the_first_convolution_of_resnet50() -> None:
    network: Any = build("resnet50")
    blocks = [network.layer1[0], network.layer2[0], network.layer3[0], network.layer4[0]]
    assert [b.conv1.stride for b in blocks] == [(1, 1), (2, 2), (2, 2), (2, 2)]
    assert [b.conv2.stride for b in blocks] == [(1, 1)] * 4


@pytest.mark.parametrize("name", QUICK_AND_SLOW)
def test_timm_methods_stay(name: str) -> None:
    network: Any = build(name)
    assert not network.training
    with torch.inference_mode():
        last, maps = network.forward_intermediates(wave())
        torch.testing.assert_close(last, network.forward_features(wave()))
        pooled = network.forward_head(last, pre_logits=True)
    assert len(maps) >= 5
    torch.testing.assert_close(pooled, last.mean(dim=(2, 3)))
    assert pooled.shape == (1, network.num_features)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["mobilenet", "inception_v3", "xception"])
def test_networks_can_be_exported(name: str) -> None:
    network = build(name)
    program = torch.export.export(network, (wave(),))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(wave()), network(wave()))


@pytest.mark.slow
@pytest.mark.parametrize("name", FEATURES)
def test_real_files(name: str) -> None:
    """The constants are Keras's own results with these files."""
    paths = sorted(REAL.glob(f"{name}_weights*_no*top.h5"))
    if not paths:
        pytest.skip("needs Keras's weight file")
    record, network = KERAS[name], read(name, paths[0])
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (record.mean, record.std))
    with torch.inference_mode():
        features: torch.Tensor = network((wave() - mean) / std)[0]
    found = [features.mean(), features.std(correction=0), *features[:3]]
    torch.testing.assert_close(
        torch.stack(found), torch.tensor(FEATURES[name]), rtol=1e-4, atol=1e-4
    )
