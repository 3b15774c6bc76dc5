"""An ONNX file at work, held to what was promised: so many features, and finite ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from photograft.backbones.registry import Backbone
from photograft.backbones.running import Run
from photograft.core.arrays import Floats, Pixels
from photograft.core.errors import ConversionError, first_line


def held_to_record(
    backbone: Backbone, engine: str, opened: Callable[[], Run]
) -> Callable[[Pixels], Floats]:
    """Return what gives an ONNX file's features.

    Args:
        backbone: Its record.
        engine: What the engine is called that runs it.
        opened: Returns what runs the prepared network.

    Raises:
        ConversionError: The engine can't run it, or not to finite features.
    """
    fix = "Try another engine with --engine, or export the file anew."
    try:
        run = opened()
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
