"""A project as it is at one moment: photos, and what is said of each. Nothing of it changes."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from photograft.core.text import natural_key
from photograft.workflows.studio.marks import Marks
from photograft.workflows.studio.photos import ListedPhoto


@dataclass(frozen=True, slots=True)
class Row:
    """A photo, and what is said of it.

    Attributes:
        photo: The file.
        label: The name of its class; None for none.
        group: Photos of one group are kept together; None for none.
        is_excluded: Whether it is left out.
        answer: What was answered to a finding, and its value; None for nothing.
    """

    photo: ListedPhoto
    label: str | None
    group: str | None
    is_excluded: bool
    answer: tuple[str, str] | None


@dataclass(frozen=True)
class Snapshot:
    """Photos to learn from, in columns of equal length: neither left out nor known as unreadable.

    Attributes:
        revision: Of the project.
        class_names: All classes, those without photos too.
        ids: The photos.
        names: As in ``labels.csv``.
        paths: The files, absolute.
        labels: Their classes; None for none.
        groups: What keeps photos together; None for nothing.
        splits: What the source says; None for nothing.
    """

    revision: int
    class_names: tuple[str, ...]
    ids: tuple[str, ...]
    names: tuple[str, ...]
    paths: tuple[str, ...]
    labels: tuple[str | None, ...]
    groups: tuple[str | None, ...]
    splits: tuple[str | None, ...]


@dataclass(frozen=True)
class View:
    """All photos.

    Attributes:
        revision: Of the project.
        rows: By natural order of the names, within their folders.
        class_names: By natural order, those without photos too.
    """

    revision: int
    rows: tuple[Row, ...]
    class_names: tuple[str, ...]

    @functools.cached_property
    def by_id(self) -> Mapping[str, Row]:
        """The rows by the photos' ids."""
        return {row.photo.id: row for row in self.rows}

    @functools.cached_property
    def counts(self) -> Mapping[str | None, int]:
        """Photos by class, None of those that have none; without those that are left out."""
        return Counter(row.label for row in self.rows if not row.is_excluded)

    @property
    def num_excluded(self) -> int:
        """Photos that are left out."""
        return sum(row.is_excluded for row in self.rows)

    def snapshot(self, unreadable: Collection[str]) -> Snapshot:
        """Return what there is to learn from.

        Args:
            unreadable: Files that are known to be.
        """
        rows = [
            row for row in self.rows if not row.is_excluded and row.photo.file not in unreadable
        ]
        return Snapshot(
            self.revision,
            self.class_names,
            tuple(row.photo.id for row in rows),
            tuple(row.photo.path for row in rows),
            tuple(row.photo.file for row in rows),
            tuple(row.label for row in rows),
            tuple(row.group for row in rows),
            tuple(row.photo.split for row in rows),
        )


def make_view(
    revision: int,
    photos: Mapping[str, ListedPhoto],
    source_classes: tuple[str, ...],
    marks: Marks,
) -> View:
    """Return the photos with what is said of them.

    Args:
        revision: Of the project.
        photos: By id, in the order of the rows.
        source_classes: Classes that the folders name.
        marks: What the user says.
    """
    rows = []
    for photo in photos.values():
        mark = marks.of(photo.path)
        label = mark.label if mark.has_label else marks.named(photo.label)
        group = mark.group if mark.has_group else None
        rows.append(Row(photo, label, group, mark.excluded, mark.answer))
    names = {marks.named(name) for name in source_classes} | {row.label for row in rows}
    classes = {name for name in names if name is not None} | set(marks.classes)
    return View(revision, tuple(rows), tuple(sorted(classes, key=natural_key)))
