"""Small convolutional networks from a line of text, for training from random weights.

``"convnet:c32 p c64 p"`` is a convolution of 32 channels, a pooling, one of 64 channels, a pooling:

    cN  convolution 3 × 3, N channels, no padding, ReLU
    sN  the same, padded so that height and width stay
    nN  the same as s, with batch normalisation before the ReLU
    p   max pooling 2 × 2
    g   grey: the mean of the channels (first, if at all)
    zN  ZCA whitening of photos of N × N pixels (before the convolutions, if at all)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import nn

from photograft.core.errors import InputError

PREFIX = "convnet:"

#: The default: four to six times convolution, batch normalisation and pooling.
_WIDTHS = (32, 64, 128, 256, 256, 512)
_MOST_BLOCKS = 6
_LAST_SIZE = 5
_FEW_PHOTOS = 500

#: The whitening matrix grows with the fourth power of a photo's side.
_LARGEST_WHITENED = 40
#: Added to variances, so that directions without any are not blown up.
_WHITENING_EPSILON = 1e-4


class Grey(nn.Module):
    """The mean of the channels: ``(n, 3, h, w)`` -> ``(n, 1, h, w)``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean."""
        return x.mean(dim=1, keepdim=True)


class Whitening(nn.Module):
    """ZCA whitening of all values of a photo.

    Krizhevsky (2009), "Learning multiple layers of features from tiny images".

    Args:
        num_values: Channels × height × width. Until `fit`, it leaves them as they are.
    """

    mean: torch.Tensor
    matrix: torch.Tensor

    def __init__(self, num_values: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_values))
        self.register_buffer("matrix", torch.eye(num_values))

    def fit(self, x: torch.Tensor) -> None:
        """Take mean and covariance from photos ``(n, channels, h, w)``."""
        values = x.flatten(1).double()
        mean = values.mean(dim=0)
        variances, axes = torch.linalg.eigh((values - mean).T @ (values - mean) / len(values))
        scale = 1 / (variances.clamp(min=0) + _WHITENING_EPSILON).sqrt()
        self.mean.copy_(mean)
        self.matrix.copy_((axes * scale) @ axes.T)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return whitened photos of the same shape."""
        white: torch.Tensor = (x.flatten(1) - self.mean) @ self.matrix
        return white.reshape(x.shape)


class ConvNet(nn.Module):
    """A stack of convolutions; it answers to the same calls as timm's networks.

    Args:
        text: What it consists of, without the prefix.

    Raises:
        InputError: The text can't be understood.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.features = nn.Sequential()
        for name, module in _modules(text):
            self.features.add_module(name, module)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the feature map, shape ``(n, channels, h, w)``, of pixels ``(n, 3, h, w)``."""
        result: torch.Tensor = self.features(x)
        return result

    def forward_head(self, x: torch.Tensor, pre_logits: bool = True) -> torch.Tensor:
        """Return the mean of a feature map over its places, shape ``(n, channels)``."""
        del pre_logits
        return x.mean(dim=(2, 3))

    def map_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Return channels, height and width of the feature map, without running anything.

        Args:
            height: Of the input, in pixels.
            width: Likewise.

        Raises:
            RuntimeError: The input is too small, or not the one that is whitened.
        """
        channels = 3
        for module in self.features:
            if isinstance(module, Grey):
                channels = 1
            elif isinstance(module, Whitening) and len(module.mean) != channels * height * width:
                raise RuntimeError(f"photos of {height} × {width} are not those that are whitened")
            elif isinstance(module, nn.MaxPool2d):
                height, width = height // 2, width // 2
            elif isinstance(module, nn.Conv2d):
                channels = module.out_channels
                if not module.padding[0]:
                    height, width = height - 2, width - 2
            if min(height, width) < 1:
                raise RuntimeError("the input is too small")
        return channels, height, width


def default_text(input_size: int, num_photos: int) -> str:
    """Return a sensible network for a size of input and a number of training photos.

    Args:
        input_size: Side of the square input, in pixels.
        num_photos: Fewer photos get half as many channels.
    """
    blocks = 1
    while blocks < _MOST_BLOCKS and input_size // 2 ** (blocks + 1) >= _LAST_SIZE:
        blocks += 1
    divisor = 2 if num_photos < _FEW_PHOTOS else 1
    return " ".join(f"n{width // divisor} p" for width in _WIDTHS[:blocks])


def _whitening(side: int, channels: int) -> Whitening:
    if not 0 < side <= _LARGEST_WHITENED:
        raise InputError(
            f"photos of {side} × {side} are too large to be whitened",
            expected=f"an input size up to {_LARGEST_WHITENED}",
        )
    return Whitening(channels * side * side)


def with_whitening(text: str, side: int) -> str:
    """Return the text of a network that whitens photos first.

    >>> with_whitening("convnet:g c8 p", 28)
    'convnet:g z28 c8 p'
    """
    parts = text.removeprefix(PREFIX).split()
    place = 1 if parts[:1] == ["g"] else 0
    return PREFIX + " ".join([*parts[:place], f"z{side}", *parts[place:]])


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Set random weights as Glorot & Bengio (2010) draw them, uniform, and zero biases."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _modules(text: str) -> Iterator[tuple[str, nn.Module]]:
    channels, convolutions, pools = 3, 0, 0
    for i, part in enumerate(text.split()):
        match = re.fullmatch(r"([csnz])(\d{1,5})", part)
        if part == "g" and i == 0:
            channels = 1
            yield "grey", Grey()
        elif match and match[1] == "z" and not convolutions:
            yield "whitening", _whitening(int(match[2]), channels)
        elif part == "p":
            pools += 1
            yield f"pool{pools}", nn.MaxPool2d(2)
        elif match and match[1] != "z" and int(match[2]):
            kind, width = match[1], int(match[2])
            convolutions += 1
            yield (
                f"conv{convolutions}",
                nn.Conv2d(channels, width, 3, padding=0 if kind == "c" else 1, bias=kind != "n"),
            )
            if kind == "n":
                yield f"norm{convolutions}", nn.BatchNorm2d(width)
            yield f"relu{convolutions}", nn.ReLU()
            channels = width
        else:
            raise InputError(
                f"{part!r} in the network {PREFIX}{text} can't be understood",
                expected="cN, sN or nN with a number of channels, or p, with spaces between",
            )
    if not convolutions:
        raise InputError("a network needs at least one convolution", got=PREFIX + text)
