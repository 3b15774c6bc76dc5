"""What runs a frozen backbone: torch, or OpenVINO where it is installed.

OpenVINO is two to three times as fast on the processors that were measured. The choice is part of
the feature store's key: the engines agree to rounding, not to the last bit.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photograft.backbones.precision import choose_precision
from photograft.backbones.pytorch.device import accelerator_precision, find_device
from photograft.backbones.registry import BATCH_SIZE, Backbone
from photograft.core.errors import ConversionError, InputError

Features = npt.NDArray[np.float32]
#: Pixels of up to `BATCH_SIZE` photos in, ``(n, height, width, 3)``, uint8; features out,
#: ``(n, num_features)``, float32.
Network = Callable[[npt.NDArray[np.uint8]], Features]
#: A photo's pixels in, ``(height, width, 3)``, uint8; each layer's map out,
#: ``(channels, h, w)``, float32, and the features that pooling them gives, joined.
Maps = Callable[[npt.NDArray[np.uint8]], tuple[list[Features], Features]]


@dataclass(frozen=True)
class Engine:
    """What runs a network, and in which arithmetic.

    Attributes:
        name: ``"openvino"`` or ``"torch"``.
        precision: ``"bf16"`` or ``"fp32"``.
        device: ``"cpu"``, or torch's name of an accelerator.
    """

    name: str
    precision: str
    device: str = "cpu"

    def available(self) -> Engine:
        """Return this engine, or what stands in for it where it, or its device, is not here."""
        if self.device != "cpu" and find_device() != self.device:
            return replace(self, device="cpu").available()
        return self if self.name == "torch" or _is_installed() else self.fallback()

    def fallback(self) -> Engine:
        """Return torch at the same precision."""
        return Engine("torch", self.precision, self.device)


def choose_engine(name: str = "auto", precision: str = "auto", device: str = "auto") -> Engine:
    """Choose what runs fastest on this machine, where the user does not say.

    Args:
        name: ``"auto"``, ``"openvino"`` or ``"torch"``.
        precision: ``"auto"``, ``"bf16"`` or ``"fp32"``.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Raises:
        InputError: The engine or device that was asked for is not there.
    """
    if device == "auto" and name != "openvino":
        device = find_device()
    if device not in ("auto", "cpu"):
        if name == "openvino":
            raise InputError(
                f"the engine openvino does not run on {device}", expected="--engine torch"
            )
        return Engine("torch", accelerator_precision(device, precision), device)
    if name == "openvino" and not _is_installed():
        raise InputError(
            "the engine openvino is not installed",
            fix="Run: pip install 'photograft[openvino]', or choose --engine torch.",
        )
    if name == "auto":
        name = "openvino" if _is_installed() else "torch"
    return Engine(name, choose_precision(precision))


def engine_versions(engine: Engine) -> dict[str, str]:
    """Return the versions of the packages that decide an engine's features."""
    names = ["pillow", "timm", "torch", *(["openvino"] if engine.name == "openvino" else [])]
    return {name: importlib.metadata.version(name) for name in names}


def open_network(backbone: Backbone, path: Path | None, engine: Engine, folder: Path) -> Network:
    """Build the network that gives a backbone's features.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.
        engine: What runs it.
        folder: Where a converted network is kept for the next time. It must serve this backbone,
            these weights and these versions only.

    Raises:
        WeightsError: The weights don't fit the network.
        ConversionError: OpenVINO can't run this network, or not with the same result.
        StorageError: `folder` can't be written to.
    """
    network: Network
    if engine.name == "openvino":
        from photograft.backbones.openvino.network import OpenVinoNetwork, is_intact

        if not is_intact(folder):
            from photograft.backbones.openvino.conversion import convert  # torch, this once

            convert(backbone, path, folder)
        network = OpenVinoNetwork(folder, engine.precision)
    else:
        from photograft.backbones.pytorch.network import FrozenNetwork  # torch, only where needed

        network = FrozenNetwork(backbone, path, engine.precision, engine.device)
    return lambda pixels: network(_filled(pixels))[: len(pixels)]


def open_maps(
    backbone: Backbone, names: Sequence[str], engine: Engine, folder: Path
) -> Maps | None:
    """Return what gives a backbone's feature maps without torch, where there is such a thing.

    Args:
        backbone: The record.
        names: Of the layers that are wanted.
        engine: What runs the network.
        folder: As in `open_network`; nothing is converted.
    """
    if engine.name != "openvino" or not is_prepared(engine, folder):
        return None
    from photograft.backbones.openvino.maps import OpenVinoMaps

    try:
        return OpenVinoMaps(backbone, names, folder)
    except ConversionError:
        return None


def is_prepared(engine: Engine, folder: Path) -> bool:
    """Return whether `open_network` finds what it needs in `folder`, and so is quick."""
    return engine.name == "torch" or (folder / "network.json").exists()


def _is_installed() -> bool:
    return importlib.util.find_spec("openvino") is not None


def _filled(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    missing = BATCH_SIZE - len(pixels)
    if not missing:
        return pixels
    return np.concatenate([pixels, np.zeros((missing, *pixels.shape[1:]), np.uint8)])
