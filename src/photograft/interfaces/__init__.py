"""What people and programs touch: the command line, the studio, the server, the estimators.

May import `workflows`, `runs`, `report` and `core`, and nothing else of Photograft.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photograft.core.lazy import hand_out

if TYPE_CHECKING:
    from photograft.interfaces.sklearn.estimators import PhotoClassifier as PhotoClassifier
    from photograft.interfaces.sklearn.transformer import BackboneFeatures as BackboneFeatures

__getattr__, __dir__, __all__ = hand_out(
    __name__,
    {
        "BackboneFeatures": "sklearn.transformer",
        "PhotoClassifier": "sklearn.estimators",
    },
)
