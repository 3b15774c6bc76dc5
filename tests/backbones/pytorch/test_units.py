"""Networks parted into a row of units: where they may be parted, and by which names."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import nn

from photograft.backbones.pytorch.convnet import ConvNet
from photograft.backbones.pytorch.units import Unit, find_units, first_trained
from photograft.backbones.pytorch.zoo import new_network
from photograft.core.errors import InputError, UnknownNameError


@functools.cache
def parted(name: str, size: int = 64) -> tuple[Any, tuple[Unit, ...]]:
    network = new_network(name)
    return network, find_units(network, (size, size))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("convnet:n8 p c8 p", 2),
        ("convnet:g c8 p c8 c4 p", 3),
        ("resnet18", 9),  # the stem and eight blocks
        ("efficientnet_lite0", 18),  # the stem, sixteen blocks, the last convolution
        ("densenet121", 8),
    ],
)
def test_number_of_units(name: str, count: int) -> None:
    network, units = parted(name)
    assert len(units) == count
    assert sum(p.numel() for unit in units for p in unit.module.parameters()) == sum(
        p.numel() for p in network.parameters()
    )


@pytest.mark.parametrize(
    "name", ["convnet:n8 p c8 p", "resnet18", "efficientnet_lite0", "densenet121"]
)
def test_units_in_a_row_are_the_network(name: str) -> None:
    """On other pixels than those it was tried with, and at every place where it may be parted."""
    network, units = parted(name)
    assert units
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        expected = network.forward_features(x)
        for unit in units:
            x = unit.module(x)
    torch.testing.assert_close(x, expected, rtol=1e-4, atol=1e-5)


def test_finding_leaves_the_network_and_the_random_state_alone() -> None:
    network = new_network("resnet18")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    find_units(network, (64, 64))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(v, before[n]) for n, v in network.state_dict().items())
    assert not network.training


class Crossed(nn.Module):
    """Runs its modules in another order than they are defined in."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.first(self.second(x))
        return found


class Skipping(Crossed):
    """Adds its input to its output."""

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.second(self.first(x)) + x.mean()
        return found


def test_vision_transformer_is_not_parted() -> None:
    """Its class token and positions are no modules."""
    assert parted("test_vit", 160)[1] == ()


@pytest.mark.parametrize("kind", [Crossed, Skipping])
def test_what_is_no_row_is_not_parted(kind: type[nn.Module]) -> None:
    assert find_units(kind().eval(), (16, 16)) == ()


def test_norms_and_pooling_belong_to_the_convolution_before() -> None:
    _, units = parted("convnet:n8 p c8 p", 32)
    assert [unit.name for unit in units] == ["features.conv1", "features.conv2"]
    assert units[0].names == tuple(
        f"features.{name}" for name in ("conv1", "norm1", "relu1", "pool1")
    )
    network = ConvNet("g c4 p").eval()
    (unit,) = find_units(network, (16, 16))
    assert unit.names[0] == "features.grey"  # what stands before goes with the first
    assert unit.name == "features.conv1"


@pytest.mark.parametrize(
    ("unfreeze", "first"),
    [
        ("all", 0),
        ("0", 9),
        ("1", 8),
        ("9", 0),
        ("auto", 7),  # a quarter of nine
        ("layer4", 7),
        ("layer4.1", 8),
        ("layer4.0.conv1", 7),
        ("layer1", 1),
        ("conv1", 0),
    ],
)
def test_first_trained_unit(unfreeze: str, first: int) -> None:
    assert first_trained(parted("resnet18")[1], unfreeze) == first


def test_at_least_one_unit_is_trained() -> None:
    assert first_trained(parted("convnet:c8", 32)[1], "auto") == 0


@pytest.mark.parametrize("unfreeze", ["10", "99"])
def test_more_units_than_there_are(unfreeze: str) -> None:
    with pytest.raises(InputError, match=f"unfreeze can't be {unfreeze}.*up to 9"):
        first_trained(parted("resnet18")[1], unfreeze)


@pytest.mark.parametrize("unfreeze", ["layer5", "layer", "", "-1", "1.5", "last"])
def test_names_that_are_not_there(unfreeze: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        first_trained(parted("resnet18")[1], unfreeze)
    assert "\n" not in str(caught.value)


def test_keras_names_of_vgg16() -> None:
    _, units = parted("vgg16", 32)
    assert len(units) >= 13
    names = ["block1_conv1", "block1_conv2", "block2_conv1", "block4_conv3", "block5_conv1"]
    firsts = [first_trained(units, name) for name in names]
    assert firsts == [0, 1, 2, 9, 10]
    with pytest.raises(UnknownNameError):
        first_trained(parted("resnet18")[1], "block5_conv1")
