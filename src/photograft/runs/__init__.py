"""The run folder and the comparison folder: the one owner of their files' names and schema.

Written and read here, and nowhere else. May import `evaluation`, `diagnosis` and what is below
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photograft.core.lazy import hand_out

if TYPE_CHECKING:
    from photograft.runs.comparison import Comparison as Comparison
    from photograft.runs.folder import Facts as Facts
    from photograft.runs.folder import load_facts as load_facts
    from photograft.runs.history import load_history as load_history
    from photograft.runs.photos import find_photos as find_photos
    from photograft.runs.record import Record as Record
    from photograft.runs.record import write_record as write_record
    from photograft.runs.run import Run as Run

__getattr__, __dir__, __all__ = hand_out(
    __name__,
    {
        "Comparison": "comparison",
        "Facts": "folder",
        "Record": "record",
        "Run": "run",
        "find_photos": "photos",
        "load_facts": "folder",
        "load_history": "history",
        "write_record": "record",
    },
)
