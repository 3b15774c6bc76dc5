"""A classifier as a program of torch's (``.pt2``): from photos of any size to its answer.

Made from the network's weights and not from the ONNX graph: so it takes torch, and a network that
torch builds. It is a graph of torch's operations and no pickle of ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from torch import nn

from photograft.backbones.pytorch.export import hushed
from photograft.backbones.pytorch.network import PooledNetwork
from photograft.backbones.registry import Backbone
from photograft.classifier.classifier import Classifier
from photograft.classifier.export.names import FEATURES, LOGITS, OOD_SCORE, PIXELS, PROBABILITIES
from photograft.classifier.export.order import Order
from photograft.classifier.export.resizing import begins_vertically_here
from photograft.classifier.export.weights import BITS, REACH
from photograft.classifier.opening import Look
from photograft.classifier.uncertainty.ood_detector import HEAD_SHARE, LOCAL_SHARE, OODDetector
from photograft.classifier.uncertainty.uncertainty import LEAST_PROBABILITY
from photograft.core.errors import ConversionError, InputError, first_line
from photograft.features.similarity import SMALLEST_SQUARED

Tensor = torch.Tensor


def write(classifier: Classifier, folder: Path, order: Order) -> None:
    """Write the program; see `exporters`.

    Raises:
        ConversionError: Torch can't export this network.
        InputError: It is an ONNX file.
    """
    looks = classifier.looks()
    for look in looks:
        if look.backbone.is_onnx:
            raise InputError(
                f"torch can't run {look.backbone.name}, which is an ONNX file", fix="Use --to onnx."
            )
    path = folder / order.name / "1" / "model.pt2"
    path.parent.mkdir(parents=True)
    module = _Program(classifier, looks).eval()
    height, width = (max(look.backbone.input_size[i] for look in looks) + 7 for i in (0, 1))
    example = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    any_size = dict.fromkeys((0, 1, 2), torch.export.Dim.DYNAMIC)
    try:
        with hushed(), torch.no_grad():
            program = torch.export.export(module, (example,), dynamic_shapes=(any_size,))
            torch.export.save(program, path)
    except Exception as error:  # whatever torch stumbles over in this network
        raise ConversionError(
            f"{classifier.backbone.name} can't be exported by torch ({first_line(error)})",
            fix="Use --to onnx.",
        ) from error


class _Program(nn.Module):
    """All of a classifier.

    Args:
        classifier: The classifier.
        looks: Its looks, located.
    """

    columns: Tensor

    def __init__(self, classifier: Classifier, looks: Sequence[Look]) -> None:
        super().__init__()
        self.looks = nn.ModuleList(_Look(look) for look in looks)
        self.views = classifier.views
        self.activation = classifier.head.activation
        self.register_buffer("columns", torch.from_numpy(classifier.columns()))
        self.depth = len(classifier.head.weights)
        layers = zip(classifier.head.weights, classifier.head.biases, strict=True)
        for i, (weight, bias) in enumerate(layers):
            self.register_buffer(f"weight{i}", torch.tensor(weight, dtype=torch.float64))
            self.register_buffer(f"bias{i}", torch.tensor(bias, dtype=torch.float64))
        known = classifier.uncertainty
        detector = known.ood_detector if known else None
        self.detector = _Detector(detector) if detector else None

    def forward(self, photos: Tensor) -> dict[str, Tensor]:
        """Return outputs by name of uint8 photos ``(n, height, width, 3)``."""
        looks = [cast("_Look", look) for look in self.looks]
        seen = [look.resizing(photos) for look in looks]
        each = [
            torch.cat(
                [
                    look(pixels if view == "plain" else pixels.flip(2))
                    for look, pixels in zip(looks, seen, strict=True)
                ],
                dim=1,
            )
            for view in self.views
        ]
        logits = [self._logits(features) for features in each]
        probabilities = torch.stack([torch.softmax(one, dim=1) for one in logits]).mean(dim=0)
        logs = torch.log(torch.clamp(probabilities, min=LEAST_PROBABILITY))
        found = {
            PROBABILITIES: probabilities.float(),
            LOGITS: (logits[0] if len(logits) == 1 else logs).float(),
            PIXELS: seen[0]
            if len(seen) == 1
            else torch.cat([pixels.flatten(1) for pixels in seen], dim=1),
            FEATURES: each[0],
        }
        if self.detector is not None:
            found[OOD_SCORE] = self.detector(each[0], logs.float())
        return found

    def _logits(self, features: Tensor) -> Tensor:
        x = features[:, self.columns].double()
        for i in range(self.depth):
            x = torch.relu(x) if i else x
            x = x @ self.get_buffer(f"weight{i}") + self.get_buffer(f"bias{i}")
        return torch.cat([torch.zeros_like(x), x], dim=1) if self.activation == "sigmoid" else x


class _Look(nn.Module):
    """A look at photos: how they are resized, and its network.

    Args:
        look: Located.
    """

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.resizing = _Resizing(look.backbone)
        self.network = PooledNetwork(look.backbone, look.path, folded=False)
        self.mirror = look.backbone.mirror

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features ``(n, num_features)`` of resized pixels."""
        features: Tensor = self.network(pixels)
        return (features + self.network(pixels.flip(2))) / 2 if self.mirror else features


class _Detector(nn.Module):
    """`OODDetector.scores`.

    Args:
        detector: The detector.
    """

    projection: Tensor
    rows: Tensor
    radii: Tensor

    def __init__(self, detector: OODDetector) -> None:
        super().__init__()
        for name in ("projection", "rows", "radii"):
            self.register_buffer(name, torch.tensor(getattr(detector, name)))
        self.bounds = detector.bounds.tolist()
        self.k, self.spread = min(detector.neighbour, len(detector.rows)), detector.spread

    def forward(self, features: Tensor, logs: Tensor) -> Tensor:
        """Return scores ``(n,)`` of features and log-probabilities."""
        parts = [features[:, first:end] for first, end in self.bounds]
        root = math.sqrt(len(parts))
        units = [
            part / torch.clamp(part.norm(dim=1, keepdim=True) * root, min=1e-12) for part in parts
        ]
        squared = 2 - 2 * (torch.cat(units, dim=1) @ self.projection) @ self.rows.T
        near, which = torch.topk(squared, self.k, dim=1, largest=False)
        distance = torch.log(torch.clamp(near[:, -1], min=SMALLEST_SQUARED))
        stray = distance - LOCAL_SHARE * self.radii[which].mean(dim=1)
        return stray / self.spread - HEAD_SHARE * logs.amax(dim=1)


class _Resizing(nn.Module):
    """What `prepare` does with Pillow, in doubles, as Pillow computes its weights.

    Args:
        backbone: Its record says how to resize and crop.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.wanted = backbone.input_size
        self.goals = backbone.scaled_size
        self.is_squashed = backbone.crop_mode == "squash"
        self.interpolation = backbone.interpolation

    def forward(self, photos: Tensor) -> Tensor:
        """Return uint8 ``(n, input height, input width, 3)``."""
        x = photos.permute(0, 3, 1, 2)
        lengths = [_ones(x.shape[2]).sum(), _ones(x.shape[3]).sum()]
        kept, scaled = self._sides(lengths)
        if self.interpolation == "nearest":
            rows, columns = (self._nearest(i, lengths, kept, scaled) for i in (0, 1))
            return x[:, :, rows][:, :, :, columns].permute(0, 2, 3, 1)
        high, wide = (self._weights(i, x.shape[2 + i], lengths, kept, scaled) for i in (0, 1))
        x = x.double()
        found = _levels(high @ _levels(x @ wide.T))
        if begins_vertically_here():
            lost = [length - side for length, side in zip(lengths, scaled, strict=True)]
            is_tall = (lost[0] > 0) & (lost[0] > 2 * lost[1])
            found = torch.where(is_tall, _levels(_levels(high @ x) @ wide.T), found)
        return found.permute(0, 2, 3, 1).to(torch.uint8)

    def _sides(self, lengths: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return how many pixels of each side are kept, and to how many these are scaled."""
        goals = [torch.tensor(float(goal), dtype=torch.float64) for goal in self.goals]
        if self.is_squashed:
            return lengths, goals
        scale = torch.maximum(goals[1] / lengths[1], goals[0] / lengths[0])
        kept = [
            torch.minimum(length, torch.ceil(2 * goal / scale))
            for length, goal in zip(lengths, goals, strict=True)
        ]
        return kept, [
            torch.maximum(goal, torch.round(k * scale)) for goal, k in zip(goals, kept, strict=True)
        ]

    def _places(self, i: int, scaled: list[Tensor]) -> Tensor:
        first = torch.floor((scaled[i] - self.wanted[i]) / 2)
        return torch.arange(self.wanted[i], dtype=torch.float64) + first

    def _weights(
        self, i: int, length: int, lengths: list[Tensor], kept: list[Tensor], scaled: list[Tensor]
    ) -> Tensor:
        """Return the weights of a side, whole numbers, ``(wanted, length)``."""
        centres = (2 * self._places(i, scaled) + 1) * kept[i]
        centres = centres + (lengths[i] - kept[i]) * scaled[i]
        x = torch.cumsum(_ones(length), 0) - 1
        away = ((2 * x + 1) * scaled[i] - centres[:, None]).abs()
        t = away / (2 * torch.maximum(kept[i], scaled[i]))
        reach = REACH[self.interpolation]
        weights = torch.where(t < reach, self._filtered(t), 0.0)
        weights = weights / weights.sum(dim=1, keepdim=True) * 2.0**BITS
        return torch.sign(weights) * torch.floor(weights.abs() + 0.5)

    def _filtered(self, t: Tensor) -> Tensor:
        if self.interpolation == "bilinear":
            return 1 - t
        if self.interpolation == "lanczos":
            return torch.sinc(t) * torch.sinc(t / 3)
        near = (1.5 * t - 2.5) * t * t + 1
        return torch.where(t < 1, near, (((t - 5) * t + 8) * t - 4) * -0.5)

    def _nearest(
        self, i: int, lengths: list[Tensor], kept: list[Tensor], scaled: list[Tensor]
    ) -> Tensor:
        """Return the nearest pixels; the steps are added up, as Pillow does."""
        step = kept[i] / scaled[i]
        steps = step.expand(2 * self.goals[i] + 2)
        first = ((lengths[i] - kept[i]) + step) * 0.5
        added = torch.cumsum(torch.cat([first[None], steps]), 0)
        return added[self._places(i, scaled).long()].long()


def _ones(length: int) -> Tensor:
    return torch.ones(length, dtype=torch.float64)


def _levels(sums: Tensor) -> Tensor:
    """Return whole pixels in [0, 255]: a double holds such a sum whole."""
    return torch.clamp(torch.floor(sums / 2.0**BITS + 0.5), 0, 255)
