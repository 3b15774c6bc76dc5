"""How many photos were answered how, and how many files could not be read."""

from __future__ import annotations

import os
from dataclasses import dataclass

from photograft.classifier.prediction import Prediction
from photograft.classifier.uncertainty.uncertainty import UNKNOWN, UNSURE
from photograft.core.text import count, of, short

#: Classes that are counted by name.
_MAX_CLASSES = 10


@dataclass
class Counts:
    """How many rows say what.

    Attributes:
        rows: All of them.
        failed: Those that say that a file or a folder could not be read.
        folders: Of these, the folders.
        classes: Photos of each of the classifier's classes.
        unknown: Photos that are like no class; None where nobody asked.
        unsure: Photos of which it is unsure; likewise.
    """

    rows: int
    failed: int
    folders: int
    classes: dict[str, int]
    unknown: int | None = None
    unsure: int | None = None

    def add(self, prediction: Prediction) -> None:
        """Count a prediction that is answered by the rules."""
        self.rows += 1
        if prediction.label is None:
            self.failed += 1
            self.folders += prediction.name.endswith(os.sep)
            return
        instead = sent_away(prediction.answer, prediction.label)
        if instead == UNKNOWN:
            self.unknown = (self.unknown or 0) + 1
        elif instead == UNSURE:
            self.unsure = (self.unsure or 0) + 1
        else:
            self.classes[prediction.label] += 1

    def sentence(self) -> str:
        """Return what was answered how often, the commonest classes first.

        >>> Counts(9, 2, 1, {"cat": 1, "dog": 4}, unknown=2).sentence()
        '7 photos: dog 4, cat 1, unknown 2; 1 file and 1 folder could not be read'
        """
        order = sorted(self.classes, key=lambda name: -self.classes[name])
        if len(order) > _MAX_CLASSES:
            order = [name for name in order if self.classes[name]]
        told = [f"{short(name, 40)} {self.classes[name]:,}" for name in order[:_MAX_CLASSES]]
        if rest := order[_MAX_CLASSES:]:
            more = sum(self.classes[name] for name in rest)
            told.append(f"{count(len(rest), 'other class', 'other classes')} {more:,}")
        for name, number in ((UNKNOWN, self.unknown), (UNSURE, self.unsure)):
            if number is not None:
                told.append(f"{name} {number:,}")
        text = f"{count(self.rows - self.failed, 'photo')}: {', '.join(told)}"
        return text + (f"; {unread(self.failed, self.folders)}" if self.failed else "")


def unread(failed: int, folders: int, num_files: int | None = None) -> str:
    """Return how many files and folders could not be read.

    Args:
        failed: Both together, at least 1.
        folders: The folders.
        num_files: Files in all, where that is to be said.

    >>> unread(1, 0), unread(3, 1, 20)
    ('1 file could not be read', '2 of 20 files and 1 folder could not be read')
    """
    files = failed - folders
    parts = []
    if files:
        parts.append(count(files, "file") if num_files is None else of(files, num_files, "file"))
    if folders:
        parts.append(count(folders, "folder"))
    return f"{' and '.join(parts)} could not be read"


def sent_away(answer: str | None, label: str) -> str:
    """Return `UNKNOWN` or `UNSURE` where that is the answer, and empty text where it is a class."""
    is_class = answer is None or answer == label  # a class may be called so
    return answer if answer in (UNKNOWN, UNSURE) and not is_class else ""
