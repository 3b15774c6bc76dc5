"""Pretrained networks: their records, where their weights come from, the engines that run them.

May import `core` and nothing else of Photograft; it knows no photos and no labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photograft.core.lazy import hand_out

if TYPE_CHECKING:
    from photograft.backbones.engines import Engine as Engine
    from photograft.backbones.engines import choose_engine as choose_engine
    from photograft.backbones.get import get_backbone as get_backbone
    from photograft.backbones.networks import open_network as open_network
    from photograft.backbones.registry import Backbone as Backbone
    from photograft.backbones.settings import BackboneSettings as BackboneSettings
    from photograft.backbones.settings import ExecutionSettings as ExecutionSettings
    from photograft.backbones.settings import Preprocessing as Preprocessing
    from photograft.backbones.weights import locate_weights as locate_weights

__getattr__, __dir__, __all__ = hand_out(
    __name__,
    {
        "Backbone": "registry",
        "BackboneSettings": "settings",
        "Engine": "engines",
        "ExecutionSettings": "settings",
        "Preprocessing": "settings",
        "choose_engine": "engines",
        "get_backbone": "get",
        "locate_weights": "weights",
        "open_network": "networks",
    },
)
