"""Is the data sound? Checks of photos, labels and splits; what they find, ranked and in tables.

May import `learning`, `classifier`, `features`, `data`, `backbones` and `core`. It is not called
doctor, since that is the verb: `photograft.doctor` is one thing, whatever was imported before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photograft.core.lazy import hand_out

if TYPE_CHECKING:
    from photograft.diagnosis.examine import Diagnosis as Diagnosis
    from photograft.diagnosis.findings import Finding as Finding
    from photograft.diagnosis.findings import Flagged as Flagged
    from photograft.diagnosis.tables import read_findings as read_findings
    from photograft.diagnosis.tables import write_findings as write_findings

__getattr__, __dir__, __all__ = hand_out(
    __name__,
    {
        "Diagnosis": "examine",
        "Finding": "findings",
        "Flagged": "findings",
        "read_findings": "tables",
        "write_findings": "tables",
    },
)
