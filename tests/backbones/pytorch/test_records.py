"""What is told of a network without drawing its weights is what is true of it."""

from __future__ import annotations

import pytest
import torch

from photograft.backbones.pytorch.records import timm_record, without_values
from photograft.backbones.pytorch.zoo import describe, new_network


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "test_vit", "resnet18.a1_in1k"])
def test_a_record_is_that_of_the_network_with_its_weights(name: str) -> None:
    assert describe(name) == timm_record(name, new_network(name))


def test_nothing_is_drawn_and_what_needs_values_gets_them() -> None:
    assert without_values(lambda: torch.zeros(2).device.type) == "meta"
    assert without_values(lambda: torch.ones(2).sum().item()) == 2

    def fail() -> None:
        raise RuntimeError(torch.zeros(1).device.type)

    with pytest.raises(RuntimeError, match="cpu"):
        without_values(fail)
