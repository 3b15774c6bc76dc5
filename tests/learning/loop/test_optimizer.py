"""Optimisers, their parameter groups, and the learning rate step by step."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from photograft.core.choices import OPTIMIZERS
from photograft.learning.loop.optimizer import make_optimizer, rate_factor, set_rate
from photograft.learning.settings import Training


def block() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.LayerNorm(4), nn.Linear(4, 2))


def group_of(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> dict[str, float]:
    (found,) = [
        group
        for group in optimizer.param_groups
        if any(parameter is other for other in group["params"])
    ]
    return found


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rates_fall_block_by_block(name: str) -> None:
    """The head and the uppermost block have the rate itself; each below a factor less."""
    blocks = [block() for _ in range(4)]
    settings = Training(optimizer=name, learning_rate=0.2, layer_decay=0.5)
    optimizer = make_optimizer(blocks, settings)
    for module, expected in zip(blocks, [0.2, 0.2, 0.1, 0.05], strict=True):
        for parameter in module.parameters():
            assert group_of(optimizer, parameter)["lr"] == pytest.approx(expected)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_norms_and_biases_bear_no_weight_decay(name: str) -> None:
    module = block()
    optimizer = make_optimizer([module], Training(optimizer=name, weight_decay=0.3))
    for parameter in module.parameters():
        expected = 0.3 if parameter.ndim > 1 else 0
        assert group_of(optimizer, parameter)["weight_decay"] == expected
    assert sum(p.ndim <= 1 for p in module.parameters()) == 6


def test_weight_decay_shrinks_what_bears_it() -> None:
    """AdamW's is decoupled: with gradients of zero a weight shrinks by rate times decay."""
    module = nn.Linear(2, 2)
    nn.init.ones_(module.weight)
    nn.init.ones_(module.bias)
    settings = Training(optimizer="adamw", learning_rate=0.1, weight_decay=0.5)
    optimizer = make_optimizer([module], settings)
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert module.weight.flatten().tolist() == pytest.approx([0.95] * 4)
    assert module.bias.tolist() == [1, 1]


def test_frozen_parameters_are_left_out() -> None:
    blocks = [block(), block()]
    for parameter in blocks[1].parameters():
        parameter.requires_grad_(False)
    blocks[0][0].weight.requires_grad_(False)  # type: ignore[index]
    held = [p for g in make_optimizer(blocks, Training()).param_groups for p in g["params"]]
    assert len(held) == 7
    assert all(p.requires_grad for p in held)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adamw", torch.optim.AdamW),
        ("adam", torch.optim.Adam),
        ("rmsprop", torch.optim.RMSprop),
        ("sgd", torch.optim.SGD),
    ],
)
def test_optimizers_are_what_they_are_called(name: str, kind: type) -> None:
    optimizer = make_optimizer([block()], Training(optimizer=name))
    assert type(optimizer) is kind
    assert {g["momentum"] for g in optimizer.param_groups if name == "sgd"} <= {0.9}
    # As in Keras, whose textbooks are followed.
    assert {g["alpha"] for g in optimizer.param_groups if name == "rmsprop"} <= {0.9}


@pytest.mark.parametrize("gradient", [1e-6, 1e-5, 1.0])
def test_rmsprop_takes_the_steps_that_keras_takes(gradient: float) -> None:
    weight = nn.Linear(1, 1, bias=False)
    optimizer = make_optimizer([weight], Training(optimizer="rmsprop", learning_rate=0.01))
    before = weight.weight.item()
    weight.weight.grad = torch.full((1, 1), gradient)
    optimizer.step()
    expected = 0.01 * gradient / math.sqrt(0.1 * gradient**2 + 1e-7)  # epsilon under the root
    assert before - weight.weight.item() == pytest.approx(expected, rel=0.02, abs=1e-7)


def test_rate_is_set_for_every_group() -> None:
    settings = Training(learning_rate=0.2, layer_decay=0.5)
    optimizer = make_optimizer([block(), block(), block()], settings)
    for factor in (0.1, 0.5):  # always of the group's own, not of the last one set
        set_rate(optimizer, factor)
        rates = {round(g["lr"] / factor, 9) for g in optimizer.param_groups}
        assert rates == {0.2, 0.1}


def factors(settings: Training, num_steps: int, losses: tuple[float, ...] = ()) -> list[float]:
    return [rate_factor(settings, step, num_steps, losses) for step in range(num_steps)]


def test_constant() -> None:
    assert factors(Training(), 5) == [1.0] * 5


def test_warmup_rises_evenly_from_above_zero() -> None:
    found = factors(Training(warmup=0.3), 10)
    assert found[:3] == pytest.approx([0.25, 0.5, 0.75])
    assert found[3:] == [1.0] * 7


def test_cosine() -> None:
    found = factors(Training(schedule="cosine"), 8)
    assert found == pytest.approx([0.5 * (1 + math.cos(math.pi * i / 8)) for i in range(8)])
    assert found[0] == 1
    assert found[4] == pytest.approx(0.5)
    assert rate_factor(Training(schedule="cosine"), 8, 8, ()) == pytest.approx(0)


def test_cosine_after_warmup() -> None:
    found = factors(Training(schedule="cosine", warmup=0.2), 20)
    assert found[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert found[4] == 1
    assert found[12] == pytest.approx(0.5)
    assert all(a > b for a, b in itertools.pairwise(found[4:]))


@pytest.mark.parametrize("schedule", ["constant", "cosine", "plateau"])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.37, 1.0])
@pytest.mark.parametrize("num_steps", [1, 2, 7, 100])
def test_factors_are_in_range(schedule: str, warmup: float, num_steps: int) -> None:
    found = factors(Training(schedule=schedule, warmup=warmup), num_steps)
    assert all(0 < factor <= 1 for factor in found)
    rising = math.ceil(warmup * num_steps)
    assert all(a < b for a, b in itertools.pairwise(found[:rising]))


@pytest.mark.parametrize(
    ("losses", "factor"),
    [
        ((), 1),
        ((1.0,), 1),
        ((1.0, 0.9, 0.8, 0.7), 1),
        ((1.0, 1.0, 1.0), 1),
        ((1.0, 1.1, 1.0, 1.2), 0.1),
        ((1.0, 1.1, 1.1, 0.9, 1.0, 1.0), 1),
        ((1.0, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1), 0.01),
        ((1.0, 1.1, 1.1, 1.1, 0.5, 0.4), 0.1),
        ((math.nan, math.nan, math.nan), 0.1),
    ],
)
def test_plateau(losses: tuple[float, ...], factor: float) -> None:
    settings = Training(schedule="plateau", monitor="val_loss")
    assert rate_factor(settings, 9, 10, losses) == pytest.approx(factor)
    # Warm-up goes before, whatever the losses.
    assert rate_factor(replace(settings, warmup=1.0), 0, 9, losses) == pytest.approx(0.1)
