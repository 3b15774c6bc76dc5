"""An ONNX model, run by OpenVINO.

The import of OpenVINO reports its use to its makers over the network; so it is done here without
its reporter.
"""

from __future__ import annotations

import threading

import numpy as np

from photograft.backbones.openvino.hiding import hidden
from photograft.backbones.photo_by_photo import Floats, Pixels, Run
from photograft.core.errors import ConversionError, first_line

with hidden("openvino_telemetry"):
    import openvino

#: OpenVINO's names of precisions.
_PRECISIONS = {"bf16": "bf16", "fp32": "f32"}


def open_model(model: bytes, precision: str, num_threads: int) -> Run:
    """Return what runs a model.

    Args:
        model: Serialised.
        precision: ``"bf16"`` or ``"fp32"``.
        num_threads: That may call it at the same time, each keeping one core busy.

    Raises:
        ConversionError: OpenVINO can't run it.
    """
    hints = {
        "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
        "NUM_STREAMS": str(num_threads),
        "INFERENCE_NUM_THREADS": str(num_threads),
        "ENABLE_CPU_PINNING": "NO",  # other threads decode photos on the same cores
    }
    try:
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(model), "CPU", hints)
    except RuntimeError as error:
        raise ConversionError(f"OpenVINO can't open a network ({first_line(error)})") from error
    kept = threading.local()

    def run(pixels: Pixels) -> list[Floats]:
        if not hasattr(kept, "request"):
            kept.request = compiled.create_infer_request()
        found = kept.request.infer([pixels])
        return [np.array(found[i]) for i in range(len(compiled.outputs))]

    return run
