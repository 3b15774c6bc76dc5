"""An ONNX model, run by ONNX Runtime."""

from __future__ import annotations

import onnxruntime

from photograft.backbones.photo_by_photo import Floats, Pixels, Run
from photograft.core.errors import ConversionError, first_line

#: Fatal errors only: what else goes wrong comes as an exception.
_SILENT = 4


def open_model(model: bytes) -> Run:
    """Return what runs a model, in float32, each thread that calls it keeping one core busy.

    Args:
        model: Serialised.

    Raises:
        ConversionError: ONNX Runtime can't run it.
    """
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own kinds have no common base
        raise ConversionError(f"ONNX Runtime can't open a network ({first_line(error)})") from error
    name = session.get_inputs()[0].name

    def run(pixels: Pixels) -> list[Floats]:
        found: list[Floats] = session.run(None, {name: pixels})
        return found

    return run
