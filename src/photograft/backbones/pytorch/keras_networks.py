"""Keras's ImageNet networks: the same structure in PyTorch, so that Keras's weights serve in it.

timm has networks of these names that differ from Keras's in what no tensor's shape shows: where
zeros are padded, which convolution of a block has the stride, the epsilon of batch normalisation.
Keras's weights put into those give features that are wrong and look right.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

from photograft.backbones.pytorch.keras_files import read_weights
from photograft.core.errors import UnknownNameError


@dataclass(frozen=True, kw_only=True)
class KerasNetwork:
    """A network of ``keras.applications``, without its classification layers.

    Attributes:
        name: What the user calls it, and the first of its names.
        architecture: timm's network of the same layers.
        input_size: Height and width that Keras takes unless told otherwise, in pixels.
        mean: Subtracted from each of R, G, B, which are scaled to [0, 1].
        std: Then divided by.
        is_bgr: Whether its weights expect B, G, R: the first kernels are then turned round.
        epsilon: Of batch normalisation.
        licence: Licence of Keras's weights.
        paper: Address of the paper.
        also: Other names under which it is known.
        options: What timm is told when it builds the network.
    """

    name: str
    architecture: str
    input_size: tuple[int, int] = (224, 224)
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    is_bgr: bool = False
    epsilon: float = 1e-3
    licence: str
    paper: str
    also: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


#: Keras's mode "caffe": the mean over ImageNet subtracted, nothing scaled.
_CAFFE: dict[str, Any] = {
    "mean": (123.68 / 255, 116.779 / 255, 103.939 / 255),
    "std": (1 / 255, 1 / 255, 1 / 255),
    "is_bgr": True,
}

#: The networks by name.
KERAS: dict[str, KerasNetwork] = {
    network.name: network
    for network in (
        KerasNetwork(
            name="vgg16",
            architecture="vgg16",
            licence="CC-BY-4.0",
            paper="https://arxiv.org/abs/1409.1556",
            options={"mlp_ratio": 1 / 4096},  # its fully connected part, thrown away, kept small
            **_CAFFE,
        ),
        KerasNetwork(
            name="mobilenet",
            architecture="mobilenetv1_100",
            licence="Apache-2.0",
            paper="https://arxiv.org/abs/1704.04861",
            also=("mobilenet_v1", "mobilenetv1"),
            options={"pad_type": "same"},
        ),
        KerasNetwork(
            name="mobilenet_v2",
            architecture="mobilenetv2_100",
            licence="Apache-2.0",
            paper="https://arxiv.org/abs/1801.04381",
            also=("mobilenetv2",),
            options={"pad_type": "same"},
        ),
        KerasNetwork(
            name="resnet50",
            architecture="resnet50",
            epsilon=1.001e-5,
            licence="MIT",
            paper="https://arxiv.org/abs/1512.03385",
            **_CAFFE,
        ),
        KerasNetwork(
            name="inception_v3",
            architecture="inception_v3",
            input_size=(299, 299),
            licence="Apache-2.0",
            paper="https://arxiv.org/abs/1512.00567",
            also=("inceptionv3",),
        ),
        KerasNetwork(
            name="xception",
            architecture="legacy_xception",
            input_size=(299, 299),
            licence="MIT",
            paper="https://arxiv.org/abs/1610.02357",
        ),
    )
}

_NAMES = {n: k for k in KERAS.values() for n in (k.name, k.architecture, *k.also)}


def keras_network(name: str) -> KerasNetwork:
    """Return a network's record by any of its names; capitals and timm's tags don't count.

    Raises:
        UnknownNameError: Keras has no such network, or it is not one of those known here.
    """
    try:
        return _NAMES[name.partition(".")[0].lower()]
    except KeyError:
        raise UnknownNameError(
            "network for Keras's weight files",
            name,
            _NAMES,
            fix=f"Those known are {', '.join(KERAS)}.",
        ) from None


def name_in(file: str) -> str:
    """Return the network that a file of weights is of, by the name that Keras gave it.

    Raises:
        UnknownNameError: It begins with the name of none of those known here.
    """
    for name in sorted(_NAMES, key=len, reverse=True):
        if file.lower().startswith(name):
            return _NAMES[name].name
    raise UnknownNameError(
        "network of Keras's that a file begins with",
        file,
        (),
        fix=f"Give the network's name, and --weights FILE. Those known are {', '.join(KERAS)}.",
    )


def build(name: str, *, seed: int = 0) -> nn.Module:
    """Build a network as Keras does, without its classification layers, in eval mode.

    Args:
        name: Any name that `keras_network` takes.
        seed: Of its random weights; torch's own random state stays as it is.

    Returns:
        timm's network, its methods and the names of its tensors unchanged.

    Raises:
        UnknownNameError: There is no such network.
    """
    import timm  # two seconds, which an architecture spec does without

    record = keras_network(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: Any = timm.create_model(record.architecture, num_classes=0, **record.options)
    if record.name == "vgg16":
        network.pre_logits, network.head_hidden_size = nn.Identity(), network.num_features
    elif record.name == "mobilenet":
        for block in network.blocks.modules():
            if isinstance(conv := getattr(block, "conv_dw", None), nn.Conv2d):
                block.conv_dw = _EndPaddedConv2d(conv) if conv.stride == (2, 2) else conv
    elif record.name == "resnet50":
        for stage in (network.layer2, network.layer3, network.layer4):
            stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    elif record.name == "inception_v3":
        for block in network.children():
            if hasattr(block, "branch_pool"):
                block.branch_pool = _AfterAverage(block.branch_pool)
    elif record.name == "xception":
        for block in (network.block1, network.block2, network.block3, network.block12):
            block.rep[-1] = _SameMaxPool2d(3, 2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = record.epsilon
    return cast("nn.Module", network.eval())


class _EndPaddedConv2d(nn.Conv2d):
    """A 3x3 convolution with a row and a column of zeros at the end, none at the start.

    On even sizes that is TensorFlow's "same"; on odd ones it gives one row and column less.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(
            conv.in_channels, conv.out_channels, 3, 2, groups=conv.groups, bias=False, device="meta"
        )
        self.weight = conv.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(functional.pad(x, (0, 1, 0, 1)))


class _SameMaxPool2d(nn.MaxPool2d):
    """A 3x3 maximum of stride 2, padded as TensorFlow's "same": even sizes at the end only."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[2:]
        padding = (width % 2, 1, height % 2, 1)
        padded = functional.pad(x, padding, value=float("-inf"))
        return functional.max_pool2d(padded, self.kernel_size, self.stride)


class _AfterAverage(nn.Module):
    """A convolution that follows a 3x3 average of stride 1.

    timm's average counts the zeros around the picture, Keras's does not: at the edge it is larger.
    """

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.conv, self.bn = block.conv, block.bn

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ones = torch.ones(1, 1, *x.shape[2:], device=x.device)
        part = functional.avg_pool2d(ones, kernel_size=3, stride=1, padding=1)
        y: torch.Tensor = self.bn(self.conv(x * (1 / part).to(x.dtype)))
        return y


def load(network: nn.Module, name: str, path: Path) -> None:
    """Put Keras's weights into a network of `build`.

    Args:
        network: What `build` gave for the same name.
        name: Any name that `keras_network` takes.
        path: A ``*_notop.h5`` file or a similar one; see `keras_files.read_weights`.

    Raises:
        UnknownNameError: There is no such network.
        WeightsError: h5py is not installed.
        ValueError: The file does not hold this network's weights.
    """
    record = keras_network(name)
    tensors = read_weights(path, record.name, network)
    if record.is_bgr:
        first = next(key for key, tensor in tensors.items() if tensor.shape[1:2] == (3,))
        tensors[first] = tensors[first].flip(1)
    counters = {k: v for k, v in network.state_dict().items() if k.endswith("num_batches_tracked")}
    network.load_state_dict({**tensors, **counters})
