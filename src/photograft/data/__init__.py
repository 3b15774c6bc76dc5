"""Photos and their labels: where they come from, how they decode, which belong together, the split.

May import `core` and nothing else of Photograft; it knows no backbone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photograft.core.lazy import hand_out

if TYPE_CHECKING:
    from photograft.data.corrections import Corrections as Corrections
    from photograft.data.dataset import Dataset as Dataset
    from photograft.data.photo import Photo as Photo
    from photograft.data.settings import DataSettings as DataSettings
    from photograft.data.sources.open import open_source as open_source
    from photograft.data.splits import Split as Split
    from photograft.data.splits import make_split as make_split

__getattr__, __dir__, __all__ = hand_out(
    __name__,
    {
        "Corrections": "corrections",
        "DataSettings": "settings",
        "Dataset": "dataset",
        "Photo": "photo",
        "Split": "splits",
        "make_split": "splits",
        "open_source": "sources.open",
    },
)
