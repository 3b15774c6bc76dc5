"""What a notebook shows of a diagnosis."""

from __future__ import annotations

from collections.abc import Sequence

from photograft.core.html import below, faint, fragment, heading, paragraph, strong, table
from photograft.diagnosis.findings import Finding, ranked
from photograft.diagnosis.wording import verdict


def findings_html(findings: Sequence[Finding], num_photos: int) -> str:
    """Return the verdict on photos, and what was found, the gravest first, as HTML.

    Args:
        findings: In any order.
        num_photos: That were looked at.
    """
    rows = [
        (
            strong(found.severity) if found.severity == "serious" else found.severity,
            below(found.title, faint(found.fix)),
            f"{len(found.photos):,}" if found.photos else "",
        )
        for found in ranked(findings)
    ]
    return fragment(
        heading("Diagnosis"),
        *(paragraph(sentence) for sentence in verdict(findings, num_photos)),
        *([table(("how grave", "what was found", "photos"), rows, numbers=(2,))] if rows else []),
    )
