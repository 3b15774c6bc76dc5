"""Where in a photo the evidence for a class is: Grad-CAM, for any backbone and any head.

Selvaraju et al. (2017), "Grad-CAM: visual explanations from deep networks via gradient-based
localization", arXiv:1610.02391. Of every feature map that the head sees, each channel counts by
the mean gradient of the class's logit; where the head sees every place of the map for itself
(pooling ``"flatten"``), by the gradient at each place (Draelos & Carin, 2020, arXiv:2011.08891).
With an averaging pooling and a linear head, what the places add up to is the logit itself, but for
its bias. A transformer that reads its class from a token of its own is asked before its last block,
where the evidence is still in the patches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from photograft.backbones.registry import Backbone
from photograft.classifier import Classifier
from photograft.errors import InputError
from photograft.transforms import Pixels, prepare

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Look:
    """What one look at a photo gives.

    Attributes:
        heat: Evidence for the class, float32, shape ``(h, w)`` of the last feature map's grid, in
            [0, 1]: its largest value is 1, or all are 0 where nothing speaks for the class.
        evidence: The same before what speaks against the class is cut off and it is scaled: float32
            of that shape, in units of the logit.
        features: The last layer that the head sees, pooled: float32, shape ``(num_features,)``.
        logits: Of all classes, float64, shape ``(num_classes,)``.
        class_index: The class that it is about.
    """

    heat: Floats
    evidence: Floats
    features: Floats
    logits: npt.NDArray[np.float64]
    class_index: int


class HeatMaps:
    """A classifier's network, built once, for the heat maps of many photos.

    It runs in float32 on the processor, whatever engine the classifier was trained with.

    Args:
        classifier: Any.

    Raises:
        WeightsError: Its backbone's weights are not here.
    """

    def __init__(self, classifier: Classifier) -> None:
        from photograft.backbones.frozen import Normalisation
        from photograft.backbones.pooling import layer_places
        from photograft.backbones.zoo import build

        located = classifier.located()
        backbone = located.backbone
        self._network: Any = build(backbone, located.weights_path).requires_grad_(False)
        self._normalisation = Normalisation(backbone)
        used = tuple(layer for layer in backbone.layers if layer.name in classifier.layers)
        self._places = layer_places(self._network, replace(backbone, layers=used))
        self._classifier = located

    def look(self, photo: bytes | Pixels, class_index: int | None = None) -> Look:
        """Return where the evidence for a class is in a photo.

        Args:
            photo: A file's bytes, or what `transforms.prepare` makes of them: uint8, shape
                ``(height, width, 3)``.
            class_index: The class; the most probable one where not given.

        Raises:
            ImageError: The bytes are no usable picture.
            InputError: The backbone's output can't be laid out over a photo.
        """
        import torch

        maps, pooled = zip(*self._pooled(self._pixels(photo)), strict=True)
        features = torch.cat(pooled, dim=1)
        logits = self._logits(features)[0]
        c = int(logits.argmax()) if class_index is None else class_index
        # Softmax does not change by what is added to all logits; and the first class of a sigmoid
        # has a logit of its own only in this way.
        gradients = torch.autograd.grad(logits[c] - logits.mean(), maps, allow_unused=True)
        grids = [
            self._evidence(source.detach(), gradient, pooling)
            for source, gradient, (_, pooling) in zip(maps, gradients, self._places, strict=True)
        ]
        evidence = _added_up(grids).numpy()
        positive = np.maximum(evidence, 0)
        heat = positive / positive.max() if positive.max() > 0 else positive
        return Look(
            heat=heat.astype(np.float32),
            evidence=evidence,
            features=pooled[-1][0].detach().numpy(),
            logits=logits.detach().numpy(),
            class_index=c,
        )

    def features(self, photo: bytes | Pixels) -> Floats:
        """Return the last layer that the head sees, pooled: float32, shape ``(num_features,)``.

        Unlike `look` it works for every backbone.

        Args:
            photo: As in `look`.

        Raises:
            ImageError: The bytes are no usable picture.
        """
        values: Floats = self._pooled(self._pixels(photo))[-1][1][0].detach().numpy()
        return values

    def _pixels(self, photo: bytes | Pixels) -> torch.Tensor:
        import torch

        known = self._classifier
        if isinstance(photo, bytes):
            photo = prepare(photo, known.backbone, max_pixels=known.max_pixels)
        return torch.from_numpy(photo[None].copy())

    def _pooled(self, pixels: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return, for each layer, the map whose gradient is taken and the features made of it."""
        from photograft.backbones.pooling import pool

        x = self._normalisation(pixels)
        indices = [i for i, _ in self._places if i is not None]
        tokens: list[torch.Tensor] = []
        hook = self._watch_last_block(tokens)
        try:
            if indices:
                last, found = self._network.forward_intermediates(x, indices=indices)
            else:
                last, found = self._network.forward_features(x), []
        finally:
            if hook is not None:
                hook.remove()
        maps = dict(zip(indices, found, strict=True))
        pairs = []
        for i, pooling in self._places:
            if i is not None:
                source = maps[i].detach().requires_grad_()
                whole = pooling == "flatten"
                values = source.flatten(1) if whole else source.mean(dim=(2, 3))
                pairs.append((source, values.float()))
            elif tokens:
                pairs.append((tokens[-1], pool(self._network, last, pooling)))
            else:
                source = last.detach().requires_grad_()
                # A copy: what follows may work in place, which a leaf of the graph forbids.
                pairs.append((source, pool(self._network, source.clone(), pooling)))
        return pairs

    def _watch_last_block(self, tokens: list[torch.Tensor]) -> Any:
        """Have the last block's input, where it is a row of tokens, put into a list."""
        blocks = getattr(self._network, "blocks", None)
        if all(i is not None for i, _ in self._places) or not blocks:
            return None

        def begin(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
            if not inputs or inputs[0].ndim != 3:
                return None
            tokens.append(inputs[0].detach().requires_grad_())
            return (tokens[-1].clone(), *inputs[1:])

        return blocks[-1].register_forward_pre_hook(begin)

    def _logits(self, features: torch.Tensor) -> torch.Tensor:
        """Return what `Head.logits` gives, float64, shape ``(n, num_classes)``, for torch."""
        import torch

        head, x = self._classifier.head, features.double()
        for i, (weight, bias) in enumerate(zip(head.weights, head.biases, strict=True)):
            matrix, shift = (torch.tensor(part, dtype=torch.float64) for part in (weight, bias))
            x = (x.relu() if i else x) @ matrix + shift
        return torch.cat([torch.zeros_like(x), x], dim=1) if head.coding == "sigmoid" else x

    def _evidence(
        self, source: torch.Tensor, gradient: torch.Tensor | None, pooling: str
    ) -> torch.Tensor:
        """Return the evidence of each place, float32, shape ``(h, w)``."""
        values = self._laid_out(source)
        if gradient is None:
            raise self._without_a_map("its classes do not depend on its map")
        slopes = self._laid_out(gradient)
        if source.ndim == 3 and not bool(slopes.any()) and bool(gradient.any()):
            raise self._without_a_map("its class token stands apart from its patches")
        if pooling != "flatten" or source.ndim == 3:
            slopes = slopes.mean(dim=(1, 2), keepdim=True)
        return (slopes * values).sum(dim=0).float()

    def _laid_out(self, source: torch.Tensor) -> torch.Tensor:
        """Return a map of one photo as ``(channels, h, w)``."""
        network = self._network
        if source.ndim == 4:
            channels_last = getattr(network, "output_fmt", "NCHW") == "NHWC"
            # Earlier layers' maps come with the channels first whatever the last one has.
            is_last = channels_last and source.shape[-1] == network.num_features
            return source[0].permute(2, 0, 1) if is_last else source[0]
        if source.ndim == 3:
            count = source.shape[1]
            for prefix in (getattr(network, "num_prefix_tokens", None) or 0, 0):
                rows, columns = self._grid(count - prefix)
                if rows * columns == count - prefix > 1:
                    return source[0, prefix:].T.reshape(-1, rows, columns)
        raise self._without_a_map(f"its last output has the shape {tuple(source.shape[1:])}")

    def _grid(self, count: int) -> tuple[int, int]:
        rows, columns = getattr(getattr(self._network, "patch_embed", None), "grid_size", None) or (
            0,
            0,
        )
        if rows * columns == count:
            return rows, columns
        side = math.isqrt(max(count, 0))
        return side, side

    def _without_a_map(self, why: str) -> InputError:
        name = self._classifier.backbone.name
        return InputError(
            f"there is no heat map for the backbone {name}",
            expected="a network whose last output lies over the photo as a grid",
            got=why,
            fix="Its nearest training photos can still be shown.",
        )


def heat_map(
    classifier: Classifier, photo: bytes | Pixels, class_index: int | None = None
) -> Floats:
    """Return where in a photo the evidence for a class is; `HeatMaps` is for many photos.

    Args:
        classifier: Any.
        photo: A file's bytes, or prepared pixels, uint8, shape ``(height, width, 3)``.
        class_index: The class; the most probable one where not given.

    Returns:
        Float32, shape ``(h, w)`` of the feature map's grid, in [0, 1]; see `in_photo`.

    Raises:
        ImageError: The bytes are no usable picture.
        InputError: The backbone's output can't be laid out over a photo.
        WeightsError: The backbone's weights are not here.
    """
    return HeatMaps(classifier).look(photo, class_index).heat


def seen_box(backbone: Backbone, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return which part of a photo the network sees: left, top, right, bottom, in pixels.

    Args:
        backbone: Its record says how photos are resized and cropped.
        size: Width and height of the photo, upright.
    """
    height, width = backbone.input_size
    whole = (math.floor(width / backbone.crop_pct), math.floor(height / backbone.crop_pct))
    if backbone.crop_mode == "squash":
        across, down = size[0] * width / whole[0], size[1] * height / whole[1]
    else:  # the shorter side decides, and the middle of the longer one is seen
        scale = max(whole[0] / size[0], whole[1] / size[1])
        across, down = width / scale, height / scale
    across, down = min(across, size[0]), min(down, size[1])
    left, top = (size[0] - across) / 2, (size[1] - down) / 2
    return left, top, left + across, top + down


def in_photo(heat: Floats, backbone: Backbone, size: tuple[int, int]) -> Floats:
    """Lay a heat map over the photo that it is of.

    Args:
        heat: Of the feature map's grid, shape ``(h, w)``, in [0, 1].
        backbone: That it is of.
        size: Width and height of the photo, upright; or of a copy of another size.

    Returns:
        Float32, shape ``(height, width)``, in [0, 1], smooth; 0 where the network saw nothing.
    """
    from PIL import Image

    box = seen_box(backbone, size)
    left, top = round(box[0]), round(box[1])
    across = max(1, min(round(box[2]), size[0]) - left)
    down = max(1, min(round(box[3]), size[1]) - top)
    smooth = Image.fromarray(heat.astype(np.float32)).resize(
        (across, down), Image.Resampling.BICUBIC
    )
    values = np.maximum(np.asarray(smooth), 0)
    # Between the places it may rise a little above them: scaled, not cut off into a plateau.
    values *= heat.max() / max(float(values.max()), float(heat.max()), 1e-12)
    found = np.zeros((size[1], size[0]), np.float32)
    found[top : top + down, left : left + across] = values
    return found


def _added_up(grids: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the sum of maps on the last one's grid; what a place of it covers is added up."""
    from torch.nn import functional

    last = grids[-1]
    total = last
    for grid in grids[:-1]:
        cells = functional.adaptive_avg_pool2d(grid[None, None], (last.shape[0], last.shape[1]))[
            0, 0
        ]
        total = total + cells * (grid.numel() / last.numel())
    return total
