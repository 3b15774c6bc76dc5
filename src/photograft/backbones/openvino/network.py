"""A converted backbone, run by OpenVINO.

The import of OpenVINO reports its use to its makers over the network; so it is done here without
its reporter.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photograft.backbones.openvino.hiding import hidden
from photograft.core.errors import ConversionError
from photograft.core.files import sha256_of

with hidden("openvino_telemetry"):
    import openvino

Features = npt.NDArray[np.float32]

NAME = "network"
FILES = (f"{NAME}.bin", f"{NAME}.xml")
#: OpenVINO's names of precisions.
PRECISIONS = {"bf16": "bf16", "fp32": "f32"}


class OpenVinoNetwork:
    """A backbone run by OpenVINO.

    Args:
        folder: Holds the converted network.
        precision: ``"bf16"`` or ``"fp32"``.

    Raises:
        ConversionError: OpenVINO can't open it.
    """

    def __init__(self, folder: Path, precision: str) -> None:
        self._compiled = compile_model(network_file(folder), PRECISIONS[precision])

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> Features:
        """Return features; see `engines.Network`."""
        return np.array(self._compiled(pixels)[0])


def network_file(folder: Path) -> Path:
    """Return where a converted network lies in its folder."""
    return folder / f"{NAME}.xml"


def is_intact(folder: Path) -> bool:
    """Return whether `folder` holds a converted network as it was written."""
    try:
        digests = json.loads((folder / f"{NAME}.json").read_text())
        return all(sha256_of(folder / name) == digests[name] for name in FILES)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def compile_model(model: Path | openvino.Model, precision: str) -> openvino.CompiledModel:
    """Return a network that is ready to run, at one of OpenVINO's precisions."""
    hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    try:
        return openvino.Core().compile_model(model, "CPU", hints)
    except RuntimeError as error:
        raise ConversionError(f"OpenVINO can't open a network ({first_line(error)})") from error


def first_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
