"""Devices, as far as that can be told on a processor: who is asked, what for, and what is said.

Nothing here has run on an accelerator: what stands for one remembers what it was asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
import pytest
import torch

from photograft.backbones.devices import ENGINES_ON
from photograft.backbones.engines import Engine, choose_engine, engine_code
from photograft.backbones.get import get_backbone
from photograft.backbones.networks import open_network
from photograft.backbones.pytorch.device import sent
from photograft.backbones.pytorch.network import FrozenNetwork
from photograft.backbones.registry import EMBEDDED
from photograft.backbones.running import filled_batches
from photograft.backbones.weights import locate_weights
from photograft.core import choices
from photograft.core.errors import ConversionError, InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 224, 224, 3), np.uint8)
PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}


def features_by(engine: Engine, tmp_path: Path) -> np.ndarray[Any, Any]:
    backbone, path = locate_weights(EMBEDDED["efficientnet_lite0"], tmp_path)
    return open_network(backbone, path, engine, tmp_path)(PIXELS)


def test_every_device_has_an_engine() -> None:
    assert {"auto", "cpu", *ENGINES_ON} == set(choices.DEVICES)
    assert {name for names in ENGINES_ON.values() for name in names} <= set(choices.ENGINES)


class Session:
    """ONNX Runtime's session, which remembers whom it was to compute with; it takes the processor.

    Args:
        refuses: It says afterwards that it computes on the processor, as it does without a driver.
    """

    asked: list[str]
    refuses = False

    def __init__(self, model: bytes, options: object, providers: list[str]) -> None:
        type(self).asked = providers
        self._real = REAL(model, options, providers=["CPUExecutionProvider"])

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"] if self.refuses else self.asked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


REAL: Callable[..., Any] = onnxruntime.InferenceSession


@pytest.mark.parametrize("device", PROVIDERS)
def test_onnx_runtime_is_asked_for_its_provider(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: str
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [PROVIDERS[device]])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    engine = choose_engine("onnxruntime", device=device)
    assert engine == Engine("onnxruntime", "fp32", device)
    there = features_by(engine, tmp_path / "there")
    assert Session.asked[0] == PROVIDERS[device]
    assert Session.asked[-1] == "CPUExecutionProvider"
    here = features_by(Engine("onnxruntime", "fp32"), tmp_path / "here")
    assert there.tobytes() == here.tobytes()
    monkeypatch.setattr(Session, "refuses", True)
    with pytest.raises(ConversionError, match=f"can't use the device {device} here"):
        features_by(engine, tmp_path / "there")
    lite = EMBEDDED["efficientnet_lite0"]
    assert engine.fallback(lite) == Engine("torch", "fp32", "cuda" if device == "cuda" else "cpu")


@pytest.mark.parametrize("device", [*PROVIDERS, "gpu", "npu"])
def test_a_device_that_an_engine_does_not_find(device: str) -> None:
    name = "openvino" if device in ("gpu", "npu") else "onnxruntime"
    with pytest.raises(InputError, match=f"{name} finds no {device} device here"):
        choose_engine(name, device=device)
    # A classifier of another machine makes do with the processor of this one.
    assert Engine(name, "fp32", device).available() == Engine(name, "fp32")


@pytest.mark.parametrize("device", ["gpu", "npu"])
def test_openvino_is_asked_for_its_device(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: str
) -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    class Core:
        def __init__(self) -> None:
            self._real = real()
            self.available_devices = ["CPU", f"{device.upper()}.0"]

        def read_model(self, model: object) -> object:
            return self._real.read_model(model)

        def compile_model(self, model: object, name: str, hints: dict[str, str]) -> object:
            asked.append((name, hints))
            return self._real.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    real = openvino.Core
    monkeypatch.setattr(openvino, "Core", Core)
    engine = choose_engine(device=device)
    assert engine == Engine("openvino", "fp32", device)
    there = features_by(engine, tmp_path)
    ((name, hints),) = asked
    assert name == device.upper()
    assert "NUM_STREAMS" not in hints
    assert hints.get("INFERENCE_PRECISION_HINT") == ("f32" if device == "gpu" else None)
    here = features_by(Engine("openvino", "fp32"), tmp_path)
    assert np.abs(there - here).max() <= 1e-4 * np.abs(here).max()


def test_what_an_engine_can_not_do_there() -> None:
    for name, device, words in (
        ("openvino", "cuda", "expected --engine torch or onnxruntime"),
        ("torch", "gpu", "expected --engine openvino"),
        ("onnxruntime", "mps", "expected --engine torch"),
    ):
        with pytest.raises(InputError, match=words):
            choose_engine(name, device=device)
    with pytest.raises(InputError, match="computes in fp32 on tensorrt; got bf16"):
        choose_engine("onnxruntime", "bf16", "tensorrt")


def test_features_of_another_batch_size_are_kept_apart() -> None:
    here = Engine("torch", "fp32")
    assert engine_code(here) != engine_code(replace(here, device="cuda"))


@pytest.mark.parametrize("size", [1, 3, 5, 8])
def test_all_batches_are_of_one_size(size: int) -> None:
    batches = list(filled_batches(PIXELS, size))
    assert {batch.shape[0] for batch, _ in batches} == {size}
    assert np.array_equal(np.concatenate([batch[:n] for batch, n in batches]), PIXELS)


def test_a_batch_of_another_size_gives_the_same_to_rounding() -> None:
    backbone = get_backbone("efficientnet_lite0", "random")
    large, small = (FrozenNetwork(backbone, None, "fp32", batch_size=n)(PIXELS) for n in (32, 2))
    assert large.shape == small.shape == (5, backbone.num_features)
    assert np.abs(large - small).max() <= 1e-3 * np.abs(small).max()


def test_what_is_sent_to_a_gpu_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody waits for it."""
    calls: list[object] = []

    class Tensor:
        def pin_memory(self) -> Tensor:
            calls.append("pinned")
            return self

        def to(self, device: str, *, non_blocking: bool = False) -> Tensor:
            calls.append((device, non_blocking))
            return self

    monkeypatch.setattr(torch, "from_numpy", lambda array: Tensor())
    sent(PIXELS, "cuda")
    sent(PIXELS, "mps")
    assert calls == ["pinned", ("cuda", True), ("mps", False)]
