"""Which accelerator torch can use here, and in which arithmetic."""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from photograft.core.errors import InputError
from photograft.core.optional import has_torch

if TYPE_CHECKING:
    import torch


#: Those of torch.
DEVICES = ("cpu", "cuda", "mps")


def sent(array: npt.NDArray[np.generic], device: str) -> torch.Tensor:
    """Return an array as a tensor on a device.

    To an NVIDIA GPU it goes from pinned memory, while the processor goes on: the GPU works in the
    order in which it is asked.
    """
    import torch

    tensor = torch.from_numpy(array)
    if device != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def find_device() -> str:
    """Return the accelerator that torch can use here, or ``"cpu"``.

    torch is asked only where the system shows signs of one: asking takes seconds.
    """
    nvidia = Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi") is not None
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    if not (nvidia or apple) or not has_torch():
        return "cpu"
    import torch

    if nvidia and torch.cuda.is_available():
        return "cuda"
    return "mps" if apple and torch.backends.mps.is_available() else "cpu"


def accelerator_precision(device: str, precision: str) -> str:
    """Return the precision on an accelerator, having made sure that it is there.

    Raises:
        InputError: torch finds no such device.
    """
    import torch

    there = torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available()
    if not there:
        raise InputError(
            f"torch finds no {device} device here",
            fix="Choose --device cpu, or install the driver and a torch that fits it.",
        )
    if precision != "auto":
        return precision
    return "bf16" if device == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
