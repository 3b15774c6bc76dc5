"""An ONNX file at work, held to what was promised: so many features, and finite ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from photograft.backbones.onnx_files.wrapping import wrap
from photograft.backbones.prepared import Prepared, keep_prepared, read_prepared
from photograft.backbones.registry import Backbone
from photograft.backbones.running import Floats, Pixels, Run
from photograft.core.errors import ConversionError, WeightsError, first_line


def open_file(
    backbone: Backbone, path: Path | None, engine: str, folder: Path, run_with: Callable[..., Run]
) -> Callable[[Pixels], Floats]:
    """Return what gives an ONNX file's features.

    Args:
        backbone: Its record.
        path: The file.
        engine: What the engine is called that runs it.
        folder: Where it is kept as the engine reads it.
        run_with: Returns what runs a serialised model.

    Raises:
        InputError: The file can't be read, or is not valid.
        ConversionError: The engine can't run it, or not to finite features.
    """
    prepared = read_prepared(folder)
    if prepared is None:
        prepared = wrapped(backbone, path)
        keep_prepared(prepared, folder)
    fix = "Try another engine with --engine, or export the file anew."
    try:
        run = run_with(prepared.model)
        blank = run(np.zeros((1, *backbone.input_size, 3), np.uint8))[0]
    except ConversionError as error:
        raise ConversionError(f"{backbone.name}: {error}", fix=fix) from error
    except Exception as error:  # an engine's own kinds have no common base
        raise ConversionError(
            f"{engine} can't run {backbone.name} ({first_line(error)})", fix=fix
        ) from error
    if blank.shape != (1, backbone.num_features):
        raise ConversionError(
            f"{engine} gives {blank.size} features for {backbone.name}",
            expected=str(backbone.num_features),
            fix=fix,
        )

    def features(pixels: Pixels) -> Floats:
        found = run(pixels)[0]
        if not np.isfinite(found).all():
            raise ConversionError(
                f"{backbone.name} gives features that are no finite numbers",
                fix="Where it computes in half precision, try --precision fp32.",
            )
        return found

    return features


def wrapped(backbone: Backbone, path: Path | None) -> Prepared:
    """Return an ONNX file as a prepared network.

    Raises:
        WeightsError: There is no file.
        InputError: It can't be read, or is not valid.
    """
    if path is None:
        raise WeightsError(f"the file of {backbone.name} is not here")
    return wrap(backbone, path)
