"""The settings: what is let in, and what is said of the rest."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from photograft import TrainConfig
from photograft.errors import InputError


def test_defaults_are_allowed_and_plain() -> None:
    data = json.loads(json.dumps(TrainConfig().to_json(), allow_nan=False))
    assert TrainConfig(**data) == TrainConfig()
    assert data["backbone"] == "efficientnet_lite0"
    assert set(data) == {field.name for field in dataclasses.fields(TrainConfig)}


@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "bf16"},
        {"layers": "joined"},
        {"class_weight": "balanced"},
        {"include_weights": "never"},
        {"validation": 0, "test": 0.5},
        {"seed": 0},
        {"seed": 2**32 - 1},
        {"max_pixels": 1},
    ],
)
def test_allowed(settings: dict[str, Any]) -> None:
    config = TrainConfig(**settings)
    assert {name: getattr(config, name) for name in settings} == settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "fp16"}, "precision can't be 'fp16'; expected 'auto' or 'bf16' or 'fp32'"),
        ({"layers": "first"}, "layers can't be 'first'; expected 'auto' or 'last' or 'joined'"),
        ({"class_weight": ""}, "class_weight can't be ''; expected 'none' or 'balanced'"),
        ({"include_weights": "yes"}, "include_weights can't be 'yes'"),
        ({"validation": -0.1}, "validation is a share of the photos; expected 0 to 0.5, got -0.1"),
        ({"validation": 0.51}, "got 0.51"),
        ({"test": 15}, "test is a share of the photos; expected 0 to 0.5, got 15"),
        ({"test": float("nan")}, "got nan"),
        ({"seed": -1}, "that can't be a seed; expected 0 to 4,294,967,295, got -1"),
        ({"seed": 2**32}, "got 4294967296"),
        ({"max_pixels": 0}, "max_pixels must be at least 1; got 0"),
    ],
)
def test_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        TrainConfig(**settings)
    assert message in str(caught.value)


def test_settings_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().seed = 1  # type: ignore[misc]
