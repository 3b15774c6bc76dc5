"""A backbone run by OpenVINO: converted from torch once, then started without it.

The conversion goes through OpenVINO's PyTorch front end itself. Its convenience function
`openvino.convert_model` does the same, and reports each use to its makers over the network; so does
the import of OpenVINO, which is why it is done here without its reporter.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photograft.backbones.openvino.hiding import hidden
from photograft.backbones.registry import BATCH_SIZE, Backbone
from photograft.core.errors import ConversionError, StorageError
from photograft.core.files import sha256_of

with hidden("openvino_telemetry"):
    import openvino

Features = npt.NDArray[np.float32]

_NAME = "network"
_FILES = (f"{_NAME}.bin", f"{_NAME}.xml")
#: OpenVINO's names of precisions.
PRECISIONS = {"bf16": "bf16", "fp32": "f32"}


class OpenVinoNetwork:
    """A backbone run by OpenVINO.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.
        precision: ``"bf16"`` or ``"fp32"``.
        folder: Holds the converted network, or gets it.

    Raises:
        ConversionError: The network can't be converted, or not with the same result.
        StorageError: `folder` can't be written to.
    """

    def __init__(self, backbone: Backbone, path: Path | None, precision: str, folder: Path) -> None:
        if not is_intact(folder):
            _convert(backbone, path, folder)
        self._compiled = compile_model(network_file(folder), PRECISIONS[precision])

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> Features:
        """Return features; see `frozen.FrozenNetwork`."""
        return np.array(self._compiled(pixels)[0])


def network_file(folder: Path) -> Path:
    """Return where a converted network lies in its folder."""
    return folder / f"{_NAME}.xml"


def is_intact(folder: Path) -> bool:
    """Return whether `folder` holds a converted network as it was written."""
    try:
        digests = json.loads((folder / f"{_NAME}.json").read_text())
        return all(sha256_of(folder / name) == digests[name] for name in _FILES)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def compile_model(model: Path | openvino.Model, precision: str) -> openvino.CompiledModel:
    """Return a network that is ready to run, at one of OpenVINO's precisions."""
    hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    try:
        return openvino.Core().compile_model(model, "CPU", hints)
    except RuntimeError as error:
        raise ConversionError(f"OpenVINO can't open a network ({_first_line(error)})") from error


def _convert(backbone: Backbone, path: Path | None, folder: Path) -> None:
    """Convert a backbone and put it into `folder`, checked against torch."""
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    from photograft.backbones.pytorch.network import PooledNetwork

    network = PooledNetwork(backbone, path, folded=False)
    shape = (BATCH_SIZE, *backbone.input_size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    try:
        with _hushed(), torch.no_grad():
            expected = network(torch.from_numpy(pixels)).numpy()
            program = torch.export.export(network, (torch.from_numpy(pixels),))
            decoder = TorchFXPythonDecoder.from_exported_program(program)
            front_end = FrontEndManager().load_by_framework("pytorch")
            model = front_end.convert(front_end.load(decoder))
            model.reshape(shape)
    except Exception as error:  # whatever torch or OpenVINO stumbles over in this network
        raise ConversionError(
            f"OpenVINO can't run {backbone.name} ({_first_line(error)})", fix="Use --engine torch."
        ) from error
    found = compile_model(model, PRECISIONS["fp32"])(pixels)[0]
    if np.abs(found - expected).max() > 1e-3 * max(1.0, float(np.abs(expected).max())):
        raise ConversionError(
            f"OpenVINO gives other features for {backbone.name} than torch",
            fix="Use --engine torch.",
        )
    _save(model, folder)


def _save(model: openvino.Model, folder: Path) -> None:
    """Write the network, its checksums last."""
    temporary = folder / f".{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        openvino.save_model(model, temporary.with_suffix(".xml"), compress_to_fp16=False)
        digests = {name: sha256_of(temporary.with_suffix(Path(name).suffix)) for name in _FILES}
        temporary.with_suffix(".json").write_text(json.dumps(digests))
        for name in (*_FILES, f"{_NAME}.json"):
            os.replace(temporary.with_suffix(Path(name).suffix), folder / name)
    except (OSError, RuntimeError) as error:
        raise StorageError(
            f"the converted network can't be written to {folder} ({_first_line(error)})",
            fix="Free some space, or give another folder in the variable PHOTOGRAFT_CACHE.",
        ) from error
    finally:
        for suffix in (".bin", ".xml", ".json"):
            with contextlib.suppress(OSError):
                temporary.with_suffix(suffix).unlink()


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep the libraries' talk about their own insides from the user, and the root logger as is."""
    root = logging.getLogger()
    handlers, disabled = root.handlers[:], logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
