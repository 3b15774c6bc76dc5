"""The user's word on photos: another label, left out, kept together. The source is never changed.

A CSV file with the columns ``name``, ``action`` and ``value``, in any case and order, others
ignored; a row without an action says nothing. The findings that the doctor writes have these
columns, to be filled in.

    relabel   the photo is of the class that value names
    exclude   leave it out
    group     it belongs with all photos that have this value
    ok        it is right as it is: suspect no more
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from photograft.core.errors import InputError, UnknownNameError, as_typed
from photograft.core.files import printable
from photograft.data.dataset import Dataset, Photo
from photograft.data.sources.base import SkippedFile

ACTIONS = ("relabel", "exclude", "group", "ok")

_COLUMNS = ("name", "action", "value")
_EXPECTED = "a header with the columns name, action and value"


@dataclass(frozen=True)
class Corrections:
    """What the user says of photos, by name.

    Attributes:
        source: The file that it is from.
        labels: The right class of each photo that was given a wrong one.
        excluded: Photos to leave out.
        groups: Photos that belong together have the same group.
        right: Photos that are not to be suspected.
    """

    source: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()
    groups: Mapping[str, str] = field(default_factory=dict)
    right: frozenset[str] = frozenset()

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Corrections:
        """Read a file of corrections.

        Args:
            path: The CSV file, in UTF-8.

        Raises:
            InputError: It can't be read, lacks a column, has an action that is not known or lacks
                its value, or says two things of one photo.
        """
        shown = printable(path)
        said: dict[str, dict[str, tuple[str, str]]] = {action: {} for action in ACTIONS}
        for where, name, action, value in _rows(Path(path), shown):
            if not action:
                continue
            if action not in ACTIONS:
                known = ", ".join(ACTIONS)
                fix = f"It stands in {where} of {shown}; there are {known}."
                raise UnknownNameError("action", action, ACTIONS, fix=fix)
            if action in ("relabel", "group") and not value:
                what = "class" if action == "relabel" else "group"
                raise InputError(
                    f"{where} of {shown} does not say which {what}",
                    expected=f"the {what} in the column value",
                    got=f"{name!r}, {action}, and no value",
                )
            before, place = said[action].setdefault(name, (value, where))
            if before != value and action in ("relabel", "group"):
                raise InputError(
                    f"{shown} says two things of {name!r}",
                    got=f"{action} {before!r} in {place}, {action} {value!r} in {where}",
                )
        return cls(
            shown,
            {name: value for name, (value, _) in said["relabel"].items()},
            frozenset(said["exclude"]),
            {name: value for name, (value, _) in said["group"].items()},
            frozenset(said["ok"]),
        )

    def apply(self, dataset: Dataset) -> Dataset:
        """Return a dataset as the user says that it is.

        Photos that are left out are in its account, as skipped.

        Raises:
            InputError: None of the names is one of the dataset's.
        """
        named = {*self.labels, *self.excluded, *self.groups, *self.right}
        missing = named - {photo.name for photo in dataset.photos}
        missing -= {file.name for file in dataset.skipped}
        if named and missing == named:
            raise InputError(
                f"none of the photos that {self.source} names is in {dataset.source}",
                expected="names as `photograft inspect --files` and `photograft doctor` write them",
                got=", ".join(sorted(missing)[:3]),
            )
        detail = f"by {Path(self.source).name}"
        left_out = [
            SkippedFile(photo.name, "excluded", detail)
            for photo in dataset.photos
            if photo.name in self.excluded
        ]
        photos = [self._said(p) for p in dataset.photos if p.name not in self.excluded]
        return replace(
            dataset,
            photos=tuple(photos),
            skipped=tuple(sorted([*dataset.skipped, *left_out], key=lambda file: file.name)),
            notes=(*dataset.notes, *self._notes(dataset, photos, missing)),
            right=dataset.right | self.right,
        )

    def _said(self, photo: Photo) -> Photo:
        label = self.labels.get(photo.name, photo.label)
        group = self.groups.get(photo.name)
        # A group of the user's file is none of the source's, though they be called alike.
        group = photo.group if group is None else f"corrections: {group}"
        return replace(photo, label=label, group=group)

    def _notes(
        self, dataset: Dataset, photos: Sequence[Photo], missing: set[str]
    ) -> tuple[str, ...]:
        kept = {photo.name for photo in photos}
        counts = {
            "relabelled": len(kept & self.labels.keys()),
            "left out": len(dataset.photos) - len(photos),
            "grouped": len(kept & self.groups.keys()),
            "declared right": len(kept & self.right),
        }
        done = [f"{count:,} {what}" for what, count in counts.items() if count]
        notes = [f"{Path(self.source).name}: {', '.join(done)}"] if done else []
        if missing:
            notes.append(
                f"{len(missing):,} of the photos that {Path(self.source).name} names are not "
                f"there, such as {min(missing)}"
            )
        return tuple(notes)


def group_by(dataset: Dataset, pattern: str) -> Dataset:
    """Return a dataset whose photos are grouped by a part of their names.

    Args:
        dataset: The photos; groups that the source gives are replaced.
        pattern: A regular expression that is searched for in each name. Photos of which its
            parentheses (or all of it, where it has none) hold the same text are a group; one in
            which it does not occur is a group of its own.

    Raises:
        InputError: The pattern is not well-formed, or occurs in no name.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(
            "the pattern to group by is no regular expression",
            expected=r"one such as 'person(\d+)'",
            got=f"{as_typed(pattern)}: {error}",
        ) from error
    found = [compiled.search(photo.name) for photo in dataset.photos]
    if dataset.photos and not any(found):
        raise InputError(
            f"the pattern to group by, {as_typed(pattern)}, occurs in no photo's name",
            expected=f"one that occurs in names such as {dataset.photos[0].name}",
        )
    groups = [
        None if match is None else "/".join(part or "" for part in match.groups() or (match[0],))
        for match in found
    ]
    sizes = Counter(group for group in groups if group is not None)
    alone = groups.count(None)
    note = (
        f"grouped by {as_typed(pattern)}: {sum(sizes.values()):,} photos in {len(sizes):,} groups"
        + (f"; {alone:,} without it, each on its own" if alone else "")
    )
    photos = [replace(p, group=group) for p, group in zip(dataset.photos, groups, strict=True)]
    return replace(dataset, photos=tuple(photos), notes=(*dataset.notes, note))


def _rows(path: Path, shown: str) -> list[tuple[str, str, str, str]]:
    """Return where each row is, its name, its action and its value."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # A spreadsheet in another language may have written semicolons.
            delimiter = max(",;\t", key=file.readline().count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            header = [cell.strip().lower() for cell in next(reader, [])]
            if not set(_COLUMNS) <= set(header):
                missing = [name for name in _COLUMNS if name not in header]
                raise InputError(
                    f"{shown} has no column {' or '.join(missing)}",
                    expected=_EXPECTED,
                    got=", ".join(header[:12]) or "an empty file",
                )
            at = [header.index(name) for name in _COLUMNS]
            found = []
            for cells in reader:
                name, action, value = (cells[i] if i < len(cells) else "" for i in at)
                row = (f"line {reader.line_num}", name, action.strip().lower(), value.strip())
                found.append(row)
            return found
    except OSError as error:
        raise InputError(f"{shown} can't be read", got=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{shown} is not UTF-8 text", fix="Save it again with the encoding UTF-8."
        ) from error
    except csv.Error as error:
        raise InputError(f"{shown} is not well-formed CSV", got=str(error)) from error
