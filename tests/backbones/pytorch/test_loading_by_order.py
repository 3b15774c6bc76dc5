"""Weights under another program's names are put in by their order, where that can be told."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file
from torch import nn

from keras_helpers import REAL, check_same, wave
from photograft.backbones.pytorch.loading import load_by_order


def torch_tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    """MobileNet's tensors as another program names them, in the order of the alphabet."""
    modules = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    places = (0, 1, 3, 4)
    names = [f"features.{i}.{place}" for i in range(13) for place in places]
    tensors = {
        f"{name}.{key}": tensor
        for name, module in zip(["conv1.0", "conv1.1", *names], modules, strict=True)
        for key, tensor in module.state_dict().items()
    }
    tensors |= {"classifier.0.weight": torch.ones(7, 1024), "classifier.0.bias": torch.ones(7)}
    return dict(sorted(tensors.items()))


@pytest.fixture
def tensors(mobilenet: nn.Module) -> dict[str, torch.Tensor]:
    return torch_tensors(mobilenet)


def plain_mobilenet() -> nn.Module:
    network: nn.Module = timm.create_model("mobilenetv1_100", num_classes=0)
    return network.eval()


def test_tensors_are_put_in_by_the_numbers_in_their_names(
    mobilenet: nn.Module, tensors: dict[str, torch.Tensor]
) -> None:
    network = plain_mobilenet()
    load_by_order(network, tensors)
    check_same(network, mobilenet)
    network = plain_mobilenet()
    load_by_order(network, {n: t for n, t in tensors.items() if "classifier" not in n})
    check_same(network, mobilenet)


def test_batch_normalisation_follows_its_convolution() -> None:
    """The alphabet puts bn1 before conv1."""
    network = timm.create_model("resnet18", num_classes=0)
    given = {f"net.{k}": v for k, v in sorted(network.state_dict().items())}
    other = timm.create_model("resnet18", num_classes=0)
    load_by_order(other, given)
    check_same(other, network)


def test_order_given_is_kept() -> None:
    """Names that tell nothing, as in a state dict, and a classification layer at its end."""
    network = timm.create_model("test_vit", num_classes=5)
    names = {n.rpartition(".")[0]: f"m{hash(n)}" for n in reversed(network.state_dict())}
    given = {}
    for key, tensor in network.state_dict().items():
        module, _, last = key.rpartition(".")
        given[f"{names[module]}.{last}" if module else last] = tensor
    other = timm.create_model("test_vit", num_classes=0)
    load_by_order(other, given, ordered=True)
    for key, tensor in other.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[key])
    with pytest.raises(ValueError, match="their order can't be told"):
        load_by_order(other, given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features.4.3.weight": None}, r"classifier\.0 holds bias, weight where conv_stem"),
        ({"features.4.3.weight": torch.zeros(256, 128, 1, 1)}, r"features\.4\.3\.weight is \(256"),
        ({"features.4.4.running_var": None}, r"features\.4\.4 holds bias, running_mean, weight"),
        ({"features.4.4.bias": torch.full((256,), torch.inf)}, "else than finite numbers"),
        ({"features.4.4.bias": torch.zeros(256, dtype=torch.int64)}, "else than finite numbers"),
        ({"z.weight": torch.zeros(2, 2)}, "it has weights for 56 layers, not 54"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    tensors: dict[str, torch.Tensor], changes: dict[str, torch.Tensor | None], message: str
) -> None:
    network = plain_mobilenet()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    given = {k: v for k, v in {**tensors, **changes}.items() if v is not None}
    with pytest.raises(ValueError, match=message):
        load_by_order(network, given)
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[key])


def test_an_order_of_the_alphabet_is_not_believed(tensors: dict[str, torch.Tensor]) -> None:
    """Which of two layers of one shape comes first must follow from numbers."""
    words = {"features.7": "features.6a", "features.8": "features.6b"}
    given = {}
    for name, tensor in tensors.items():
        start = next((s for s in words if name.startswith(f"{s}.")), "")
        given[name.replace(start, words[start], 1) if start else name] = tensor
    with pytest.raises(ValueError, match="comes first can't be told from their names"):
        load_by_order(plain_mobilenet(), given)


def test_real_mobilenet_of_torch() -> None:
    path = REAL / "mobilenet_v1_torch.safetensors"
    if not path.exists():
        pytest.skip("needs MobileNet's weights")
    network: Any = plain_mobilenet()
    given = load_file(path)
    load_by_order(network, given)
    assert torch.equal(network.blocks[4][1].conv_pw.weight, given["features.12.3.weight"].float())
    assert torch.equal(
        network.blocks[3][2].bn2.running_var, given["features.7.4.running_var"].float()
    )
    with torch.inference_mode():
        assert bool(network(wave()).isfinite().all())
