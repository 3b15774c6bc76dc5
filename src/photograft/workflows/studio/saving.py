"""What a project writes for others: the manifest, the corrections, and class folders of copies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from photograft.core.errors import InputError, StorageError
from photograft.core.files import new_file, new_folder, printable
from photograft.core.spreadsheets import csv_rows, new_csv
from photograft.data.names import free_name, safe_name
from photograft.data.sources.base import split_name, unique_names
from photograft.workflows.studio.view import Row, View

LABELS, CORRECTIONS = "labels.csv", "corrections.csv"
_FIX = "Check that the project's folder may be written to."
_TARGET = "Choose a new folder."


def write_labels(view: View, folder: Path) -> Path:
    """Write the manifest of all labelled photos, those that are left out included.

    Photos without a split are of the training part where others have one.

    Returns:
        Where it is.

    Raises:
        StorageError: It can't be written.
    """
    rows = [row for row in view.rows if row.label is not None]
    has_splits = any(row.photo.split for row in rows)
    columns = ["path", "label", *(["split"] if has_splits else []), "group"]
    path = folder / LABELS
    with (
        new_file(path, fix=_FIX) as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
    ):
        write = csv_rows(file, columns)
        for row in rows:
            write(
                {
                    "path": row.photo.path,
                    "label": row.label,
                    "split": row.photo.split or "train",
                    "group": row.group or "",
                }
            )
        file.flush()
        os.fsync(file.fileno())
    return path


def write_corrections(view: View, folder: Path) -> Path | None:
    """Write what was answered to findings and what is left out; None where that is nothing.

    Raises:
        StorageError: It can't be written.
    """
    path = folder / CORRECTIONS
    # A group of corrections is none of the manifest's: all photos of one are named.
    answered = {row.group for row in view.rows if row.answer and row.answer[0] == "group"}
    said = [
        {"name": row.photo.path, "action": action, "value": value}
        for row in view.rows
        if row.label is not None
        for action, value in _said(row, in_answered=row.group in answered)
    ]
    if not said:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"{printable(path)} can't be removed ({error.strerror or error})", fix=_FIX
            ) from error
        return None
    with new_csv(path, ("name", "action", "value"), fix=_FIX, keys=("name", "value")) as write:
        for cells in said:
            write(cells)
    return path


def save_folders(view: View, target: Path, sources: list[Path]) -> int:
    """Copy the labelled photos that are not left out into class folders, in a new folder.

    Where all of them have a split, its folder comes first. A photo whose name is taken gets a
    number, and one that can't be read any more is left out.

    Args:
        view: The photos.
        target: The new folder; it appears whole or not at all.
        sources: Folders of photos, in which nothing is ever written.

    Returns:
        How many photos were copied.

    Raises:
        InputError: The folder lies among the photos, or no photo is labelled.
        StorageError: It is there already, or can't be written.
    """
    real = Path(os.path.realpath(target))
    for source in sources:
        if real.is_relative_to(os.path.realpath(source)):
            raise InputError(
                f"{printable(target)} lies among the photos of {printable(source)}",
                fix="Choose a folder elsewhere: nothing among your photos is ever changed.",
            )
    rows = [row for row in view.rows if row.label is not None and not row.is_excluded]
    if not rows:
        raise InputError("no photo has a class yet", fix="Label some first.")
    labels = sorted({row.label for row in rows if row.label is not None})
    folders = dict(zip(labels, unique_folders(labels), strict=True))
    has_splits = all(row.photo.split for row in rows)
    copied = 0
    with new_folder(target, fix=_TARGET) as partial:
        taken: set[str] = set()
        for row in rows:
            parts = ([row.photo.split] if has_splits else []) + [folders[row.label or ""]]
            inner = _free(PurePosixPath(*(part for part in parts if part)), row, taken)
            (partial / inner).parent.mkdir(parents=True, exist_ok=True)
            try:
                with open(row.photo.file, "rb") as file:
                    found = file.read()
            except OSError:
                continue
            (partial / inner).write_bytes(found)
            shutil.copystat(row.photo.file, partial / inner)
            copied += 1
    return copied


def unique_folders(labels: list[str]) -> list[str]:
    """Return the names of folders for classes, such as any system takes and reads as classes.

    >>> unique_folders(["cat", "a/b", "a:b", "train", ".x"])
    ['cat', 'a_b', 'a_b#2', 'train_', '_x']
    """
    names = []
    for label in labels:
        name = safe_name(label)
        names.append(f"{name}_" if split_name(name) else name)
    alike = [name.casefold() for name in names]
    told = unique_names(alike)
    return [
        name + other[len(first) :] for name, first, other in zip(names, alike, told, strict=True)
    ]


def _free(folder: PurePosixPath, row: Row, taken: set[str]) -> PurePosixPath:
    name = PurePosixPath(row.photo.name)
    return PurePosixPath(free_name(f"{folder}/{safe_name(name.stem, name.suffix)}", taken))


def _said(row: Row, *, in_answered: bool) -> Iterator[tuple[str, str]]:
    """Yield the corrections of a photo: actions and values."""
    if row.is_excluded:
        yield "exclude", ""
    if row.answer and row.answer[0] == "relabel" and row.answer[1] == row.label:
        yield "relabel", row.answer[1]
    if in_answered and row.group is not None:
        yield "group", row.group
    if row.answer and row.answer[0] == "ok":
        yield "ok", ""
