"""Photos named by the rows of a CSV or Parquet file."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from photograft.core.errors import SourceError
from photograft.core.files import printable
from photograft.core.text import count
from photograft.data.known_files import FileOnDisk
from photograft.data.sources.base import Item, Listing, SkippedFile, make_listing, split_name
from photograft.data.sources.tables import Row, read_rows


def read_manifest(path: Path) -> Listing:
    """List the photos that a manifest names.

    A manifest has the columns ``path`` (relative to its own folder, or absolute) and ``label``,
    and optionally ``split`` and ``group``; case does not matter, and other columns are ignored.

    Args:
        path: The CSV or Parquet file.

    Returns:
        The listing, of kind ``"manifest"``.

    Raises:
        SourceError: The file can't be read, lacks a column, gives a split for some rows only or
            one of another name, or names no photo that is there.
    """
    path = path.absolute()
    notes: list[str] = []
    rows = list(read_rows(path, notes.append))
    if not rows:
        raise SourceError(
            f"the manifest {printable(path)} has a header and no rows",
            expected="one row for each photo",
        )
    listing = list_rows(
        rows, path.parent, kind="manifest", shown=printable(path), root_is="the manifest's folder"
    )
    return replace(listing, notes=(*notes, *listing.notes))


def list_rows(rows: Sequence[Row], root: Path, *, kind: str, shown: str, root_is: str) -> Listing:
    """List the photos that the rows of a table name.

    Args:
        rows: At least one.
        root: What paths are relative to, absolute.
        kind: As in `Listing`.
        shown: What errors call the table.
        root_is: What they call the root.

    Raises:
        SourceError: A split is given for some rows only, or one of another name, or no row names
            a photo that is there.
    """
    has_splits = check_splits(rows, shown)
    items: list[Item] = []
    skipped: list[SkippedFile] = []
    seen: dict[tuple[str, str, str | None], str] = {}
    for row in rows:
        if not row.path:
            detail = f"{row.where} has no path"
            skipped.append(SkippedFile(row.where, "no path", detail, row.label))
            continue
        file = root / row.path
        name = _name(file, root)
        if not row.label:
            skipped.append(SkippedFile(name, "no label", f"{row.where} has no label"))
            continue
        split = split_name(row.split) if has_splits else None
        key = (str(file), row.label, split)
        if key in seen:
            detail = f"{row.where} gives the same path and label as {seen[key]}"
            skipped.append(SkippedFile(name, "listed twice", detail))
            continue
        seen[key] = row.where
        fault = _fault(file)
        if fault is not None:
            skipped.append(SkippedFile(name, fault[0], f"{row.where}: {fault[1]}", row.label))
            continue
        items.append(Item(name, row.label, split, row.group or None, FileOnDisk(file)))
    if not items:
        where = f"{root_is}, {printable(root)}"
        raise _nothing_usable(shown, where, rows, skipped)
    return make_listing(kind, items, skipped, group_notes(rows))


def check_splits(rows: Sequence[Row], shown: str, column: str = "the column split") -> bool:
    """Return whether rows give splits.

    Args:
        rows: Of a table.
        shown: What errors call the table.
        column: What they call that which holds the splits.

    Raises:
        SourceError: Only some do, or one of another name.
    """
    unknown = [row for row in rows if row.split and split_name(row.split) is None]
    if unknown:
        raise SourceError(
            count(len(unknown), f"row of {shown} names", f"rows of {shown} name")
            + " a split that is not known",
            expected=f"train, validation or test in {column}",
            got=f"{unknown[0].split!r} in {unknown[0].where} ({unknown[0].path})",
            fix=f"Correct them, or leave {column} out to have Photograft split the photos.",
        )
    blank = [row for row in rows if not row.split]
    if blank and len(blank) < len(rows):
        raise SourceError(
            count(len(blank), f"row of {shown} has", f"rows of {shown} have")
            + f" no split, and {count(len(rows) - len(blank), 'has', 'have')}",
            expected="a split in every row or in none",
            got=f"none in {blank[0].where} ({blank[0].path})",
            fix=f"Fill {column}, or leave it out to have Photograft split the photos.",
        )
    return not blank


def _name(file: Path, folder: Path) -> str:
    return printable(file.relative_to(folder) if file.is_relative_to(folder) else file)


def _fault(file: Path) -> tuple[str, str] | None:
    """Return why a file can't be read, as reason and detail, or None; nothing is opened."""
    try:
        mode = os.stat(file).st_mode
    except (FileNotFoundError, NotADirectoryError):
        if file.is_symlink():
            return "broken link", f"leads to {printable(os.readlink(file))}, which is not there"
        return "missing", f"there is no {printable(file)}"
    except ValueError:
        return "missing", "the path holds a NUL character"
    except OSError as error:
        return "unreadable", error.strerror or str(error)
    return None if stat.S_ISREG(mode) else ("not a regular file", printable(file))


def _nothing_usable(
    shown: str, where: str, rows: Sequence[Row], skipped: Sequence[SkippedFile]
) -> SourceError:
    fix = f"Paths are taken relative to {where}."
    if any("://" in row.path for row in rows):
        fix = "Addresses on the web are not fetched; download the photos first."
    elif any("\\" in row.path for row in rows):
        fix += " Write them with / instead of \\."
    return SourceError(
        f"none of the {count(len(rows), 'row')} of {shown} gives a photo and its label",
        expected="paths of files that are there, each with a label",
        got=f"{skipped[0].reason!r}: {skipped[0].detail}",
        fix=fix,
    )


def group_notes(rows: Sequence[Row]) -> list[str]:
    """Return what the user should know of rows without a group, where others have one."""
    without = sum(not row.group for row in rows)
    if without in (0, len(rows)):
        return []
    return [f"{count(without, 'row')} without a group: each such photo is a group of its own"]
