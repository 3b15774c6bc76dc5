"""What every floor stands on: errors, files, settings as plain data, text, statistics, the store.

Imports nothing of Photograft but itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photograft.core.lazy import hand_out

if TYPE_CHECKING:
    from photograft.core.errors import InputError as InputError
    from photograft.core.errors import PhotograftError as PhotograftError
    from photograft.core.progress import Progress as Progress
    from photograft.core.progress import Silent as Silent
    from photograft.core.schema import Schema as Schema
    from photograft.core.store import FeatureStore as FeatureStore

__getattr__, __dir__, __all__ = hand_out(
    __name__,
    {
        "FeatureStore": "store",
        "InputError": "errors",
        "PhotograftError": "errors",
        "Progress": "progress",
        "Schema": "schema",
        "Silent": "progress",
    },
)
