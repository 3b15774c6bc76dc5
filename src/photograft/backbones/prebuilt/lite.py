"""The family EfficientNet-Lite, in numbers: its convolutions in the order in which they run.

Tan & Le (2019), arXiv:1905.11946; the Lite variants leave out squeeze-and-excitation and use ReLU6.
Names are those of timm's networks ``tf_efficientnet_lite0`` to ``2``, whose padding is TensorFlow's
"SAME".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from photograft.core.arrays import Array, Floats
from photograft.core.errors import WeightsError

#: Of each stage: kernel, stride, expansion.
_STAGES = ((3, 1, 1), (3, 2, 6), (5, 2, 6), (3, 2, 6), (5, 1, 6), (5, 2, 6), (3, 1, 6))
_STEM, _HEAD = 32, 1280
#: By architecture: the channels of each stage, and how many blocks it has.
_SIZES = {
    "tf_efficientnet_lite0": ((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1)),
    "tf_efficientnet_lite1": ((16, 24, 40, 80, 112, 192, 320), (1, 3, 3, 4, 4, 5, 1)),
    "tf_efficientnet_lite2": ((16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1)),
}
#: Of batch normalisation; TensorFlow's.
_EPSILON = 1e-3
_NORM = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Conv:
    """A convolution without bias, and the batch normalisation behind it.

    Attributes:
        name: Of the convolution.
        norm: Of the normalisation.
        inputs: Channels in.
        outputs: Channels out.
        kernel: Side of the kernel.
        stride: Of its places.
        groups: As many as channels where it is depthwise, else 1.
        active: Whether ReLU6 follows.
    """

    name: str
    norm: str
    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    active: bool = True

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of its weight."""
        return self.outputs, self.inputs // self.groups, self.kernel, self.kernel


@dataclass(frozen=True)
class Block:
    """Convolutions in a row.

    Attributes:
        convs: They.
        has_skip: Whether what goes in is added to what comes out.
        layer: Name of the layer whose map comes out; empty where it is none.
    """

    convs: tuple[Conv, ...]
    has_skip: bool = False
    layer: str = ""


def is_lite(architecture: str) -> bool:
    """Return whether an architecture, as a record names it, is one of these."""
    return architecture.partition(".")[0] in _SIZES


def blocks(architecture: str) -> Iterator[Block]:
    """Yield the blocks of a network: the stem, those of each stage, and the last convolution."""
    widths, repeats = _SIZES[architecture.partition(".")[0]]
    yield Block((Conv("conv_stem", "bn1", 3, _STEM, 3, 2),))
    channels = _STEM
    for stage, (kernel, stride, expansion) in enumerate(_STAGES):
        for i in range(repeats[stage]):
            last = i == repeats[stage] - 1
            step = stride if i == 0 else 1
            yield Block(
                tuple(
                    _convs(f"blocks.{stage}.{i}", channels, widths[stage], kernel, step, expansion)
                ),
                has_skip=step == 1 and channels == widths[stage],
                layer=f"blocks.{stage}" if last else "",
            )
            channels = widths[stage]
    yield Block((Conv("conv_head", "bn2", channels, _HEAD),), layer="last")


def _convs(
    name: str, inputs: int, outputs: int, kernel: int, stride: int, expansion: int
) -> Iterator[Conv]:
    middle = inputs * expansion
    if expansion == 1:
        depth, point = ("conv_dw", "bn1"), ("conv_pw", "bn2")
    else:
        yield Conv(f"{name}.conv_pw", f"{name}.bn1", inputs, middle)
        depth, point = ("conv_dw", "bn2"), ("conv_pwl", "bn3")
    yield Conv(f"{name}.{depth[0]}", f"{name}.{depth[1]}", middle, middle, kernel, stride, middle)
    yield Conv(f"{name}.{point[0]}", f"{name}.{point[1]}", middle, outputs, active=False)


def padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return how many zeros TensorFlow's "SAME" puts before and behind a side.

    >>> padding(224, 3, 2), padding(225, 3, 2), padding(7, 5, 1)
    ((0, 1), (1, 1), (2, 2))
    """
    missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2


def map_shapes(architecture: str, input_size: tuple[int, int]) -> dict[str, tuple[int, int, int]]:
    """Return the shape of each layer's map: channels, height, width."""
    height, width = input_size
    found = {}
    for block in blocks(architecture):
        for conv in block.convs:
            height, width = -(-height // conv.stride), -(-width // conv.stride)
        if block.layer:
            found[block.layer] = (block.convs[-1].outputs, height, width)
    return found


def count_costs(architecture: str, input_size: tuple[int, int]) -> tuple[int, int]:
    """Return multiply-adds for a photo, and moving means and variances of normalisation."""
    height, width = input_size
    multiply_adds = statistics = 0
    for block in blocks(architecture):
        for conv in block.convs:
            height, width = -(-height // conv.stride), -(-width // conv.stride)
            multiply_adds += math.prod(conv.shape) * height * width
            statistics += 2 * conv.outputs
    return multiply_adds, statistics


def named_as_timm(architecture: str, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return the tensors of a package of weights under timm's names.

    Args:
        architecture: Of the network.
        tensors: Under the names of the package's own network; the classification layer is left out.
    """
    _, repeats = _SIZES[architecture.partition(".")[0]]
    places = [f"blocks.{stage}.{i}" for stage, count in enumerate(repeats) for i in range(count)]
    found = {}
    for name, tensor in tensors.items():
        module, _, last = name.rpartition(".")
        if module != "_fc":
            found[f"{_module(module, places)}.{last}"] = tensor
    return found


def _module(name: str, places: list[str]) -> str:
    ends = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
    match = re.fullmatch(r"_blocks\.(\d{1,3})\._(\w+)", name)
    if match is None or int(match[1]) >= len(places):
        return ends.get(name, name)
    if int(match[1]) == 0:  # it has nothing to expand
        parts = {"depthwise_conv": "conv_dw", "bn1": "bn1", "project_conv": "conv_pw", "bn2": "bn2"}
    else:
        parts = {
            "expand_conv": "conv_pw",
            "bn0": "bn1",
            "depthwise_conv": "conv_dw",
            "bn1": "bn2",
            "project_conv": "conv_pwl",
            "bn2": "bn3",
        }
    return f"{places[int(match[1])]}.{parts.get(match[2], match[2])}"


def folded(conv: Conv, tensors: Mapping[str, Array]) -> tuple[Floats, Floats]:
    """Return a convolution's weight and bias with its normalisation folded in.

    Args:
        conv: The convolution.
        tensors: All of the network's, under timm's names; float32.

    Raises:
        WeightsError: One is missing, of another shape or type, or not finite.
    """
    weight = _taken(tensors, f"{conv.name}.weight", conv.shape)
    gain, bias, mean, variance = (
        _taken(tensors, f"{conv.norm}.{part}", (conv.outputs,)).astype(np.float64) for part in _NORM
    )
    if not bool((variance >= 0).all()):
        raise WeightsError(f"{conv.norm}.running_var holds negative variances")
    scale = gain / np.sqrt(variance + _EPSILON)
    return (
        (weight * scale[:, None, None, None]).astype(np.float32),
        (bias - mean * scale).astype(np.float32),
    )


def names(architecture: str) -> set[str]:
    """Return the names of the tensors that a network is made of."""
    return {
        name
        for block in blocks(architecture)
        for conv in block.convs
        for name in (f"{conv.name}.weight", *(f"{conv.norm}.{part}" for part in _NORM))
    }


def _taken(tensors: Mapping[str, Array], name: str, shape: tuple[int, ...]) -> Array:
    tensor = tensors.get(name)
    if tensor is None:
        raise WeightsError(f"the tensor {name} is missing")
    if tensor.shape != shape or tensor.dtype != np.float32:
        raise WeightsError(
            f"the tensor {name} is not this network's",
            expected=f"float32 {shape}",
            got=f"{tensor.dtype} {tensor.shape}",
        )
    if not bool(np.isfinite(tensor).all()):
        raise WeightsError(f"the tensor {name} holds something else than finite numbers")
    return tensor
