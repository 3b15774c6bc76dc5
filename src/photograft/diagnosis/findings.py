"""What was found to be wrong, in a form that tables, pages and the command line share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from photograft.core.html import fragment, heading, paragraph, table
from photograft.core.text import count, short, shown

#: How grave a finding is, the most severe first.
SEVERITIES = ("serious", "worth a look", "note")

#: What costs this share of the photos, or of accuracy that is not there, is serious.
SERIOUS_COST = 0.01

#: Findings of what is no photo that could be read.
_OF_FILES = ("lost class", "unusable")

#: Photos of a finding that a notebook shows.
_MOST_SHOWN = 12


@dataclass(frozen=True)
class Flagged:
    """One photo of a finding.

    Attributes:
        name: The photo's.
        label: Its class.
        group: Photos of a finding that belong together have the same number, from 0.
        suggestion: What it might be instead: a class, or empty.
        score: How strongly it is meant, in [0, 1]; None where there is nothing to measure.
        detail: A few words on this photo.
    """

    name: str
    label: str
    group: int = 0
    suggestion: str = ""
    score: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what to do about it.

    Attributes:
        kind: A short name, such as ``"near duplicates"``.
        severity: One of `SEVERITIES`.
        cost: What it costs, to rank by: about the share of photos that are wrong, or of accuracy
            that is not there, in [0, 1].
        title: What is wrong, a sentence without the full stop.
        fix: What to do, a sentence or two.
        photos: Those concerned, the worst first; may be empty.
    """

    kind: str
    severity: str
    cost: float
    title: str
    fix: str
    photos: tuple[Flagged, ...] = ()

    @property
    def size(self) -> str:
        """How many it concerns; empty where it concerns none in particular."""
        noun = "file" if self.kind in _OF_FILES else "photo"
        return count(len(self.photos), noun) if self.photos else ""

    def __repr__(self) -> str:
        size = f", {self.size}" if self.photos else ""
        return f"Finding({self.kind!r}, {self.severity}{size}: {shown(self.title)})"

    def _repr_html_(self) -> str:
        rows = [
            (short(photo.name, 48), short(photo.label), short(photo.suggestion), photo.detail)
            for photo in self.photos
        ]
        names = ("photo", "label", "might be", "detail")
        return fragment(
            heading(self.title, self.severity),
            paragraph(self.fix),
            *([table(names, rows, most=_MOST_SHOWN)] if rows else []),
        )


def severity_of(cost: float) -> str:
    """Return the severity of what is wrong and costs so much, as in `Finding.cost`.

    >>> severity_of(0.02), severity_of(0.001)
    ('serious', 'worth a look')
    """
    return SEVERITIES[0] if cost >= SERIOUS_COST else SEVERITIES[1]


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings, the most severe first."""
    return sorted(
        findings, key=lambda found: (SEVERITIES.index(found.severity), -found.cost, found.kind)
    )


def columns(findings: Sequence[Finding]) -> dict[str, list[Any]]:
    """Return a table with a row per photo and finding, as columns.

    A finding that is of no photo in particular has one row without a name.
    """
    table: dict[str, list[Any]] = {
        key: []
        for key in (
            *("finding", "kind", "severity", "name", "label", "group", "suggestion"),
            *("score", "detail", "title", "fix"),
        )
    }
    for number, found in enumerate(findings):
        for photo in found.photos or (Flagged("", ""),):
            row = {**vars(found), **vars(photo), "finding": number}
            for key, cells in table.items():
                cells.append(row[key])
    return table
