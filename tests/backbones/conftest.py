"""What tests of weights share: a stand-in of Hugging Face, and one network's weights."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import safetensors.torch
import torch

from photograft.backbones.get import get_backbone
from photograft.backbones.registry import Backbone
from weights_helpers import MODEL, Hub, weights_of


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The stand-in, and nothing else in reach."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    hub = Hub()
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    yield hub
    hub.close()


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    return weights_of(MODEL)


@pytest.fixture(scope="module")
def body(tensors: dict[str, torch.Tensor]) -> bytes:
    return safetensors.torch.save(tensors)


@pytest.fixture
def backbone() -> Backbone:
    return get_backbone(MODEL)
