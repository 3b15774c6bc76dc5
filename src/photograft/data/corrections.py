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
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from photograft.core.errors import InputError, did_you_mean
from photograft.core.files import printable
from photograft.core.spreadsheets import open_csv, unguarded
from photograft.core.text import count, listed
from photograft.data.dataset import Dataset, Photo
from photograft.data.sources.base import SkippedFile

ACTIONS = ("relabel", "exclude", "group", "ok")

_COLUMNS = ("name", "action", "value")
_MAX_WRONG = 8
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
        lines: Where in the file each photo is relabelled, such as ``"line 7"``.
        note: What the user should know of how the file was read.
    """

    source: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()
    groups: Mapping[str, str] = field(default_factory=dict)
    right: frozenset[str] = frozenset()
    lines: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Corrections:
        """Read a file of corrections.

        Args:
            path: The CSV file, as spreadsheets save it; see `photograft.core.spreadsheets`.

        Raises:
            InputError: It can't be read, lacks a column, has actions that are not known or lack
                their value, or says two things of one photo; all of these are named.
        """
        shown = printable(path)
        said: dict[str, dict[str, tuple[str, str]]] = {action: {} for action in ACTIONS}
        wrong: list[str] = []
        rows, note = _rows(Path(path), shown)
        for where, name, action, value in rows:
            if not action:
                continue
            if action not in ACTIONS:
                hint = did_you_mean(action, ACTIONS) or f"There are {', '.join(ACTIONS)}."
                wrong.append(f"{where}: there is no action {action!r}. {hint}")
                continue
            if action in ("relabel", "group") and not value:
                what = "class" if action == "relabel" else "group"
                wrong.append(
                    f"{where} does not say which {what}: {name!r}, {action}, and no value."
                )
                continue
            before, place = said[action].setdefault(name, (value, where))
            if before != value and action in ("relabel", "group"):
                wrong.append(
                    f"{shown} says two things of {name!r}: {action} {before!r} in {place}, "
                    f"{action} {value!r} in {where}."
                )
        if wrong:
            raise InputError(_all_of(f"{shown} can't be followed", wrong))
        return cls(
            shown,
            {name: value for name, (value, _) in said["relabel"].items()},
            frozenset(said["exclude"]),
            {name: value for name, (value, _) in said["group"].items()},
            frozenset(said["ok"]),
            {name: where for name, (_, where) in said["relabel"].items()},
            note,
        )

    def apply(self, dataset: Dataset, new_class: Sequence[str] = ()) -> Dataset:
        """Return a dataset as the user says that it is.

        Photos that are left out are in its account, as skipped.

        Args:
            dataset: The photos.
            new_class: Classes that photos may be relabelled to though the dataset has none such.

        Raises:
            InputError: None of the names is one of the dataset's, or a photo is relabelled to a
                class that is in neither; all such are named.
        """
        there = {*(photo.name for photo in dataset.photos), *(f.name for f in dataset.skipped)}
        self = self._spelt_like(there)
        named = {*self.labels, *self.excluded, *self.groups, *self.right}
        missing = named - there
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
        kept = [photo for photo in dataset.photos if photo.name not in self.excluded]
        classes = self._classes(dataset, kept, new_class)
        photos = [self._said(photo, classes) for photo in kept]
        return replace(
            dataset,
            photos=photos,
            skipped=tuple(sorted([*dataset.skipped, *left_out], key=lambda file: file.name)),
            notes=(*dataset.notes, *self._notes(dataset, photos, missing)),
            right=dataset.right | self.right,
        )

    def _spelt_like(self, there: Collection[str]) -> Corrections:
        """Return the same of photos whose names only look like those that are there."""
        alike = {_spelling(name): name for name in there}

        def real(name: str) -> str:
            return name if name in there else alike.get(_spelling(name), name)

        return replace(
            self,
            labels={real(name): label for name, label in self.labels.items()},
            excluded=frozenset(map(real, self.excluded)),
            groups={real(name): group for name, group in self.groups.items()},
            right=frozenset(map(real, self.right)),
            lines={real(name): where for name, where in self.lines.items()},
        )

    def _classes(
        self, dataset: Dataset, kept: Sequence[Photo], new_class: Sequence[str]
    ) -> dict[str, str]:
        """Return the class that each name of one stands for, of those that photos are given.

        Raises:
            InputError: One is neither the dataset's nor meant to be new.
        """
        known = (*dataset.class_names, *new_class)
        alike = {_spelling(name): name for name in reversed(known)}
        given: dict[str, list[str]] = {}
        for photo in kept:
            if photo.name in self.labels:
                where = self.lines.get(photo.name, repr(photo.name))
                given.setdefault(self.labels[photo.name], []).append(where)
        wrong = [
            f"{listed(where, 3)}: there is no class {name!r}. {did_you_mean(name, known)}".strip()
            for name, where in given.items()
            if name not in known and _spelling(name) not in alike
        ]
        if wrong:
            raise InputError(
                _all_of(f"{self.source} relabels photos to what is no class of theirs", wrong),
                fix="Correct the names, or give --new-class NAME (in Python new_class) for each "
                f"class that is meant to be new. The classes are {listed(dataset.class_names)}.",
            )
        return {name: name if name in known else alike[_spelling(name)] for name in given}

    def _said(self, photo: Photo, classes: Mapping[str, str]) -> Photo:
        given = self.labels.get(photo.name)
        label = photo.label if given is None else classes[given]
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
        done = [f"{number:,} {what}" for what, number in counts.items() if number]
        file = Path(self.source).name
        notes = [f"{file} {self.note}"] if self.note else []
        if done:
            notes.append(f"{file}: {', '.join(done)}")
        if missing:
            notes.append(
                f"{count(len(missing), 'photo')} that {file} names "
                f"{'is' if len(missing) == 1 else 'are'} not there: {listed(sorted(missing), 3)}"
            )
        return tuple(notes)


def _rows(path: Path, shown: str) -> tuple[list[tuple[str, str, str, str]], str]:
    """Return where each row is, its name, its action and its value; and a note, or nothing."""
    try:
        with open_csv(path, _COLUMNS) as opened:
            header = [cell.strip().lower() for cell in next(opened.reader, [])]
            if not set(_COLUMNS) <= set(header):
                missing = [name for name in _COLUMNS if name not in header]
                raise InputError(
                    f"{shown} has no column {' or '.join(missing)}",
                    expected=_EXPECTED,
                    got=", ".join(header[:12]) or "an empty file",
                )
            at = [header.index(name) for name in _COLUMNS]
            found = []
            for cells in opened.reader:
                name, action, value = (cells[i] if i < len(cells) else "" for i in at)
                row = (f"line {opened.reader.line_num}", name, action.strip().lower())
                found.append((*row, value.strip()))
            return found, opened.note
    except OSError as error:
        raise InputError(f"{shown} can't be read", got=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{shown} is no text",
            expected="CSV in UTF-8, or as Excel saves it",
            fix="Save it again with the encoding UTF-8.",
        ) from error
    except csv.Error as error:
        raise InputError(f"{shown} is not well-formed CSV", got=str(error)) from error


def _spelling(name: str) -> str:
    """Return what is the same for names that look the same.

    A spreadsheet may compose umlauts, and a cell that was copied from the findings may have the
    apostrophe that guards it.
    """
    return unicodedata.normalize("NFC", unguarded(name))


def _all_of(what: str, wrong: Sequence[str]) -> str:
    """Return what is wrong with a file: all of it, where that is not too much for a message."""
    more = f" And {len(wrong) - _MAX_WRONG:,} more." if len(wrong) > _MAX_WRONG else ""
    return f"{what}: {' '.join(wrong[:_MAX_WRONG])}{more}".removesuffix(".")
