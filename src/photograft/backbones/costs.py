"""What it costs to look at a photo."""

from __future__ import annotations

from dataclasses import replace

from photograft.backbones.prebuilt import lite
from photograft.backbones.registry import Backbone
from photograft.core.optional import need_torch


def costs_of(backbone: Backbone) -> tuple[int, int]:
    """Return a backbone's multiply-adds for a photo, and how many statistics it has."""
    if backbone.parts:
        costs = [costs_of(part) for part in backbone.parts]
        return sum(adds for adds, _ in costs), sum(number for _, number in costs)
    if backbone.mirror:
        adds, number = costs_of(replace(backbone, mirror=False))
        return 2 * adds, number
    if lite.is_lite(backbone.architecture):
        return lite.count_costs(backbone.architecture, backbone.input_size)
    if backbone.is_onnx:
        from photograft.backbones.onnx_files.describing import multiply_adds  # ONNX, likewise

        return multiply_adds(backbone), 0
    need_torch(f"counting what {backbone.name} costs")
    from photograft.backbones.pytorch.costs import measure_costs  # torch, only where needed

    found = measure_costs(backbone)
    return found.multiply_adds, found.num_statistics
