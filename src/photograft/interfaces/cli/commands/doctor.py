"""`photograft doctor`: examine photos and their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.interfaces.cli.commands.options import (
    LAYOUTS,
    Corrections,
    GroupBy,
    MaxPixels,
    NearDuplicates,
    NewClass,
    Ray,
    Source,
)

HELP = (
    "Examine photos and their labels: near duplicates, leaks across the split, labels that look "
    "wrong, photos that look like no class, odd files, and sizes or formats that give the class "
    "away.\n\n" + LAYOUTS + "\n\nExamples:\n\n"
    "  photograft doctor photos/\n\n"
    "  photograft doctor photos/ --out checkup/\n\n"
    "  photograft doctor photos/ --group-by 'person(\\d+)'\n\n"
    "  photograft doctor photos/ --corrections checkup/findings.csv\n\n"
    "With --out there are tables and a page of what was found. Fill in the columns action "
    "(relabel, exclude, group, ok) and value of findings.csv, and hand it to train, compare or "
    "doctor with --corrections."
)


def doctor(
    source: Source,
    out: Annotated[
        Path | None, typer.Option(help="A folder for findings.csv, .parquet and report.html.")
    ] = None,
    corrections: Corrections = "",
    new_class: NewClass = None,
    group_by: GroupBy = "",
    near_duplicates: NearDuplicates = "group",
    backbone: Annotated[str, typer.Option(help="The network that looks at the photos.")] = "auto",
    seed: Annotated[int, typer.Option(help="Decides the folds.")] = 0,
    max_pixels: MaxPixels = 250_000_000,
    ray: Ray = "off",
) -> None:
    """Examine; the help text is above."""
    from photograft.interfaces.cli.views.account import show_notes, show_unreadable
    from photograft.interfaces.cli.views.console import make_console
    from photograft.interfaces.cli.views.findings import show_findings
    from photograft.interfaces.cli.views.progress import make_progress
    from photograft.workflows.doctor import doctor as examine

    found = examine(
        source,
        out=out,
        backbone=backbone,
        corrections=corrections,
        new_class=new_class or (),
        group_by=group_by,
        near_duplicates=near_duplicates,
        seed=seed,
        max_pixels=max_pixels,
        progress=make_progress(),
        ray=ray,
    )
    console = make_console()
    show_notes(console, found.dataset.notes)
    show_unreadable(console, found.dataset.skipped)
    show_findings(
        console,
        found.diagnosis.findings,
        num_photos=len(found.dataset.photos),
        out=found.out,
    )
