"""Files that can't be used, and classes that nothing can be used of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from photograft.core.text import count, times
from photograft.data.dataset import Dataset
from photograft.data.empty_classes import of_classes, told
from photograft.data.sources.base import SkippedFile
from photograft.diagnosis.findings import SEVERITIES, Finding, Flagged


def find_unusable(dataset: Dataset) -> list[Finding]:
    """Return a finding for each class that was dropped, and one for all files that can't be used.

    What systems leave among photos, such as ``.DS_Store``, is none.
    """
    lost = [
        Finding(
            "lost class",
            SEVERITIES[0],
            1.0,
            f"no photo of the class {name!r} can be used: {told(files)}",
            "It can't be learned. Mend or convert its files, or remove the class; to train "
            "without it, say --empty-classes drop.",
            _files(files),
        )
        for name, files in of_classes(dataset.dropped, dataset.skipped).items()
        if name not in dataset.class_names  # photos may have been relabelled to it
    ]
    told_already = {photo.name for finding in lost for photo in finding.photos}
    files = [
        file
        for file in dataset.skipped
        if file.reason != "excluded" and not file.is_system and file.name not in told_already
    ]
    if not files:
        return lost
    reasons = times(dict(Counter(file.told for file in files).most_common()))
    return [
        *lost,
        Finding(
            "unusable",
            "worth a look",
            len(files) / (len(files) + len(dataset.photos)),
            f"{count(len(files), 'file')} can't be used: {reasons}",
            "Repair or replace what should be a photo; the rest does no harm.",
            _files(files),
        ),
    ]


def _files(files: Sequence[SkippedFile]) -> tuple[Flagged, ...]:
    return tuple(
        Flagged(file.name, file.label, i, "", None, f"{file.reason}: {file.detail}".rstrip(": "))
        for i, file in enumerate(files)
    )
