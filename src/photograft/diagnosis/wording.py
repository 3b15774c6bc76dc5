"""What terminal and page both say of findings: the verdict, and which photos in which groups."""

from __future__ import annotations

from collections.abc import Sequence

from photograft.core.text import count, listed, percent
from photograft.diagnosis.findings import SEVERITIES, Finding, Flagged, ranked

#: What a look at a whole set looks for.
LOOKED_FOR = (
    "near duplicates",
    "series",
    "leaks across the split",
    "suspect labels",
    "outliers",
    "odd files",
    "shortcuts",
    "uneven classes",
    "pairs that are hard to tell apart",
)

#: How many findings of each severity are told, one and several.
_COUNTED = {
    "serious": ("serious problem", "serious problems"),
    "worth a look": ("thing worth a look", "things worth a look"),
    "note": ("note", "notes"),
}


def verdict(
    findings: Sequence[Finding], num_photos: int, looked_for: Sequence[str] = LOOKED_FOR
) -> list[str]:
    """Return what was found, in a sentence or two.

    >>> verdict([], 20, ["leaks", "outliers"])
    ['Nothing wrong found in 20 photos; looked for leaks and outliers.']

    Args:
        findings: In any order.
        num_photos: That were looked at.
        looked_for: What for, as plural nouns.
    """
    among = count(num_photos, "photo")
    if not findings:
        sought = f"; looked for {listed(looked_for, len(looked_for))}" if looked_for else ""
        return [f"Nothing wrong found in {among}{sought}."]
    gravest = ranked(findings)[0]
    counts = counted(findings)
    if gravest.severity == SEVERITIES[0]:
        more = f", and {_joined(counts[1:])}" if counts[1:] else ""
        return [f"{counts[0]} in {among}{more}.", f"The gravest: {gravest.title}."]
    return [f"Nothing serious in {among}; {_joined(counts)}."]


def counted(findings: Sequence[Finding]) -> list[str]:
    """Return how many findings there are of each severity that there is, the most severe first.

    >>> counted([Finding("leak", "serious", 0.1, "one leaks", "move it")])
    ['1 serious problem']
    """
    found = []
    for severity in SEVERITIES:
        number = sum(1 for finding in findings if finding.severity == severity)
        if number:
            found.append(count(number, *_COUNTED[severity]))
    return found


def grouped(photos: Sequence[Flagged], most: int) -> list[list[Flagged]]:
    """Return the first photos in their groups, the groups in the order of their first photos.

    What belongs together is kept together: the last group that would not fit is left out, unless it
    is the first, which is then cut.

    Args:
        photos: Of a finding, the worst first.
        most: How many at most.
    """
    groups: dict[int, list[Flagged]] = {}
    for photo in photos:
        groups.setdefault(photo.group, []).append(photo)
    kept: list[list[Flagged]] = []
    left = most
    for group in groups.values():
        if len(group) > left:
            if not kept and left > 0:
                kept.append(group[:left])
            break
        kept.append(group)
        left -= len(group)
    return kept


def suggested(photo: Flagged) -> str:
    """Return what a photo might be instead, and how sure that is.

    >>> suggested(Flagged("a.jpg", "cat", suggestion="dog", score=0.97))
    'looks like dog 97%'
    """
    if not photo.suggestion:
        return ""
    sure = "" if photo.score is None else f" {percent(photo.score, 0)}"
    return f"looks like {photo.suggestion}{sure}"


def _joined(words: Sequence[str]) -> str:
    return " and ".join(words)
