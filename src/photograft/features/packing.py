"""The pixels of all looks at a photo as one array: what goes through pipes and into graphs.

Of one look they are as they are; of several they lie one after another, in the order of the looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from photograft.backbones.registry import Backbone
from photograft.core.arrays import Pixels

#: Height, width and 3.
Shape = tuple[int, int, int]


def look_shapes(backbone: Backbone) -> tuple[Shape, ...]:
    """Return the shape of the pixels of each of a backbone's looks."""
    return tuple((*look.input_size, 3) for look in backbone.looks)


def packed_shape(shapes: Sequence[Shape]) -> tuple[int, ...]:
    """Return the shape of packed pixels: that of one look, or how many numbers there are."""
    return shapes[0] if len(shapes) == 1 else (sum(map(math.prod, shapes)),)


def pack(seen: Sequence[Pixels]) -> Pixels:
    """Return a photo's pixels as each look sees them as one array."""
    return seen[0] if len(seen) == 1 else np.concatenate([pixels.ravel() for pixels in seen])


def unpack(pixels: Pixels, shapes: Sequence[Shape]) -> list[Pixels]:
    """Return what each look sees, ``(n, height, width, 3)``, of the packed pixels of n photos.

    Args:
        pixels: Uint8, shape ``(n, *packed_shape(shapes))``.
        shapes: From `look_shapes`.
    """
    if len(shapes) == 1:
        return [pixels]
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    parts = np.split(pixels, ends, axis=1)
    return [
        np.ascontiguousarray(part).reshape(-1, *shape)
        for part, shape in zip(parts, shapes, strict=True)
    ]
