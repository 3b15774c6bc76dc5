"""Backbones: the records tell the truth, and a photo's features depend on the photo alone."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import timm
import torch
from torch import nn

from photograft.backbones import engines, get, networks
from photograft.backbones.engines import PREPARING, Engine, choose_engine
from photograft.backbones.networks import open_network
from photograft.backbones.precision import choose_precision
from photograft.backbones.pytorch import pooling, zoo
from photograft.backbones.pytorch.device import find_device
from photograft.backbones.pytorch.network import FrozenNetwork, PooledNetwork, fold
from photograft.backbones.pytorch.pooling import Places, intermediates, pool_layers
from photograft.backbones.pytorch.zoo import build, describe, new_network
from photograft.backbones.registry import BATCH_SIZE, EMBEDDED, Backbone
from photograft.backbones.weights import locate_weights
from photograft.core.errors import ClassifierError, ConversionError, InputError

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

#: Small networks of timm's own, of several families, given random weights here.
SMALL = ("test_efficientnet", "test_resnet", "test_vit", "test_convnext", "mobilenetv3_small_050")


def noise(backbone: Backbone, n: int = BATCH_SIZE, seed: int = 0) -> Pixels:
    return noise_of((n, *backbone.input_size, 3), seed)


def noise_of(shape: tuple[int, ...], seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., networks.Network]:
    """Opens a backbone by an engine, at most once."""
    folders: dict[str, Path] = {}
    found: dict[tuple[str, Engine], networks.Network] = {}

    def open_(name: str, engine: Engine) -> networks.Network:
        if (name, engine) not in found:
            folder = folders.setdefault(name, tmp_path_factory.mktemp("converted"))
            backbone, path = record(name)
            found[name, engine] = open_network(backbone, path, engine, folder)
        return found[name, engine]

    return open_


def install(monkeypatch: pytest.MonkeyPatch, here: set[str]) -> None:
    """Have it that of the engines some are installed, and no accelerator is there."""
    monkeypatch.setattr(engines, "find_device", lambda: "cpu")
    monkeypatch.setattr(engines, "is_installed", lambda name: name in here)
    monkeypatch.setattr(engines, "has_torch", lambda: "torch" in here)


def record(name: str) -> tuple[Backbone, Path | None]:
    backbone = get.get_backbone(name, "pretrained" if name in EMBEDDED else "random")
    return locate_weights(backbone, Path("/nowhere"))


def every_engine() -> list[Any]:
    """Each embedded backbone and some others, on each engine in each precision."""
    cases = []
    for name in (*EMBEDDED, *SMALL):
        for engine in (*PREPARING, "torch"):
            absent = importlib.util.find_spec(engine) is None
            marks = [pytest.mark.skipif(absent, reason=f"needs {engine}")]
            if name in ("efficientnet_lite1", "efficientnet_lite2"):
                marks.append(pytest.mark.slow)
            for precision in ("fp32", "bf16") if engine != "onnxruntime" else ("fp32",):
                case = Engine(engine, precision)
                id_ = f"{name}-{engine}-{precision}"
                cases.append(pytest.param(name, case, marks=marks, id=id_))
    return cases


class TestEveryNetwork:
    @pytest.mark.parametrize(("name", "engine"), every_engine())
    def test_a_photos_features_depend_on_it_alone(
        self, name: str, engine: Engine, opened: Callable[..., networks.Network]
    ) -> None:
        """Bit for bit the same, whatever comes with it, wherever it stands, however many."""
        backbone, _ = record(name)
        network = opened(name, engine)
        pixels, others = noise(backbone), noise(backbone, seed=1)
        features = network(pixels)
        assert features.shape == (BATCH_SIZE, backbone.num_features)
        assert features.dtype == np.float32
        assert np.isfinite(features).all()
        assert len(np.unique(features, axis=0)) == BATCH_SIZE
        assert (features.std(axis=0) > 0).mean() > 0.5
        # From here on it is only compared: a result that lives in reused memory would show.
        kept = features.copy()
        turned = network(pixels[::-1].copy())
        assert np.array_equal(turned[::-1], kept)
        for i, n in ((0, 1), (5, 1), (2, 3), (1, 7)):
            assert np.array_equal(network(pixels[i : i + n]), kept[i : i + n])
        others[3] = pixels[0]
        assert np.array_equal(network(others)[3], kept[0])
        assert np.array_equal(features, kept)

    @pytest.mark.parametrize("name", ["efficientnet_lite0", *SMALL])
    def test_bf16_is_near_fp32(self, name: str, opened: Callable[..., networks.Network]) -> None:
        backbone, _ = record(name)
        pixels = noise(backbone)
        exact, near = (opened(name, Engine("torch", p))(pixels) for p in ("fp32", "bf16"))
        assert not np.array_equal(exact, near)
        cosine = (
            (exact * near).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(near, axis=1)
        )
        assert (cosine > 0.99).all()

    @pytest.mark.parametrize("name", SMALL)
    @pytest.mark.parametrize("engine", PREPARING)
    def test_the_engines_agree(
        self, name: str, engine: str, opened: Callable[..., networks.Network]
    ) -> None:
        pytest.importorskip(engine)
        backbone, _ = record(name)
        pixels = noise(backbone, seed=2)
        a, b = (opened(name, Engine(e, "fp32"))(pixels) for e in ("torch", engine))
        assert np.abs(a - b).max() <= 1e-4 * np.abs(a).max()

    @pytest.mark.parametrize("engine", PREPARING)
    def test_what_can_not_be_exported_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
    ) -> None:
        def refuse(*_: Any, **__: Any) -> None:
            raise RuntimeError("there is no such operator\nin any version")

        monkeypatch.setattr(torch.onnx, "export", refuse)
        backbone, path = record("test_resnet")
        with pytest.raises(ConversionError, match=r"no such operator\)\. Use --engine torch"):
            open_network(backbone, path, Engine(engine, "fp32"), tmp_path)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("engine", PREPARING)
    @pytest.mark.parametrize("name", ["test_efficientnet", "efficientnet_lite0"])
    def test_a_prepared_network_is_kept_and_needs_no_torch(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, engine: str
    ) -> None:
        pytest.importorskip(engine)
        backbone, path = record(name)
        pixels = noise(backbone, 2)
        first = open_network(backbone, path, Engine(engine, "fp32"), tmp_path)(pixels)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["network.json", "network.onnx"]
        monkeypatch.setattr(torch.onnx, "export", None)
        again = open_network(backbone, Path("/gone.pth"), Engine(engine, "fp32"), tmp_path)(pixels)
        assert np.array_equal(first, again)

    @pytest.mark.parametrize(
        ("backbone_name", "name", "engine"),
        [
            ("efficientnet_lite0", "network.onnx", "openvino"),
            ("efficientnet_lite0", "network.json", "onnxruntime"),
            ("test_efficientnet", "network.onnx", "onnxruntime"),
        ],
    )
    def test_a_damaged_prepared_network_is_prepared_anew(
        self, tmp_path: Path, backbone_name: str, name: str, engine: str
    ) -> None:
        pytest.importorskip(engine)
        backbone, path = record(backbone_name)
        pixels = noise(backbone, 2)
        first = open_network(backbone, path, Engine(engine, "fp32"), tmp_path)(pixels)
        good = (tmp_path / name).read_bytes()
        data = bytearray(good)
        data[len(data) // 2] ^= 1
        (tmp_path / name).write_bytes(data)
        again = open_network(backbone, path, Engine(engine, "fp32"), tmp_path)(pixels)
        assert np.array_equal(first, again)
        assert (tmp_path / name).read_bytes() == good

    def test_one_that_can_not_be_kept_runs_all_the_same(self, tmp_path: Path) -> None:
        pytest.importorskip("onnxruntime")
        (tmp_path / "file").write_text("no folder")
        backbone, path = record("efficientnet_lite0")
        engine = Engine("onnxruntime", "fp32")
        network = open_network(backbone, path, engine, tmp_path / "file" / "folder")
        assert network(noise(backbone, 1)).shape == (1, backbone.num_features)


class TestEmbeddedRecords:
    @pytest.mark.parametrize("name", EMBEDDED)
    def test_they_are_as_timm_says(self, name: str) -> None:
        ours = EMBEDDED[name]
        theirs = describe(ours.architecture)
        assert ours.name == name
        assert ours.layers == theirs.layers
        assert ours.num_params == theirs.num_params
        assert (ours.mean, ours.std) == (theirs.mean, theirs.std)
        assert ours.interpolation == theirs.interpolation
        assert ours.num_features == sum(layer.num_features for layer in ours.layers)

    @pytest.mark.parametrize("name", EMBEDDED)
    def test_each_tensor_is_put_where_its_name_says(self, name: str) -> None:
        """Shapes alone would take a batch normalisation's bias for its mean."""
        backbone, path = record(name)
        assert path is not None
        assert hashlib.sha256(path.read_bytes()).hexdigest() == backbone.weights_sha256
        given = [
            (key, tensor)
            for key, tensor in torch.load(path, weights_only=True).items()
            if not key.endswith("num_batches_tracked")
        ]
        own = [
            (key, tensor)
            for key, tensor in build(backbone, path).state_dict().items()
            if not key.endswith("num_batches_tracked")
        ]
        assert [key for key, _ in given[len(own) :]] == ["_fc.weight", "_fc.bias"]
        depth = {"_expand_conv": "conv_pw", "_depthwise_conv": "conv_dw"}
        for (key, tensor), (our_key, our_tensor) in zip(given, own, strict=False):
            assert torch.equal(tensor, our_tensor)
            *module, kind = key.split(".")
            *our_module, our_kind = our_key.split(".")
            assert kind == our_kind
            assert ("bn" in module[-1]) == ("bn" in our_module[-1])
            if our_key.startswith("blocks.0."):  # has nothing to expand
                continue
            for theirs, ours in depth.items():
                assert (module[-1] == theirs) == (
                    our_module[-1] == ours and our_key.startswith("blocks.")
                )
        values = dict(given)
        state = dict(own)
        for theirs, ours in (
            ("_conv_stem.weight", "conv_stem.weight"),
            ("_bn0.running_var", "bn1.running_var"),
            ("_blocks.0._depthwise_conv.weight", "blocks.0.0.conv_dw.weight"),
            ("_blocks.1._expand_conv.weight", "blocks.1.0.conv_pw.weight"),
            ("_blocks.1._bn2.running_mean", "blocks.1.0.bn3.running_mean"),
            ("_conv_head.weight", "conv_head.weight"),
            ("_bn1.bias", "bn2.bias"),
        ):
            assert torch.equal(values[theirs], state[ours]), theirs

    def test_the_weights_are_those_of_a_trained_network(self) -> None:
        """With a tensor in the wrong place, activations die out or explode with depth."""
        backbone, path = record("efficientnet_lite0")
        features = FrozenNetwork(backbone, path, "fp32")(noise(backbone))
        ends = np.cumsum([layer.num_features for layer in backbone.layers])
        for part in np.split(features, ends[:-1], axis=1):
            assert 0.01 < np.abs(part).mean() < 10


class TestFolding:
    def check(self, name: str, *, folds: bool) -> None:
        """Fold a network whose normalisations do something; outputs must be as they were."""
        network: Any = new_network(name)
        generator = torch.Generator().manual_seed(1)

        def draw(like: torch.Tensor, low: float, high: float) -> torch.Tensor:
            return low + (high - low) * torch.rand(like.shape, generator=generator)

        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        with torch.no_grad():
            for norm in norms:
                assert norm.running_mean is not None
                assert norm.running_var is not None
                norm.running_mean.copy_(draw(norm.running_mean, -0.5, 0.5))
                norm.running_var.copy_(draw(norm.running_var, 0.3, 2))
                norm.weight.copy_(draw(norm.weight, 0.5, 1.5))
                norm.bias.copy_(draw(norm.bias, -0.5, 0.5))
        size = network.pretrained_cfg["input_size"][1:]
        before_state = {k: v.clone() for k, v in network.state_dict().items()}
        places: Places = [*((i, "avg") for i in intermediates(network)[0]), (None, "avg")]
        folded = fold(network, size, places)
        left = [m for m in folded.modules() if isinstance(m, nn.BatchNorm2d)]
        assert (len(left) < len(norms)) == folds
        for key, value in network.state_dict().items():
            assert torch.equal(value, before_state[key]), "the original is left as it was"
        x = torch.rand(2, 3, *size, generator=generator) * 2 - 1
        with torch.inference_mode():
            before, after = (pool_layers(n, x, places) for n in (network, folded))
        for b, a in zip(before, after, strict=True):
            assert (b - a).abs().max() <= 1e-4 * b.abs().max()

    @pytest.mark.parametrize(
        ("name", "folds"),
        [
            ("tf_efficientnet_lite0", True),
            ("test_resnet", True),
            ("resnet18", True),
            ("mobilenetv3_small_050", True),
            ("test_byobnet", True),
            ("test_coatnet", True),
            ("ghostnet_050", False),  # its convolutions also feed others than their normalisation
            ("test_vit", False),
            ("test_convnext", False),
        ],
    )
    def test_it_changes_nothing(self, name: str, folds: bool) -> None:
        self.check(name, folds=folds)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["resnetv2_50", "densenet121", "mixnet_s"])
    def test_it_changes_nothing_in_larger_ones(self, name: str) -> None:
        self.check(name, folds=True)

    @pytest.mark.parametrize("name", ["efficientnet_lite0", "test_efficientnet"])
    def test_pooled_features_are_as_unfolded(self, name: str) -> None:
        backbone, path = record(name)
        pixels = torch.from_numpy(noise(backbone))
        with torch.inference_mode():
            plain, folded = (PooledNetwork(backbone, path, folded=f)(pixels) for f in (False, True))
        ends = np.cumsum([layer.num_features for layer in backbone.layers])
        for b, a in zip(
            np.split(plain.numpy(), ends[:-1], axis=1),
            np.split(folded.numpy(), ends[:-1], axis=1),
            strict=True,
        ):
            assert np.abs(b - a).max() <= 1e-4 * np.abs(b).max()

    def test_a_false_fold_is_noticed_in_a_layer_of_small_values(self) -> None:
        """Where another layer's values are a million times as large."""

        class Net(nn.Module):
            pretrained_cfg = {"input_size": (3, 8, 8)}  # noqa: RUF012

            def __init__(self) -> None:
                super().__init__()
                self.conv = nn.Conv2d(3, 4, 1)
                self.bn = nn.BatchNorm2d(4)
                assert self.bn.running_mean is not None
                self.bn.running_mean.fill_(0.3)
                self.eval()

            def forward_intermediates(
                self, x: torch.Tensor, indices: Any = None, intermediates_only: bool = False
            ) -> Any:
                small = self.conv(x)  # used also before the normalisation: folding is false
                large = 1e6 * self.bn(small)
                return [small, large] if intermediates_only else (large, [small, large])

            def forward_head(self, x: torch.Tensor, pre_logits: bool) -> torch.Tensor:
                return x.mean((2, 3))

        network = Net()
        places: Places = [(0, "avg"), (1, "avg"), (None, "avg")]
        assert fold(network, (8, 8), places) is network


class TestDescribe:
    def test_a_record(self) -> None:
        backbone = describe("resnet18.a1_in1k")
        assert backbone.name == backbone.architecture == "resnet18.a1_in1k"
        assert backbone.input_size == (224, 224)
        assert backbone.mean == pytest.approx((0.485, 0.456, 0.406))
        assert backbone.std == pytest.approx((0.229, 0.224, 0.225))
        assert backbone.interpolation == "bicubic"
        assert backbone.crop_pct == 0.95
        assert backbone.crop_mode == "center"
        widths = [layer.num_features for layer in backbone.layers]
        assert widths == [64, 64, 128, 256, 512, 512]
        assert backbone.layers[-1].name == "last"
        assert backbone.num_features == sum(widths)
        assert backbone.weights == "hf:timm/resnet18.a1_in1k/model.safetensors"
        assert backbone.weights_sha256 == ""
        assert backbone.num_params == 11_689_512 - 513_000
        assert backbone.licence == "apache-2.0"
        assert backbone.paper == "https://arxiv.org/abs/2110.00476"

    def test_a_name_without_tag_is_pinned_to_one(self) -> None:
        backbone = describe("resnet18")
        assert backbone.name == "resnet18"
        assert backbone.architecture == "resnet18.a1_in1k"
        assert replace(describe(backbone.architecture), name="resnet18") == backbone

    @pytest.mark.parametrize("name", SMALL)
    def test_the_layers_are_what_the_network_gives(self, name: str) -> None:
        backbone = describe(name)
        names = [layer.name for layer in backbone.layers]
        assert len(set(names)) == len(names) <= pooling._MAX_LAYERS + 1
        assert names[-1] == "last"
        network: Any = timm.create_model(name, num_classes=0).eval()
        assert backbone.num_params == sum(p.numel() for p in network.parameters())
        with torch.inference_mode():
            output = network(torch.zeros(1, 3, *backbone.input_size))
        assert backbone.layers[-1].num_features == output.shape[1]

    @pytest.mark.parametrize("name", SMALL)
    def test_the_last_layer_is_what_timm_gives(self, name: str) -> None:
        backbone, _ = record(name)
        pixels = noise(backbone)
        ours = PooledNetwork(backbone, None, folded=False)
        mean, std = (np.array(v, np.float32) for v in (backbone.mean, backbone.std))
        x = torch.from_numpy(((pixels / np.float32(255) - mean) / std).transpose(0, 3, 1, 2))
        network: Any = build(backbone, None)
        with torch.inference_mode():
            features = ours(torch.from_numpy(pixels))[:, -backbone.layers[-1].num_features :]
            expected = network(x.contiguous())
        assert torch.allclose(features, expected, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("name", [*EMBEDDED, "resnet18", "test_vit"])
    def test_round_trip(self, name: str) -> None:
        backbone = get.get_backbone(name)
        text = json.dumps(backbone.to_json(), allow_nan=False)
        assert Backbone.from_json(json.loads(text)) == backbone

    @pytest.mark.parametrize(
        "change",
        [{"mean": 3}, {"layers": [{"name": "last"}]}, {"unknown": 1}, {"layers": 3}, {"std": None}],
    )
    def test_a_record_of_another_version(self, change: dict[str, Any]) -> None:
        data = EMBEDDED["efficientnet_lite0"].to_json()
        with pytest.raises(ClassifierError, match="record of the backbone"):
            Backbone.from_json({**data, **change})
        del data["licence"]
        with pytest.raises(ClassifierError, match="licence"):
            Backbone.from_json(data)

    def test_search(self) -> None:
        found = zoo.search("resnet18")
        assert "resnet18.a1_in1k" in found
        assert all("resnet18" in name for name in found)
        assert zoo.search("no such thing") == []


class TestRandomWeights:
    def test_they_follow_from_the_seed(self) -> None:
        backbone = get.get_backbone("test_efficientnet", "random")
        first, again, other = (
            torch.cat([p.flatten() for p in build(backbone, None, seed=seed).parameters()])
            for seed in (0, 0, 1)
        )
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_torchs_random_state_stays_as_it_is(self) -> None:
        backbone = get.get_backbone("test_efficientnet", "random")
        torch.manual_seed(3)
        expected = torch.rand(3)
        torch.manual_seed(3)
        FrozenNetwork(backbone, None, "fp32")
        assert torch.equal(torch.rand(3), expected)

    def test_an_embedded_backbone_can_have_them(self) -> None:
        backbone, path = locate_weights(
            get.get_backbone("efficientnet_lite0", "random"), Path("/nowhere")
        )
        assert path is None
        assert backbone.weights_sha256 != EMBEDDED["efficientnet_lite0"].weights_sha256


class TestEngines:
    @pytest.mark.parametrize(
        ("here", "chosen"),
        [
            ({"openvino", "onnxruntime", "torch"}, "openvino"),
            ({"openvino"}, "openvino"),
            ({"onnxruntime", "torch"}, "onnxruntime"),
            ({"onnxruntime"}, "onnxruntime"),
            ({"torch"}, "torch"),
        ],
    )
    def test_what_is_not_installed(
        self, monkeypatch: pytest.MonkeyPatch, here: set[str], chosen: str
    ) -> None:
        """Said to who asks for it; a saved classifier makes do with what is there."""
        install(monkeypatch, here)
        assert choose_engine("auto", "fp32") == Engine(chosen, "fp32")
        for name in (*PREPARING, "torch"):
            precision = "fp32" if name == "onnxruntime" else "bf16"
            if name in here:
                assert choose_engine(name, precision) == Engine(name, precision)
                assert Engine(name, precision).available() == Engine(name, precision)
                continue
            with pytest.raises(InputError, match=f"{name} is not installed. Run: pip install"):
                choose_engine(name)
            stand_in = Engine(chosen, "fp32" if chosen == "onnxruntime" else precision)
            assert Engine(name, precision).available() == stand_in

    def test_nothing_is_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        install(monkeypatch, set())
        for ask in (choose_engine, Engine("torch", "fp32").available):
            with pytest.raises(InputError, match="pip install openvino"):
                ask()

    def test_onnx_runtime_computes_in_fp32(self, monkeypatch: pytest.MonkeyPatch) -> None:
        install(monkeypatch, {"onnxruntime"})
        assert choose_engine("onnxruntime") == Engine("onnxruntime", "fp32")
        with pytest.raises(InputError, match="in fp32 and int8 only; got bf16"):
            choose_engine("onnxruntime", "bf16")

    def test_an_accelerator_is_taken_where_there_is_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engines, "find_device", lambda: "cuda")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
        assert choose_engine() == Engine("torch", "bf16", "cuda")
        assert choose_engine("torch", "fp32") == Engine("torch", "fp32", "cuda")
        assert choose_engine(device="cpu").device == "cpu"
        # Who asks for OpenVINO gets it, on the processor, where it runs.
        assert choose_engine("openvino", "bf16") == Engine("openvino", "bf16")
        with pytest.raises(InputError, match="openvino does not run on cuda; expected --engine"):
            choose_engine("openvino", device="cuda")
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
        assert choose_engine() == Engine("torch", "fp32", "cuda")
        lite = EMBEDDED["efficientnet_lite0"]
        assert Engine("openvino", "bf16").fallback(lite) == Engine("torch", "bf16")
        assert Engine("torch", "bf16", "cuda").fallback(lite) is None

    def test_a_device_that_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """To train on, it is an error; a classifier of another machine makes do with this one."""
        monkeypatch.setattr(engines, "find_device", lambda: "cpu")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        for device in ("cuda", "mps"):
            with pytest.raises(InputError, match=f"torch finds no {device} device here"):
                choose_engine(device=device)
            assert Engine("torch", "bf16", device).available() == Engine("torch", "bf16", "cpu")

    def test_the_device_is_named_only_where_torch_can_use_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
        for there, device in ((True, "cuda"), (False, "cpu")):
            monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
            assert find_device() == device
        monkeypatch.setattr(shutil, "which", lambda name: None)
        monkeypatch.setattr(sys, "platform", "darwin")
        monkeypatch.setattr(platform, "machine", lambda: "arm64")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
        if not Path("/dev/nvidiactl").exists():
            assert find_device() == "mps"

    @pytest.mark.parametrize(
        ("text", "precision"),
        [
            ("processor: 0\nflags\t\t: fpu avx512f avx512_bf16\n", "bf16"),
            ("flags\t\t: fpu amx_bf16 amx_tile\n", "bf16"),
            ("flags\t\t: fpu avx2 avx512f\n", "fp32"),
            ("flags\t\t: fpu not_avx512_bf16x\n", "fp32"),
            ("Features\t: fp asimd\n", "fp32"),
            ("", "fp32"),
        ],
    )
    def test_the_precision_that_the_processor_is_quick_at(
        self, tmp_path: Path, text: str, precision: str
    ) -> None:
        (tmp_path / "cpuinfo").write_text(text)
        assert choose_precision("auto", cpuinfo=tmp_path / "cpuinfo") == precision
        assert choose_precision("auto", cpuinfo=tmp_path / "gone") == "fp32"
        for wanted in ("bf16", "fp32"):
            assert choose_precision(wanted, cpuinfo=tmp_path / "cpuinfo") == wanted
