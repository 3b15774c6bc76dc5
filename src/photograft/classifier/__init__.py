"""The fitted classifier: a backbone and a head, saved and loaded, and all it can say of a photo.

May import `features`, `data`, `backbones` and `core`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photograft.core.lazy import hand_out

if TYPE_CHECKING:
    from photograft.classifier.classifier import Classifier as Classifier
    from photograft.classifier.head import Head as Head
    from photograft.classifier.heat_maps import HeatMaps as HeatMaps
    from photograft.classifier.prediction import Prediction as Prediction
    from photograft.classifier.reference import Reference as Reference
    from photograft.classifier.scoring import score as score
    from photograft.classifier.uncertainty.uncertainty import Uncertainty as Uncertainty

__getattr__, __dir__, __all__ = hand_out(
    __name__,
    {
        "Classifier": "classifier",
        "Head": "head",
        "HeatMaps": "heat_maps",
        "Prediction": "prediction",
        "Reference": "reference",
        "Uncertainty": "uncertainty.uncertainty",
        "score": "scoring",
    },
)
