"""Which engine computes on which device, and whether that is here."""

from __future__ import annotations

from photograft.backbones.pytorch.device import find_device
from photograft.core.errors import InputError, either
from photograft.core.optional import is_installed

#: Engines that compute on a device, the one that is taken first: torch and ONNX Runtime on NVIDIA's
#: processors, torch on Apple's, the others by what their makers call it.
ENGINES_ON = {
    "cuda": ("torch", "onnxruntime"),
    "mps": ("torch",),
    "tensorrt": ("onnxruntime",),
    "coreml": ("onnxruntime",),
    "directml": ("onnxruntime",),
    "gpu": ("openvino",),
    "npu": ("openvino",),
}

_FIXES = {
    "onnxruntime": "Install the ONNX Runtime that has it, such as onnxruntime-gpu or "
    "onnxruntime-directml, in place of onnxruntime; or choose --device cpu.",
    "openvino": "Install Intel's driver for it, or choose --device cpu.",
}


def engine_on(device: str, name: str) -> str:
    """Return the engine that computes on a device: the one that was asked for, or the usual one.

    Args:
        device: Not the processor.
        name: An engine, or ``"auto"``.

    Raises:
        InputError: The engine does not compute there.
    """
    engines = ENGINES_ON[device]
    if name == "auto":
        return engines[0]
    if name not in engines:
        raise InputError(
            f"the engine {name} does not run on {device}", expected=f"--engine {either(engines)}"
        )
    return name


def check_there(engine: str, device: str) -> None:
    """Make sure that an engine which runs prepared networks finds a device.

    Raises:
        InputError: It does not.
    """
    if not is_there(engine, device):
        raise InputError(f"{engine} finds no {device} device here", fix=_FIXES[engine])


def is_there(engine: str, device: str) -> bool:
    """Return whether an engine finds a device here."""
    if device == "cpu":
        return True
    if engine == "torch":
        return find_device() == device
    if not is_installed(engine):
        return False
    if engine == "openvino":
        from photograft.backbones.openvino import network as openvino  # only where asked for

        return openvino.has_device(device)
    from photograft.backbones.onnxruntime import network as onnxruntime

    return onnxruntime.has_device(device)
