"""An ONNX model, run by OpenVINO.

The import of OpenVINO reports its use to its makers over the network; so it is done here without
its reporter.
"""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

from photograft.backbones.openvino.hiding import hidden
from photograft.backbones.running import Run
from photograft.core.arrays import Floats, Pixels
from photograft.core.errors import ConversionError, first_line

with hidden("openvino_telemetry"):
    import openvino

#: OpenVINO's names of precisions, for what is not quantised.
_PRECISIONS = {"bf16": "bf16", "fp32": "f32", "int8": "f32"}
#: Photos at the door, so that no core waits for the next one to be handed over.
_WAITING = 2
#: Threads that are the first to ask OpenVINO for a tensor at the same time wait for each other, and
#: for the interpreter, for ever: the first time is within this.
_OPENING = threading.Lock()


def has_device(device: str) -> bool:
    """Return whether OpenVINO finds a device, such as ``"gpu"``."""
    return any(name.startswith(device.upper()) for name in openvino.Core().available_devices)


def open_model(model: bytes, precision: str, at_once: int, device: str = "cpu") -> Run:
    """Return what runs a model.

    Args:
        model: Serialised.
        precision: ``"bf16"``, ``"fp32"`` or ``"int8"``.
        at_once: How many photos are in it at the same time, each on a core.
        device: What it computes on; an NPU in its own precision.

    Raises:
        ConversionError: OpenVINO can't run it.
    """
    hints = _hints(precision, at_once, device)
    try:
        with _OPENING:
            core = openvino.Core()
            compiled = core.compile_model(core.read_model(model), device.upper(), hints)
            requests = [compiled.create_infer_request() for _ in range(at_once + _WAITING)]
            for tensor in (*requests[0].input_tensors, *requests[0].output_tensors):
                _ = tensor.data
    except RuntimeError as error:
        raise ConversionError(f"OpenVINO can't open a network ({reason_of(error)})") from error
    return _Running(requests)


def _hints(precision: str, at_once: int, device: str) -> dict[str, str]:
    if device == "cpu":
        return {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
            "NUM_STREAMS": str(at_once),
            "INFERENCE_NUM_THREADS": str(at_once),
            "ENABLE_CPU_PINNING": "NO",  # other threads decode photos on the same cores
        }
    hints = {"PERFORMANCE_HINT": "THROUGHPUT"}
    if device == "gpu":  # left alone, it would compute in half precision
        hints["INFERENCE_PRECISION_HINT"] = _PRECISIONS[precision]
    return hints


def reason_of(error: Exception) -> str:
    """Return what OpenVINO says after it has said where in its own code it says so."""
    own = ("Exception from", "Check ", "FrontEnd API", "Model wasn't", "-- ", "While validating")
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(own)]
    return told[0][:200] if told else first_line(error)


class _Running:
    """A network at work; all that is asked of OpenVINO is asked by one thread at a time."""

    def __init__(self, requests: list[openvino.InferRequest]) -> None:
        self._requests = requests
        self._lock = threading.Lock()

    def __call__(self, pixels: Pixels) -> list[Floats]:
        """Return a model's outputs; see `Run`."""
        found: list[list[Floats]] = []
        under_way: deque[openvino.InferRequest] = deque()
        with self._lock:
            try:
                for i in range(len(pixels)):
                    if len(under_way) == len(self._requests):
                        found.append(_taken(under_way.popleft()))
                    under_way.append(self._requests[i % len(self._requests)])
                    under_way[-1].start_async([pixels[i : i + 1]])
                while under_way:
                    found.append(_taken(under_way.popleft()))
            finally:
                for request in under_way:  # interrupted: what is at work can't be asked anew
                    request.wait()
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def _taken(request: openvino.InferRequest) -> list[Floats]:
    request.wait()
    return [np.array(tensor.data) for tensor in request.output_tensors]
