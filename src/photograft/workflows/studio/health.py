"""What the doctor found in a project's photos: cards with photos, and answers to each."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
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
        job, findings = self._jobs.latest("doctor"), self._findings()
        if job is None or job.result is None or findings is None:
            return {"state": "none", "num_photos": 0, "findings": []}
        is_fresh = job.labels == labels_key(self._project.snapshot())
        rows = self._project.view().by_id
        return {
            "state": "fresh" if is_fresh else "stale",
            "num_photos": job.result["num_photos"],
            "findings": [self._card(number, one, rows) for number, one in enumerate(findings)],
        }

    def together(self, finding_id: str, photo_ids: Sequence[str], *, rest: bool) -> list[str]:
        """Return all photos that lie together with some in a finding, shown on a card or not.

        Args:
            finding_id: Of the finding, as `cards` has it.
            photo_ids: Of its photos, one of each group or more.
            rest: Leave one of each group out, where there are others: the first that is not
                excluded already.

        Raises:
            InputError: There is no such finding, or not those photos in it.
        """
        findings = dict(map(_named, enumerate(self._findings() or ())))
        groups: defaultdict[int, list[str]] = defaultdict(list)
        for photo_id, photo in self._known(findings[finding_id]) if finding_id in findings else ():
            groups[photo.group].append(photo_id)
        asked = set(photo_ids)
        found = [members for members in groups.values() if asked & set(members)]
        if not asked <= {photo_id for members in found for photo_id in members}:
            raise InputError("what was found is no longer that", fix="Load the page again.")
        spared = {self._first_left(members) for members in found if rest and len(members) > 1}
        return [one for members in found for one in members if one not in spared]

    def _first_left(self, members: Sequence[str]) -> str:
        left = (one for one in members if not self._project.row(one).is_excluded)
        return next(left, members[0])

    def _findings(self) -> tuple[Finding, ...] | None:
        """Return what was found last; None where nobody has looked."""
        path = self._project.folder / CHECKUP / PARQUET_NAME
        try:
            return _read(path, path.stat().st_mtime_ns) if path.is_file() else None
        except (InputError, OSError):  # it is being written
            return ()

    def _known(self, finding: Finding) -> list[tuple[str, Flagged]]:
        """Return the photos of a finding that the project has."""
        return [
            (photo_id, photo)
            for photo in finding.photos
            if (photo_id := self._project.id_of(photo.name)) is not None
        ]

    def _card(self, number: int, finding: Finding, rows: Mapping[str, Row]) -> dict[str, Any]:
        known = self._known(finding)
        members: defaultdict[int, list[str]] = defaultdict(list)
        for photo_id, photo in known:
            members[photo.group].append(photo_id)
        num_open = {
            group: sum(_answer(rows[one]) is None for one in ids) for group, ids in members.items()
        }
        return {
            "id": _named((number, finding))[0],
            "kind": finding.kind,
            "title": finding.title,
            "text": finding.fix,
            "severity": _GRADES[finding.severity],
            "num_photos": len(finding.photos),
            "photos": [
                {
                    **_told(photo_id, photo, rows[photo_id], members[photo.group]),
                    "num_open": num_open[photo.group],
                }
                for photo_id, photo in known[:_MOST_PHOTOS]
            ],
            "actions": list(_ACTIONS.get(finding.kind, _OTHERS)) if known else [],
        }


def _named(numbered: tuple[int, Finding]) -> tuple[str, Finding]:
    """Return a finding with its id before it."""
    number, finding = numbered
    return f"{number}-{finding.kind.replace(' ', '-')}", finding


def _told(photo_id: str, photo: Flagged, row: Row, group: list[str]) -> dict[str, Any]:
    return {
        "id": photo_id,
        "label": row.label,
        "suggested": photo.suggestion or None,
        "why": photo.detail,
        "answer": _answer(row),
        "group": photo.group,
        "num_together": len(group),
        "with": [one for one in group[: _MOST_PHOTOS + 1] if one != photo_id][:_MOST_PHOTOS],
    }


def _answer(row: Row) -> str | None:
    return "exclude" if row.is_excluded else row.answer[0] if row.answer else None


@functools.lru_cache(maxsize=2)
def _read(path: Path, modified: int) -> tuple[Finding, ...]:
    del modified  # another examination is another file
    return tuple(read_findings(path))
