"""Photos named by the rows of a CSV or Parquet file."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from photograft.core.columnar import Codes
from photograft.core.errors import SourceError
from photograft.core.files import printable
from photograft.core.text import count
from photograft.data.sources.base import Items, Listing, SkippedFile, make_listing, split_name
from photograft.data.sources.manifest_places import AnyPlaces, FarPlaces, Places
from photograft.data.sources.places import FarFile, copied
from photograft.data.sources.table_rows import Rows
from photograft.data.sources.tables import read_rows

#: Rows that are looked at together.
_BATCH = 16_384


def read_manifest(source: Path | FarFile) -> Listing:
    """List the photos that a manifest names.

    A manifest has the columns ``path`` (relative to its own folder, or absolute, or an address) and
    ``label``, and optionally ``split`` and ``group``; case does not matter, and other columns are
    ignored.

    Args:
        source: The CSV or Parquet file. At an address, it names no files of this machine.

    Returns:
        The listing, of kind ``"manifest"``.

    Raises:
        SourceError: The file can't be read, lacks a column, gives a split for some rows only or
            one of another name, or names no photo that is there.
    """
    notes: list[str] = []
    places: AnyPlaces
    if isinstance(source, FarFile):
        shown, places = source.shown, FarPlaces(source.address.above())
        with copied(source) as path:
            rows = read_rows(path, notes.append)
    else:
        path = source.absolute()
        shown, places = printable(path), Places(path.parent)
        rows = read_rows(path, notes.append)
    if not len(rows):
        raise SourceError(
            f"the manifest {shown} has a header and no rows",
            expected="one row for each photo",
        )
    listing = list_rows(rows, places, kind="manifest", shown=shown, root_is="the manifest's folder")
    return replace(listing, notes=(*notes, *listing.notes))


def list_rows(rows: Rows, places: AnyPlaces, *, kind: str, shown: str, root_is: str) -> Listing:
    """List the photos that the rows of a table name.

    Args:
        rows: At least one.
        places: Where their files are.
        kind: As in `Listing`.
        shown: What errors call the table.
        root_is: What they call the root.

    Raises:
        SourceError: A split is given for some rows only, or one of another name, or no row names
            a photo that is there.
    """
    has_splits = check_splits(rows, shown)
    items, skipped = Items(), list[SkippedFile]()
    seen = dict[int, int]()
    for start in range(0, len(rows), _BATCH):
        own = ("path", "label", "split", "group")
        cells = {name: rows.columns[name].some(start, start + _BATCH) for name in own}
        files = places.files(cells["path"])
        splits = [split_name(split) if has_splits else None for split in cells["split"]]
        names = places.names(files)
        keys = list(map(hash, zip(files, cells["label"], splits, strict=True)))
        if (
            all(cells["path"])
            and all(cells["label"])
            and len(set(keys)) == len(keys)
            and seen.keys().isdisjoint(keys)
            and not any(map(places.fault, files))
        ):
            seen.update(zip(keys, itertools.count(start)))
            kept = list(range(len(files)))
        else:
            kept = []
            for i in range(len(files)):
                row = rows[start + i]
                if not row.path:
                    detail = f"{row.where} has no path"
                    skipped.append(SkippedFile(row.where, "no path", detail, row.label))
                    continue
                if not row.label:
                    skipped.append(SkippedFile(names[i], "no label", f"{row.where} has no label"))
                    continue
                first = _find(seen, keys[i], start + i, rows, places, has_splits)
                if first is not None:
                    detail = f"{row.where} gives the same path and label as {first}"
                    skipped.append(SkippedFile(names[i], "listed twice", detail))
                    continue
                fault = places.fault(files[i])
                if fault is not None:
                    detail = f"{row.where}: {fault[1]}"
                    skipped.append(SkippedFile(names[i], fault[0], detail, row.label))
                    continue
                kept.append(i)
        items.extend(
            name=[names[i] for i in kept],
            label=[cells["label"][i] for i in kept],
            split=[splits[i] for i in kept],
            group=[cells["group"][i] or None for i in kept],
            read=places.reads([files[i] for i in kept]),
            is_pixels=[False] * len(kept),
        )
    if not len(items):
        where = f"{root_is}, {places.shown}"
        raise _nothing_usable(shown, where, rows, skipped)
    return make_listing(kind, items, skipped, group_notes(rows))


def _find(
    seen: dict[int, int], key: int, number: int, rows: Rows, places: AnyPlaces, has_splits: bool
) -> str | None:
    """Return which row gave the same file, label and split before; note this one where none did."""

    def of(i: int) -> tuple[str, str, str | None]:
        row = rows[i]
        (file,) = places.files([row.path])
        return file, row.label, split_name(row.split) if has_splits else None

    while (earlier := seen.get(key)) is not None:
        if of(earlier) == of(number):
            return rows[earlier].where
        key += 1  # another row of the same hash
    seen[key] = number
    return None


def check_splits(rows: Rows, shown: str, column: str = "the column split") -> bool:
    """Return whether rows give splits.

    Args:
        rows: Of a table.
        shown: What errors call the table.
        column: What they call that which holds the splits.

    Raises:
        SourceError: Only some do, or one of another name.
    """
    splits = rows.columns["split"]
    if not isinstance(splits, Codes) or not any(splits.values):
        return False
    unknown = [split_name(value) is None if value else False for value in splits.values]
    wrong = np.flatnonzero(np.array(unknown)[splits.codes])
    if len(wrong):
        first = rows[wrong[0]]
        raise SourceError(
            count(len(wrong), f"row of {shown} names", f"rows of {shown} name")
            + " a split that is not known",
            expected=f"train, validation or test in {column}",
            got=f"{first.split!r} in {first.where} ({first.path})",
            fix=f"Correct them, or leave {column} out to have Photograft split the photos.",
        )
    blank = np.flatnonzero(np.array([not value for value in splits.values])[splits.codes])
    if len(blank):
        first = rows[blank[0]]
        raise SourceError(
            count(len(blank), f"row of {shown} has", f"rows of {shown} have")
            + f" no split, and {count(len(rows) - len(blank), 'has', 'have')}",
            expected="a split in every row or in none",
            got=f"none in {first.where} ({first.path})",
            fix=f"Fill {column}, or leave it out to have Photograft split the photos.",
        )
    return True


def _nothing_usable(
    shown: str, where: str, rows: Rows, skipped: Sequence[SkippedFile]
) -> SourceError:
    fix = f"Paths are taken relative to {where}."
    if any("://" in path for path in rows.columns["path"]):
        fix = "Addresses on the web are not fetched; download the photos first."
    elif any("\\" in path for path in rows.columns["path"]):
        fix += " Write them with / instead of \\."
    return SourceError(
        f"none of the {count(len(rows), 'row')} of {shown} gives a photo and its label",
        expected="paths of files that are there, each with a label",
        got=f"{skipped[0].reason!r}: {skipped[0].detail}",
        fix=fix,
    )


def group_notes(rows: Rows) -> list[str]:
    """Return what the user should know of rows without a group, where others have one."""
    without = sum(not group for group in rows.columns["group"])
    if without in (0, len(rows)):
        return []
    return [f"{count(without, 'row')} without a group: each such photo is a group of its own"]
