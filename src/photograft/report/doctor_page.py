"""The doctor's page: what is wrong with the photos, and what to do about it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from photograft.core.progress import Progress
from photograft.core.text import count
from photograft.data.images import DEFAULT_MAX_PIXELS
from photograft.diagnosis.findings import Finding
from photograft.diagnosis.tables import CSV_NAME
from photograft.diagnosis.wording import LOOKED_FOR
from photograft.report.findings_section import Reads, findings_context
from photograft.report.page import script_json, write_page

#: What can be said of a photo in the table, and what it does.
_ACTIONS = (
    ("relabel", "the right class", "the photo is of that class"),
    ("exclude", "", "the photo is left out"),
    (
        "group",
        "any word, the same for all of them",
        "photos of one word stay on one side of a split",
    ),
    ("ok", "", "the photo is right as it is, and suspected no more"),
)


def write_doctor_report(
    findings: Sequence[Finding],
    reads: Reads,
    out: Path,
    *,
    name: str,
    source: str,
    in_memory: bool = False,
    num_photos: int,
    num_classes: int,
    looked_for: Sequence[str] = LOOKED_FOR,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Progress,
) -> None:
    """Write the doctor's page: one file that loads nothing.

    The same findings and photos give the same bytes.

    Args:
        findings: In any order.
        reads: By name, what returns a photo's bytes. Only those of photos that are shown are
            called. Without any, the page has no pictures and says so.
        out: The HTML file; ``findings.csv`` is taken to lie beside it, under the folder's name as
            it is given here.
        name: What the photos are called, for the heading.
        source: Where they are, as the command line names it.
        in_memory: Whether only Python can name them.
        num_photos: That were looked at.
        num_classes: That they are of.
        looked_for: What for, as plural nouns.
        max_pixels: Photos with more pixels are grey tiles.
        progress: Told how far it is.

    Raises:
        StorageError: The page can't be written.
    """
    found = findings_context(
        findings,
        reads,
        num_photos=num_photos,
        looked_for=looked_for,
        max_pixels=max_pixels,
        progress=progress,
    )
    table = str(out.parent / CSV_NAME)
    context = {
        "found": found,
        "name_of_photos": name,
        "source": source,
        "in_memory": in_memory,
        "size": f"{count(num_photos, 'photo')} in {count(num_classes, 'class', 'classes')}",
        "looked_for": looked_for,
        "has_pictures": bool(reads),
        "actions": _ACTIONS,
        "commands": [
            f"photograft.{command}(dataset, corrections={table!r})"
            if in_memory
            else f"photograft {command} {shlex.quote(source)} --corrections {shlex.quote(table)}"
            for command in ("doctor", "train")
        ],
        "photos": script_json({}),  # no cells of a matrix to open
    }
    write_page(out, "doctor.html.j2", context)
