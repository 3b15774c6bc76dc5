"""What a training run was asked to do, as plain data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from photograft.errors import InputError

#: The backbone that needs no download: its weights come with the installation.
DEFAULT_BACKBONE = "efficientnet_lite0"

ENGINES = ("auto", "openvino", "torch")
PRECISIONS = ("auto", "bf16", "fp32")
LAYERS = ("auto", "last", "joined")
CLASS_WEIGHTS = ("none", "balanced")
WEIGHT_INCLUSIONS = ("auto", "always", "never")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The settings of `photograft.train`. All are plain JSON types.

    Attributes:
        backbone: Name of an embedded backbone or of any timm model.
        weights: ``"pretrained"``, ``"random"``, or the path of a local weight file.
        engine: What runs the backbone: ``"openvino"``, ``"torch"``, or ``"auto"``, the fastest
            that is installed.
        precision: ``"auto"`` (what this machine does fastest), ``"bf16"`` or ``"fp32"``.
        layers: Which depths of the backbone the head sees: ``"last"``, ``"joined"`` (last and
            earlier ones), or ``"auto"``, chosen by cross-validation.
        class_weight: ``"balanced"`` gives every class the same say, whatever its size.
        validation: Share of the photos for validation where the source gives no split, in [0, 0.5].
        test: Likewise for the test.
        seed: Decides the split and the folds; the only randomness there is.
        max_pixels: Photos with more pixels than this are skipped.
        include_weights: Whether the saved classifier carries the backbone's weights:
            ``"always"``, ``"never"``, or ``"auto"`` (unless they come with the installation).

    Raises:
        InputError: A value is not one of those.
    """

    backbone: str = DEFAULT_BACKBONE
    weights: str = "pretrained"
    engine: str = "auto"
    precision: str = "auto"
    layers: str = "auto"
    class_weight: str = "none"
    validation: float = 0.15
    test: float = 0.15
    seed: int = 0
    max_pixels: int = 100_000_000
    include_weights: str = "auto"

    def __post_init__(self) -> None:
        _check_choice("engine", self.engine, ENGINES)
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("layers", self.layers, LAYERS)
        _check_choice("class_weight", self.class_weight, CLASS_WEIGHTS)
        _check_choice("include_weights", self.include_weights, WEIGHT_INCLUSIONS)
        for name in ("validation", "test"):
            share = getattr(self, name)
            if not 0 <= share <= 0.5:
                raise InputError(
                    f"{name} is a share of the photos", expected="0 to 0.5", got=f"{share:g}"
                )
        if not 0 <= self.seed < 2**32:
            raise InputError(
                "that can't be a seed", expected=f"0 to {2**32 - 1:,}", got=str(self.seed)
            )
        if self.max_pixels < 1:
            raise InputError("max_pixels must be at least 1", got=str(self.max_pixels))

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON types."""
        return dataclasses.asdict(self)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(
            f"{name} can't be {value!r}", expected=" or ".join(repr(c) for c in choices)
        )
