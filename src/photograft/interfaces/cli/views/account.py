"""What became of the files of a source, as the command line tells it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from photograft.core.text import count, times
from photograft.workflows.inspect import (
    HIDDEN,
    across_given_splits,
    conflicting_labels,
    of_classes,
    same_content,
    told,
)
from photograft.workflows.prediction_counts import unread
from photograft.workflows.types import Dataset, SkippedFile

_MAX_ROWS = 30
_MAX_UNREADABLE = 5


def show_account(console: Console, dataset: Dataset) -> None:
    """Print what a source holds, class by class, and what was passed over and why."""
    table = Table(title=f"{escape(dataset.name)}: {count(len(dataset.photos), 'photo')}")
    table.add_column("class", overflow="fold")
    table.add_column("photos", justify="right", overflow="fold")
    splits = [
        s for s in ("train", "validation", "test") if any(p.split == s for p in dataset.photos)
    ]
    for split in splits:
        table.add_column(split, justify="right", overflow="fold")
    counts = dataset.class_counts()
    for name in list(counts)[:_MAX_ROWS]:
        own = [p.split for p in dataset.photos if p.label == name]
        table.add_row(escape(name), f"{counts[name]:,}", *(f"{own.count(s):,}" for s in splits))
    for name in dataset.dropped:
        table.add_row(escape(name), "0", *("0" for _ in splits), style="bold yellow")
    console.print(table)
    if len(counts) > _MAX_ROWS:
        console.print(f"… and {count(len(counts) - _MAX_ROWS, 'more class', 'more classes')}")
    show_notes(console, dataset.notes)
    for name, files in of_classes(dataset.dropped, dataset.skipped).items():
        print_whole(
            console,
            f"Warning: no photo of the class {name!r} can be used: {told(files)}",
            style="bold yellow",
        )
    show_skipped(console, dataset.skipped_counts(), all_of_them=True)
    passed = sorted(dataset.skipped, key=lambda file: file.is_system)
    for file in passed[:5]:
        detail = f": {file.detail}" if file.detail else ""
        print_whole(console, f"  {file.name} ({file.reason}{detail})")
    if len(passed) > 5:
        console.print(f"  … and {len(passed) - 5:,} more")
    show_unreadable(console, dataset.skipped)
    noted = [photo for photo in dataset.photos if photo.note]
    if noted:
        console.print(f"{count(len(noted), 'photo')} used though odd:")
        for photo in noted[:5]:
            print_whole(console, f"  {photo.name} ({photo.note})")
    doubled = same_content(dataset)
    if doubled:
        print_whole(
            console,
            f"{count(len(doubled), 'photo is', 'photos are')} there more than once (same content), "
            "such as " + _names(dataset, doubled[0]),
        )
    conflicts, across = conflicting_labels(dataset), across_given_splits(dataset)
    if conflicts:
        said = count(len(conflicts), "photo is", "photos are")
        _warn(
            console,
            f"{said} under several labels with the very same content",
            conflicts[0],
            dataset,
        )
    if across:
        groups = count(len(across), "group of photos", "groups of photos")
        _warn(
            console,
            f"{groups} that belong together (copies, or one group of the source's) "
            f"{'lies' if len(across) == 1 else 'lie'} on several sides of the split, "
            f"{count(sum(map(len, across)), 'photo')} in all",
            across[0],
            dataset,
        )


def show_skipped(console: Console, counts: dict[str, int], *, all_of_them: bool = False) -> None:
    """Print how many files were skipped for each reason, in one line.

    Args:
        console: Where to.
        counts: By reason.
        all_of_them: Also where systems left them, such as ``.DS_Store``.
    """
    counts = {why: n for why, n in counts.items() if all_of_them or why != HIDDEN}
    if counts:
        console.print(
            f"Skipped {count(sum(counts.values()), 'file')}: {times(counts)}", markup=False
        )


def show_unreadable(console: Console, skipped: Sequence[SkippedFile]) -> None:
    """Print how many files and folders could not be read, and which; what is in these is not seen.

    Args:
        console: Where to.
        skipped: Of a dataset; those that were skipped for other reasons are left out.
    """
    found = [file for file in skipped if file.reason == "unreadable"]
    if not found:
        return
    found.sort(key=lambda file: not file.name.endswith("/"))  # folders first: they may hold many
    folders = sum(file.name.endswith("/") for file in found)
    shown = [f"{file.name} ({file.detail})" for file in found[:_MAX_UNREADABLE]]
    more = len(found) - len(shown)
    names = ", ".join(shown) + (f" and {more:,} more" if more else "")
    print_whole(console, f"Warning: {unread(len(found), folders)}: {names}", style="bold yellow")


def show_notes(console: Console, notes: Sequence[str]) -> None:
    """Print what the user should know, a line each."""
    for note in notes:
        console.print(f"Note: {note}", style="dim", markup=False, highlight=False)


def print_whole(console: Console, line: str, style: str = "") -> None:
    """Print a line that a terminal may break, but not this program: names can be copied from it."""
    console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


def _warn(console: Console, what: str, indices: list[int], dataset: Dataset) -> None:
    print_whole(
        console, f"Warning: {what}, such as {_names(dataset, indices)}", style="bold yellow"
    )


def _names(dataset: Dataset, indices: list[int]) -> str:
    return " and ".join(dataset.photos[i].name for i in indices[:2])
