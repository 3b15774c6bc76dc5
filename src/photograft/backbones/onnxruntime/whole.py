"""A model of any inputs and outputs, run by ONNX Runtime as it is: photos together, by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from photograft.backbones.onnxruntime.network import silent_options
from photograft.backbones.running import Whole
from photograft.core.arrays import Pixels
from photograft.core.errors import ConversionError, first_line


def open_whole(model: bytes | Path) -> Whole:
    """Return what runs a model.

    Args:
        model: A serialised ONNX model, or the path of a file.

    Raises:
        ConversionError: ONNX Runtime can't run it.
    """
    given = model if isinstance(model, bytes) else str(model)
    options = silent_options()
    try:
        session = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own kinds have no common base
        raise ConversionError(f"ONNX Runtime can't open a network ({first_line(error)})") from error
    names = [output.name for output in session.get_outputs()]
    (only,) = session.get_inputs()

    def run(pixels: Pixels) -> dict[str, np.ndarray]:
        try:
            return dict(zip(names, session.run(None, {only.name: pixels}), strict=True))
        except Exception as error:  # likewise
            raise ConversionError(
                f"ONNX Runtime can't run a network ({first_line(error)})"
            ) from error

    return run
