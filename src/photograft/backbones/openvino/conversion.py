"""Converting a backbone from torch, once; checked against torch's own output.

The conversion goes through OpenVINO's PyTorch front end itself. Its convenience function
`openvino.convert_model` does the same, and reports each use to its makers over the network.
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
from typing import Any

import numpy as np

from photograft.backbones.openvino.network import (
    FILES,
    NAME,
    PRECISIONS,
    compile_model,
    first_line,
)
from photograft.backbones.registry import BATCH_SIZE, Backbone
from photograft.core.errors import ConversionError, StorageError
from photograft.core.files import sha256_of


def convert(backbone: Backbone, path: Path | None, folder: Path) -> None:
    """Convert a backbone and put it into a folder, checked against torch.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.
        folder: Gets the converted network.

    Raises:
        ConversionError: The network can't be converted, or not with the same result.
        StorageError: `folder` can't be written to.
    """
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
            f"OpenVINO can't run {backbone.name} ({first_line(error)})", fix="Use --engine torch."
        ) from error
    found = compile_model(model, PRECISIONS["fp32"])(pixels)[0]
    if np.abs(found - expected).max() > 1e-3 * max(1.0, float(np.abs(expected).max())):
        raise ConversionError(
            f"OpenVINO gives other features for {backbone.name} than torch",
            fix="Use --engine torch.",
        )
    _save(model, folder)


def _save(model: Any, folder: Path) -> None:
    """Write the network, its checksums last."""
    import openvino  # by now without its reporter; see `network`

    temporary = folder / f".{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        openvino.save_model(model, temporary.with_suffix(".xml"), compress_to_fp16=False)
        digests = {name: sha256_of(temporary.with_suffix(Path(name).suffix)) for name in FILES}
        temporary.with_suffix(".json").write_text(json.dumps(digests))
        for name in (*FILES, f"{NAME}.json"):
            os.replace(temporary.with_suffix(Path(name).suffix), folder / name)
    except (OSError, RuntimeError) as error:
        # Of a stream that fails, OpenVINO says "basic_ios::clear: iostream error" and no more.
        known = isinstance(error, OSError) or "basic_ios" not in str(error)
        reason = first_line(error) if known else "a file could not be written to its end"
        raise StorageError(
            f"the converted network can't be written to {folder} ({reason})",
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
