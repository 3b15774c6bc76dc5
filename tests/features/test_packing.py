"""What several looks see of a photo, as one array."""

from __future__ import annotations

import numpy as np
import pytest

from photograft.backbones.get import get_backbone
from photograft.features.packing import look_shapes, pack, packed_shape, unpack

LITE = "efficientnet_lite0"


@pytest.mark.parametrize("name", [f"{LITE}@32", f"{LITE}@32+{LITE}@48,mirror+{LITE}@16"])
def test_what_was_packed_is_unpacked(name: str) -> None:
    backbone = get_backbone(name)
    shapes = look_shapes(backbone)
    assert shapes == tuple((*look.input_size, 3) for look in backbone.looks)
    rng = np.random.default_rng(0)
    photos = [[rng.integers(0, 256, shape, np.uint8) for shape in shapes] for _ in range(4)]
    packed = np.stack([pack(seen) for seen in photos])
    assert packed.shape == (4, *packed_shape(shapes))
    assert packed.dtype == np.uint8
    for found, own in zip(unpack(packed, shapes), zip(*photos, strict=True), strict=True):
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, np.stack(own))
