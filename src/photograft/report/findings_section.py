"""Findings as a page shows them: each with its photos, in their groups, as small pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from photograft.core.progress import Progress
from photograft.core.text import shown
from photograft.data.images import DEFAULT_MAX_PIXELS
from photograft.diagnosis.findings import SEVERITIES, Finding, Flagged, ranked
from photograft.diagnosis.wording import LOOKED_FOR, grouped, suggested, verdict
from photograft.report.thumbnails import thumbnails

#: Photos on a page, and of one finding; at some 5 kB each, a page stays well below 8 MB.
MAX_PHOTOS = 480
MAX_PER_FINDING = 36
#: However many findings there are, so many photos of each are shown.
_LEAST = 4

_HEADINGS = {"serious": "Serious", "worth a look": "Worth a look", "note": "Notes"}

Reads = Mapping[str, Callable[[], bytes]]


def findings_context(
    findings: Sequence[Finding],
    reads: Reads,
    *,
    num_photos: int,
    looked_for: Sequence[str] = LOOKED_FOR,
    table: str = "findings.csv",
    max_photos: int = MAX_PHOTOS,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Progress,
) -> dict[str, Any]:
    """Return what the macros of ``findings.html.j2`` are given, as ``found``.

    Args:
        findings: In any order.
        reads: By name, what returns a photo's bytes. Only those of photos that are shown are
            called. One without, or that can't be read, is a grey tile.
        num_photos: That were looked at.
        looked_for: What for, as plural nouns.
        table: The name of the table that has all photos; empty where there is none.
        max_photos: How many are shown, all findings together.
        max_pixels: Photos with more pixels are grey tiles.
        progress: Told how far it is.

    Returns:
        ``verdict``: sentences; ``severities``: those that there are, each with ``key``, ``heading``
        and ``findings``; ``num_flagged``: photos that are named; ``num_shown``; ``table``.
    """
    order = ranked(findings)
    with_photos = sum(1 for finding in order if finding.photos)
    most = min(MAX_PER_FINDING, max(max_photos // max(with_photos, 1), _LEAST))
    chosen = [grouped(finding.photos, most) for finding in order]
    names = dict.fromkeys(p.name for groups in chosen for group in groups for p in group)
    pictures = thumbnails(list(names), reads, max_pixels=max_pixels, progress=progress)
    shown_findings = [
        _finding(number, finding, groups, pictures)
        for number, (finding, groups) in enumerate(zip(order, chosen, strict=True), start=1)
    ]
    return {
        "verdict": verdict(findings, num_photos, looked_for),
        "severities": [
            {
                "key": severity.replace(" ", "-"),
                "heading": _HEADINGS[severity],
                "findings": [f for f in shown_findings if f["severity"] == severity],
            }
            for severity in SEVERITIES
            if any(finding.severity == severity for finding in order)
        ],
        "num_flagged": len({photo.name for finding in order for photo in finding.photos}),
        "num_shown": len(names),
        "table": table,
    }


def _finding(
    number: int,
    finding: Finding,
    groups: Sequence[Sequence[Flagged]],
    pictures: Mapping[str, str],
) -> dict[str, Any]:
    num_shown = sum(map(len, groups))
    return {
        "number": number,
        "id": f"finding-{number}",
        "kind": finding.kind,
        "severity": finding.severity,
        "key": finding.severity.replace(" ", "-"),
        "title": finding.title,
        "fix": finding.fix,
        "total": finding.size,
        "num_more": len(finding.photos) - num_shown,
        # Photos that belong together lie in a frame; one that stands alone needs none.
        "is_grouped": any(len(group) > 1 for group in groups),
        "groups": [[_photo(photo, pictures) for photo in group] for group in groups],
    }


def _photo(photo: Flagged, pictures: Mapping[str, str]) -> dict[str, str]:
    labelled = f", labelled {shown(photo.label)}" if photo.label else ""
    looks = shown(suggested(photo))
    return {
        "name": photo.name,
        "label": photo.label,
        "looks": looks,
        "detail": photo.detail,
        "picture": pictures.get(photo.name, ""),
        "alt": f"{shown(photo.name)}{labelled}{', ' + looks if looks else ''}",
    }
