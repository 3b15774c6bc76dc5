"""An ONNX model, run by ONNX Runtime."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime

from photograft.backbones.running import Run
from photograft.core.arrays import Floats, Pixels
from photograft.core.errors import ConversionError, first_line

#: Fatal errors only: what else goes wrong comes as an exception.
_SILENT = 4


#: What it calls a device: it takes the processor for what the device can't do.
PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
    "coreml": ("CoreMLExecutionProvider", "CPUExecutionProvider"),
    "directml": ("DmlExecutionProvider", "CPUExecutionProvider"),
}


def has_device(device: str) -> bool:
    """Return whether this ONNX Runtime was built for a device."""
    return PROVIDERS[device][0] in onnxruntime.get_available_providers()


def open_model(model: bytes, at_once: int, device: str = "cpu") -> Run:
    """Return what runs a model, in float32.

    Args:
        model: Serialised.
        at_once: How many photos are in it at the same time, each on a core.
        device: What it computes on.

    Raises:
        ConversionError: ONNX Runtime can't run it.
    """
    options = silent_options()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(model, options, providers=[*PROVIDERS[device]])
    except Exception as error:  # its own kinds have no common base
        raise ConversionError(f"ONNX Runtime can't open a network ({first_line(error)})") from error
    if session.get_providers()[:1] != [PROVIDERS[device][0]]:
        # It says nothing where a driver is missing, and goes on by itself on the processor.
        raise ConversionError(f"ONNX Runtime can't use the device {device} here")
    name = session.get_inputs()[0].name
    executor = ThreadPoolExecutor(at_once, "network")

    def run(pixels: Pixels) -> list[Floats]:
        photos = [{name: pixels[i : i + 1]} for i in range(len(pixels))]
        if len(photos) == 1:
            found: list[Floats] = session.run(None, photos[0])
            return found
        each = executor.map(lambda photo: session.run(None, photo), photos)
        return [np.concatenate(parts) for parts in zip(*each, strict=True)]

    return run


def silent_options() -> onnxruntime.SessionOptions:
    """Return how a network is opened without a word, to the user or to anybody else."""
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    return options
