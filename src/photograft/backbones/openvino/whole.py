"""A model of any inputs and outputs, run by OpenVINO as it is: photos together, outputs by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from photograft.backbones.openvino.hiding import hidden
from photograft.backbones.openvino.network import reason_of
from photograft.backbones.running import Whole
from photograft.core.arrays import Pixels
from photograft.core.errors import ConversionError

with hidden("openvino_telemetry"):
    import openvino


def open_whole(model: bytes | Path, probes: Sequence[str] = ()) -> Whole:
    """Return what runs a model in float32.

    Args:
        model: A serialised ONNX model, or the path of a file.
        probes: Names of tensors within it that are to be given out, too.

    Raises:
        ConversionError: OpenVINO can't run it.
    """
    try:
        core = openvino.Core()
        read = core.read_model(model)
        for name in probes:
            read.add_outputs(name)
        compiled = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    except RuntimeError as error:
        raise ConversionError(f"OpenVINO can't open a network ({reason_of(error)})") from error

    def run(pixels: Pixels) -> dict[str, np.ndarray]:
        try:
            found = compiled([np.ascontiguousarray(pixels)])
        except RuntimeError as error:
            raise ConversionError(f"OpenVINO can't run a network ({reason_of(error)})") from error
        return {
            name: np.array(found[output])
            for output in compiled.outputs
            for name in output.get_names()
        }

    return run


def save_model(model: bytes, path: Path, facts: Mapping[str, str]) -> None:
    """Write a model in OpenVINO's own format, its numbers as they are.

    Args:
        model: A serialised ONNX model.
        path: Of the XML; the weights lie beside it.
        facts: Kept in the file, under ``model_info``.

    Raises:
        ConversionError: OpenVINO can't read it.
    """
    try:
        read = openvino.Core().read_model(model)
    except RuntimeError as error:
        raise ConversionError(f"OpenVINO can't open a network ({reason_of(error)})") from error
    for name, value in facts.items():
        read.set_rt_info(value, ["model_info", name])
    openvino.save_model(read, path, compress_to_fp16=False)
