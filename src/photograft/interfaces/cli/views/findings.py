"""What was found to be wrong, as the command line shows it: ranked, with photos and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from photograft.core.text import count, shown
from photograft.runs.folder import PAGE
from photograft.workflows.types import (
    CSV_NAME,
    LOOKED_FOR,
    PARQUET_NAME,
    SEVERITIES,
    Finding,
    Flagged,
    counted,
    grouped,
    ranked,
    suggested,
    verdict,
)

_MAX_PHOTOS = 5
_STYLES = {"serious": "bold red", "worth a look": "bold yellow", "note": "bold"}


def show_findings(
    console: Console,
    findings: Sequence[Finding],
    *,
    num_photos: int,
    looked_for: Sequence[str] = LOOKED_FOR,
    out: Path | None = None,
) -> None:
    """Print what was found, the most severe first, then where it is written and what to do next.

    Args:
        console: Where to. No line hangs on its colours; where it is no terminal, lines are not
            broken.
        findings: In any order.
        num_photos: That were looked at.
        looked_for: What for, as plural nouns.
        out: The folder with the tables and the page; None where nothing was written.
    """
    for sentence in verdict(findings, num_photos, looked_for)[:1]:
        _print(console, Text(shown(sentence), "bold" if findings else ""))
    for number, finding in enumerate(ranked(findings), start=1):
        console.print()
        _show_finding(console, finding, number)
    if out is not None:
        console.print()
        _show_next(console, findings, out)


def show_brief(console: Console, findings: Sequence[Finding], command: str) -> None:
    """Print the gravest finding, whole, and how many more there are.

    Nothing where nothing but notes was found: a training is not the place for those.

    Args:
        console: Where to.
        findings: In any order.
        command: That finds the same, and shows it all.
    """
    grave = [finding for finding in ranked(findings) if finding.severity != SEVERITIES[-1]]
    if not grave:
        return
    gravest = grave[0]
    style = _STYLES[gravest.severity]
    _print(console, Text.assemble((f"{_label(gravest)}: ", style), shown(gravest.title)), hanging=2)
    if grave[1:]:
        _print(console, Text(f"And {' and '.join(counted(grave[1:]))}."))
    console.print(Text(f"{shown(command)} shows all"), highlight=False, soft_wrap=True)


def _show_finding(console: Console, finding: Finding, number: int) -> None:
    label = _label(finding)
    head = Text.assemble(f"{number:>2}  ", (label, _STYLES[finding.severity]), ": ")
    _print(console, head + Text(shown(finding.title), "bold"), hanging=4)
    groups = grouped(finding.photos, _MAX_PHOTOS)
    for group in groups:
        for place, photo in enumerate(group):
            line = Text("with " if place else "- ")
            line += Text.assemble(shown(photo.name), (_said_of(photo), "dim"))
            _print(console, line, left=6 if place else 4, hanging=2)
    rest = len(finding.photos) - sum(map(len, groups))
    if rest:
        _print(console, Text(f"and {rest:,} more", "dim"), left=4)
    if finding.fix:
        _print(console, Text.assemble(("To do: ", "bold"), shown(finding.fix)), left=4, hanging=2)


def _show_next(console: Console, findings: Sequence[Finding], out: Path) -> None:
    flagged = {photo.name for finding in findings for photo in finding.photos}
    lines = [f"Page:   {out / PAGE}"]
    if findings:
        lines.insert(0, f"Tables: {out / CSV_NAME}, {out / PARQUET_NAME}")
    for text in lines:
        console.print(Text(shown(text)), highlight=False, soft_wrap=True)
    if flagged:
        _print(
            console,
            Text(
                f"Next:   {count(len(flagged), 'photo is', 'photos are')} listed. Fill in the "
                f"columns action and value in {CSV_NAME} (relabel with a class, exclude, group "
                "with a name, or ok) and pass it with --corrections."
            ),
            hanging=8,
        )


def _said_of(photo: Flagged) -> str:
    """Return a photo's class and what is said of it, to stand behind its name."""
    said = f"  {shown(photo.label)}" if photo.label else ""
    if photo.suggestion:
        said += f" -> {shown(suggested(photo)).removeprefix('looks like ')}"
    if photo.detail:
        said += f" ({shown(photo.detail)})"
    return said


def _label(finding: Finding) -> str:
    """Return a severity as it stands out without colour, too."""
    return finding.severity.upper()


def _print(console: Console, text: Text, *, left: int = 0, hanging: int = 0) -> None:
    """Print text with a margin, broken at the terminal's edge; in one line where there is none.

    Args:
        console: Where to.
        text: The text.
        left: Its margin, in columns.
        hanging: How much further the second line and those after it are indented.
    """
    margin = Text(" " * left)
    if not console.is_terminal:
        console.print(margin + text, highlight=False, soft_wrap=True)
        return
    width = max(console.width - left - hanging, 20)
    # Rich has no hanging indents: the first line is as narrow as the rest, and moved out again.
    lines = text.wrap(console, width, overflow="fold")
    for place, line in enumerate(lines):
        indent = left + (hanging if place else 0)
        console.print(Padding(line, (0, 0, 0, indent), expand=False), highlight=False)
