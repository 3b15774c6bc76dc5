"""Networks of timm's and Keras's, written as ONNX files: their features are torch's, everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from photograft.backbones.engines import PREPARING, Engine, open_maps, open_network
from photograft.backbones.get import get_backbone
from photograft.backbones.registry import Backbone
from photograft.backbones.settings import Preprocessing
from photograft.backbones.weights import locate_weights
from photograft.core.errors import ConversionError
from photograft.workflows.backbones import convert_backbone
from system_helpers import assert_one_line, invoke

#: With squeezing, and with its channels last. Further tests have one of residual blocks, of tokens.
KINDS = ("mobilenetv3_small_050", "test_convnext")


def features_by_torch(
    name: str, weights: str, size: int, pixels: npt.NDArray[np.uint8]
) -> tuple[Backbone, npt.NDArray[np.float32]]:
    backbone = get_backbone(name, weights, preprocessing=Preprocessing(input_size=size))
    backbone, path = locate_weights(backbone, Path("nowhere"))
    network = open_network(backbone, path, Engine("torch", "fp32"), Path("nowhere"))
    return backbone, network(pixels)


def check(record: Path, name: str, tmp_path: Path, size: int = 0, weights: str = "random") -> None:
    """What was written gives torch's features of the network of that name, on both engines."""
    assert sorted(p.suffix for p in (tmp_path / "out").iterdir()) == [".onnx", ".toml"]
    own = get_backbone(str(record))
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (2, *own.input_size, 3), dtype=np.uint8)
    backbone, expected = features_by_torch(name, weights, size, pixels)
    assert own.preprocessing() == backbone.preprocessing()
    assert [(x.name, x.num_features) for x in own.layers] == [
        (x.name, x.num_features) for x in backbone.layers
    ]
    located, path = locate_weights(own, tmp_path)
    for engine in PREPARING:
        found = open_network(located, path, Engine(engine, "fp32"), tmp_path / engine)(pixels)
        assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_features_are_torchs(name: str, tmp_path: Path) -> None:
    record = convert_backbone(name, tmp_path / "out", weights="random")
    check(record, name, tmp_path)


def test_a_weight_file(tmp_path: Path) -> None:
    """Its maps stay maps, so that there are heat maps where there is no torch."""
    from photograft.backbones.pytorch.zoo import new_network

    weights = str(tmp_path / "w.pth")
    torch.save(new_network("test_resnet", seed=5).state_dict(), weights)
    record = convert_backbone("test_resnet", tmp_path / "out", weights=weights, input_size=64)
    check(record, "test_resnet", tmp_path, 64, weights)
    backbone, path = locate_weights(get_backbone(str(record)), tmp_path)
    names = [layer.name for layer in backbone.layers]
    maps = open_maps(backbone, path, names, Engine("openvino", "fp32"), tmp_path / "kept")
    assert maps is not None
    found, _ = maps(np.zeros((*backbone.input_size, 3), np.uint8))
    assert [values.ndim for values in found] == [3] * len(names)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    given = ("backbones", "convert", "test_vit", "--weights", "random", "--out", out)
    done = invoke(capsys, *given)
    assert done.code == 0, done.err
    assert f"--backbone {out / 'test_vit.toml'}" in done.out
    assert_one_line(invoke(capsys, *given), f"{out} exists already")
    check(out / "test_vit.toml", "test_vit", tmp_path)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("resnet5O", (), "Did you mean resnet50"),
        ("own.onnx", (), "is no network that can be converted"),
        ("weights.safetensors", (), "there is no backbone named"),
        ("unknown_weights.h5", (), "Give the network's name, and --weights FILE"),
        ("vgg16_notop.h5", (), "there is no weight file"),
        ("test_resnet", ("--weights", "none.pth"), "there is no weight file"),
        ("test_vit", ("--weights", "random", "--input-size", "30"), "can't take photos of 30"),
    ],
)
def test_what_is_wrong_is_said(
    name: str,
    options: tuple[str, ...],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert_one_line(invoke(capsys, "backbones", "convert", name, "--out", out, *options), said)
    assert not out.exists()


def test_an_engine_that_gives_other_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nothing is written."""

    def wrong(*_: Any) -> Any:
        return lambda pixels: np.zeros((len(pixels), 1), np.float32)

    monkeypatch.setattr("photograft.workflows.backbones.open_network", wrong)
    with pytest.raises(ConversionError, match="other features"):
        convert_backbone("test_resnet", tmp_path / "out", weights="random", input_size=64)
    assert list(tmp_path.iterdir()) == []


def test_the_list_is_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    listed = invoke(capsys, "backbones")
    assert "efficientnet_lite0" in listed.out
    assert "photograft backbones --search NAME" in listed.out
    assert "resnet18" in invoke(capsys, "backbones", "--search", "resnet18").out
