"""What the doctor found in a project's photos: cards with photos, and answers to each."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from photograft.core.errors import InputError
from photograft.diagnosis.findings import SEVERITIES, Finding, Flagged
from photograft.diagnosis.tables import PARQUET_NAME, read_findings
from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.orders import CHECKUP, labels_key
from photograft.workflows.studio.project import Project
from photograft.workflows.studio.view import Row

#: Photos of a card that are told.
_MOST_PHOTOS = 60
#: What the severities are to a page.
_GRADES = dict(zip(SEVERITIES, ("high", "medium", "low"), strict=True))
#: What can be answered to a kind of finding; to others of photos `_OTHERS`.
_ACTIONS = {
    "suspect labels": ("relabel", "exclude", "ok"),
    "conflicting labels": ("relabel", "exclude", "ok"),
    "outliers": ("exclude", "relabel", "ok"),
    "leak": ("group", "exclude", "ok"),
    "near duplicates": ("group", "exclude", "ok"),
    "hard pair": ("relabel", "ok"),
}
_OTHERS = ("exclude", "ok")


class Health:
    """The doctor's findings.

    Args:
        project: Whose photos they are of.
        jobs: By which the doctor is asked.
    """

    def __init__(self, project: Project, jobs: Jobs) -> None:
        self._project, self._jobs = project, jobs

    def cards(self) -> dict[str, Any]:
        """Return what was found last, as plain JSON types.

        ``state`` is ``"fresh"`` where photos and labels are those that were examined, else
        ``"stale"``, and ``"none"`` where nobody has looked.
        """
        job = self._jobs.latest("doctor")
        path = self._project.folder / CHECKUP / PARQUET_NAME
        if job is None or job.result is None or not path.is_file():
            return {"state": "none", "num_photos": 0, "findings": []}
        try:
            findings = _read(path, path.stat().st_mtime_ns)
        except (InputError, OSError):  # it is being written
            findings = ()
        is_fresh = job.labels == labels_key(self._project.snapshot())
        rows = self._project.view().by_id
        return {
            "state": "fresh" if is_fresh else "stale",
            "num_photos": job.result["num_photos"],
            "findings": [self._card(number, one, rows) for number, one in enumerate(findings)],
        }

    def _card(self, number: int, finding: Finding, rows: Mapping[str, Row]) -> dict[str, Any]:
        known = [
            (photo_id, photo)
            for photo in finding.photos
            if (photo_id := self._project.id_of(photo.name)) is not None
        ]
        together: defaultdict[int, list[str]] = defaultdict(list)
        for photo_id, photo in known:
            together[photo.group].append(photo_id)
        return {
            "id": f"{number}-{finding.kind.replace(' ', '-')}",
            "kind": finding.kind,
            "title": finding.title,
            "text": finding.fix,
            "severity": _GRADES[finding.severity],
            "num_photos": len(finding.photos),
            "photos": [
                _told(photo_id, photo, rows[photo_id], together[photo.group])
                for photo_id, photo in known[:_MOST_PHOTOS]
            ],
            "actions": list(_ACTIONS.get(finding.kind, _OTHERS)) if known else [],
        }


def _told(photo_id: str, photo: Flagged, row: Row, group: list[str]) -> dict[str, Any]:
    answer = "exclude" if row.is_excluded else row.answer[0] if row.answer else None
    return {
        "id": photo_id,
        "label": row.label,
        "suggested": photo.suggestion or None,
        "why": photo.detail,
        "answer": answer,
        "with": [one for one in group if one != photo_id][:_MOST_PHOTOS],
    }


@functools.lru_cache(maxsize=2)
def _read(path: Path, modified: int) -> tuple[Finding, ...]:
    del modified  # another examination is another file
    return tuple(read_findings(path))
