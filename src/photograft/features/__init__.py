"""From pixels to vectors: preprocessing, augmentation, what a frozen backbone says of each photo.

May import `data`, `backbones` and `core`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photograft.core.lazy import hand_out

if TYPE_CHECKING:
    from photograft.features.extraction import View as View
    from photograft.features.extraction import feature_batches as feature_batches
    from photograft.features.extractor import Extractor as Extractor
    from photograft.features.featurizer import Featurizer as Featurizer
    from photograft.features.opening import open_extractor as open_extractor
    from photograft.features.settings import Augmentation as Augmentation
    from photograft.features.settings import ExtractionSettings as ExtractionSettings

__getattr__, __dir__, __all__ = hand_out(
    __name__,
    {
        "Augmentation": "settings",
        "ExtractionSettings": "settings",
        "Extractor": "extractor",
        "Featurizer": "featurizer",
        "View": "extraction",
        "feature_batches": "extraction",
        "open_extractor": "opening",
    },
)
