"""Where on a photo a heat map lies: which part the network sees, and the map laid over it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from photograft.backbones.registry import Backbone
from photograft.core.arrays import Floats


def seen_box(backbone: Backbone, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return which part of a photo the network sees: left, top, right, bottom, in pixels.

    Args:
        backbone: Its record says how photos are resized and cropped.
        size: Width and height of the photo, upright.
    """
    height, width = backbone.input_size
    whole = backbone.scaled_size[::-1]
    if backbone.crop_mode == "squash":
        across, down = size[0] * width / whole[0], size[1] * height / whole[1]
    else:  # the shorter side decides, and the middle of the longer one is seen
        scale = max(whole[0] / size[0], whole[1] / size[1])
        across, down = width / scale, height / scale
    across, down = min(across, size[0]), min(down, size[1])
    left, top = (size[0] - across) / 2, (size[1] - down) / 2
    return left, top, left + across, top + down


def in_photo(heat: Floats, backbone: Backbone, size: tuple[int, int]) -> Floats:
    """Lay a heat map over the photo that it is of.

    Args:
        heat: Of the feature map's grid, shape ``(h, w)``, in [0, 1].
        backbone: That it is of.
        size: Width and height of the photo, upright; or of a copy of another size.

    Returns:
        Float32, shape ``(height, width)``, in [0, 1], smooth; 0 where the network saw nothing.
    """
    box = seen_box(backbone, size)
    left, top = round(box[0]), round(box[1])
    across = max(1, min(round(box[2]), size[0]) - left)
    down = max(1, min(round(box[3]), size[1]) - top)
    smooth = Image.fromarray(heat.astype(np.float32)).resize(
        (across, down), Image.Resampling.BICUBIC
    )
    values = np.maximum(np.asarray(smooth), 0)
    # Between the places it may rise a little above them: scaled, not cut off into a plateau.
    values *= heat.max() / max(float(values.max()), float(heat.max()), 1e-12)
    found = np.zeros((size[1], size[0]), np.float32)
    found[top : top + down, left : left + across] = values
    return found
