"""A project of the studio: photos, what the user says of them, and its folder on the disk."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from photograft.core.errors import InputError, UnknownNameError
from photograft.core.files import read_file
from photograft.core.store import default_cache_dir
from photograft.workflows.studio import files, saving
from photograft.workflows.studio.journal import Journal, Record
from photograft.workflows.studio.lock import ProjectLock
from photograft.workflows.studio.marks import Marks, replayed
from photograft.workflows.studio.names import class_name, existing, group_name, like
from photograft.workflows.studio.photos import (
    Listed,
    ListedPhoto,
    id_of,
    list_folder,
    list_inside,
    listed_or_not,
    without_doubles,
)
from photograft.workflows.studio.pictures import Pictures
from photograft.workflows.studio.scanning import Scan
from photograft.workflows.studio.view import Row, Snapshot, View, make_view
from photograft.workflows.studio.writing import Writer

ANSWERS = ("relabel", "exclude", "group", "ok")


class Project:
    """An open project; for several threads. See `Project.open`.

    Attributes:
        folder: Its folder, absolute.
        name: What it is called.
        pictures: Of its photos.
        scan: Their thumbnails, made in the background.
        lock: What keeps other processes out.
    """

    def __init__(self, folder: Path, description: files.Description, lock: ProjectLock) -> None:
        self.folder, self.name, self.lock = folder, description.name, lock
        self._description = description
        self._lock = threading.RLock()
        self._listeners: list[Callable[[], object]] = []
        self._journal = Journal(folder / files.JOURNAL)
        try:
            self._marks = _marks_of(self._journal)
            self._revision = len(self._journal.records)
            self._journal.records.clear()  # they are in the marks
            self._listed = [listed_or_not(path, folder) for path in description.folders]
            self._brought = list_inside(folder, files.PHOTOS)
        except BaseException:
            self._journal.close()
            raise
        self._view: View | None = None
        self.pictures = Pictures(default_cache_dir())
        self.scan = Scan(self.pictures, self._tell)
        self._writer = Writer(self._write)

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str] | None = None,
        project: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Open a project, making it where it is new; close it after use.

        Args:
            folder: Photos; in class folders they have labels from the start.
            project: The project's folder: ``FOLDER.studio`` beside the photos if left out, and
                ``photograft-studio`` where there are none.

        Raises:
            InputError: There is no such folder, or another studio has the project.
            StorageError: The project's folder can't be written.
        """
        photos, place = files.place_of(folder, project)
        description = files.open_folder(photos, place)
        lock = ProjectLock(place)
        try:
            found = cls(place, description, lock)
        except BaseException:
            lock.release()
            raise
        wrong = next((one for one in found.folders if one.problem and one.folder == photos), None)
        if wrong is not None:  # of a folder that was named now
            found.close()
            raise InputError(wrong.problem)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is to be written, and let go of the project."""
        self.scan.close()
        self._writer.close()
        with self._lock:
            self._journal.close()
        self.lock.release()

    def start_scan(self) -> None:
        """Begin to make the thumbnails that are missing."""
        self.scan.start([row.photo.file for row in self.view().rows])

    # What there is.

    @property
    def revision(self) -> int:
        """A number that grows with each change."""
        return self._revision

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, by natural order."""
        return self.view().class_names

    @property
    def problem(self) -> str:
        """Why ``labels.csv`` is not as it should be; empty where it is."""
        return self._writer.problem

    @property
    def can_undo(self) -> str | None:
        """What `undo` would undo, in words."""
        return self._marks.can_undo

    @property
    def can_redo(self) -> str | None:
        """What `redo` would do again, in words."""
        return self._marks.can_redo

    @property
    def folders(self) -> tuple[Listed, ...]:
        """The folders of photos."""
        return tuple(self._listed)

    @property
    def num_brought(self) -> int:
        """Photos that were brought into the project."""
        return len(self._brought)

    def view(self) -> View:
        """Return all photos as they are now."""
        with self._lock:
            if self._view is None or self._view.revision != self._revision:
                inside = Listed(self.folder / files.PHOTOS, self._brought)
                photos = without_doubles([*self._listed, inside])
                names = tuple(name for listed in self._listed for name in listed.class_names)
                self._view = make_view(self._revision, photos, names, self._marks)
            return self._view

    def snapshot(self) -> Snapshot:
        """Return what there is to learn from."""
        return self.view().snapshot(self.pictures.unreadable())

    def skipped(self) -> Counter[str]:
        """Return how many files are no photos that can be used, by reason, as far as is known."""
        found: Counter[str] = Counter()
        for listed in self._listed:
            found.update(listed.skipped)
        known = self.pictures.unreadable()
        found.update(known[row.photo.file] for row in self.view().rows if row.photo.file in known)
        return found

    def row(self, photo_id: str) -> Row:
        """Return a photo, and what is said of it.

        Raises:
            UnknownNameError: There is none of this id.
        """
        try:
            return self.view().by_id[photo_id]
        except KeyError:
            raise UnknownNameError("photo", photo_id, ()) from None

    def id_of(self, name: str) -> str | None:
        """Return the id of the photo of this name in ``labels.csv``, if there is one."""
        found = id_of(name)
        return found if found in self.view().by_id else None

    def read(self, photo_id: str) -> bytes:
        """Return a photo's bytes.

        Raises:
            UnknownNameError: There is none of this id.
            OSError: It can't be read.
        """
        return read_file(Path(self.row(photo_id).photo.file))

    def answers(self) -> dict[str, tuple[str, str]]:
        """Return what was answered to findings, action and value by photo."""
        return {row.photo.id: row.answer for row in self.view().rows if row.answer is not None}

    def on_change(self, listener: Callable[[], object]) -> None:
        """Have something called after each change, from the thread that made it."""
        self._listeners.append(listener)

    # What can be said. Each is kept on the disk when the call returns, and returns itself in words.

    def label(self, ids: Sequence[str], label: str | None) -> str:
        """Put photos into a class, which is made where it is new; None: into none."""
        name = None if label is None else like(class_name(label), self.class_names)
        return self._say("label", ids, label=name)

    def exclude(self, ids: Sequence[str], excluded: bool) -> str:
        """Leave photos out, or take them back in."""
        return self._say("exclude", ids, excluded=excluded)

    def group(self, ids: Sequence[str], group: str | None) -> str:
        """Keep photos together in every split, or not."""
        return self._say("group", ids, group=None if group is None else group_name(group))

    def answer(self, ids: Sequence[str], action: str | None, value: str | None = None) -> str:
        """Answer a finding: relabel (to value), exclude, group (as value), ok; None: take it back.

        Raises:
            InputError: There is no such action, or its value is missing.
        """
        if action is not None and action not in ANSWERS:
            raise InputError(f"there is no answer {action!r}", expected=", ".join(ANSWERS))
        if action == "relabel":
            value = like(class_name(value or ""), self.class_names)
        elif action == "group":
            value = group_name(value or "")
        else:
            value = None
        return self._say("answer", ids, action=action, value=value)

    def create_class(self, name: str) -> str:
        """Make a class without photos.

        Raises:
            InputError: The name is none, or there is one that looks the same.
        """
        name = class_name(name)
        if like(name, self.class_names) in self.class_names:
            raise InputError(f"there is a class {like(name, self.class_names)} already")
        return self._record({"do": "class", "action": "create", "name": name})

    def rename_class(self, name: str, to: str) -> str:
        """Give a class another name.

        Raises:
            InputError: There is another one that looks the same.
            UnknownNameError: There is no such class.
        """
        to, name = class_name(to), existing(name, self.class_names)
        other = like(to, [one for one in self.class_names if one != name])
        if other in self.class_names and other != name:
            raise InputError(
                f"there is a class {other} already", fix="Merge the two, or choose another name."
            )
        return self._record({"do": "class", "action": "rename", "name": name, "to": to})

    def merge_classes(self, name: str, to: str) -> str:
        """Put all photos of a class into another one; the first is no more.

        Raises:
            InputError: Both are the same.
            UnknownNameError: There is no such class.
        """
        name, to = existing(name, self.class_names), existing(to, self.class_names)
        if name == to:
            raise InputError(f"{name} can't be merged into itself")
        return self._record({"do": "class", "action": "merge", "name": name, "to": to})

    def remove_class(self, name: str) -> str:
        """Take a class away; its photos have none.

        Raises:
            UnknownNameError: There is no such class.
        """
        name = existing(name, self.class_names)
        return self._record({"do": "class", "action": "remove", "name": name})

    def undo(self) -> str:
        """Undo the last change that was not.

        Raises:
            InputError: There is none.
        """
        return self._record({"do": "undo"})

    def redo(self) -> str:
        """Do again what was undone last.

        Raises:
            InputError: There is nothing.
        """
        return self._record({"do": "redo"})

    def bring(self, photo: ListedPhoto, label: str | None, group: str | None) -> None:
        """Take in a photo whose file was put into the project; see `intake`."""
        name = None if label is None else like(class_name(label), self.class_names)
        kept = None if group is None else group_name(group)
        record = {"do": "bring", "paths": [photo.path], "label": name, "group": kept}
        self._record(record, photo)
        self.scan.start([photo.file])

    def add_folder(self, folder: Path) -> Listed:
        """Have the photos of another folder belong to the project.

        Raises:
            InputError: It can't be read, or is one of the project's already.
            StorageError: That can't be kept.
        """
        listed = list_folder(folder.absolute(), self.folder)
        with self._lock:
            if folder in self._description.folders:
                raise InputError(f"the photos of {folder} are here already")
            description = files.Description(self.name, (*self._description.folders, folder))
            description.write(self.folder)
            self._description = description
            self._listed.append(listed)
            self._revision += 1
        self.scan.start([photo.file for photo in listed.photos])
        self._tell()
        return listed

    # What is written for others.

    def write_labels(self) -> Path:
        """Write ``labels.csv`` now; return where it is.

        Raises:
            StorageError: It can't be written.
        """
        return saving.write_labels(self.view(), self.folder)

    def write_corrections(self) -> Path | None:
        """Write ``corrections.csv`` now; return where it is, or None where there are none.

        Raises:
            StorageError: It can't be written.
        """
        return saving.write_corrections(self.view(), self.folder)

    def save_folders(self, target: Path) -> int:
        """Copy the labelled photos into class folders; see `saving.save_folders`."""
        sources = [listed.folder for listed in self._listed]
        return saving.save_folders(self.view(), target, [*sources, self.folder])

    def _write(self) -> None:
        with self._lock:
            view = self.view()
        saving.write_labels(view, self.folder)
        saving.write_corrections(view, self.folder)

    def _say(self, do: str, ids: Sequence[str], **members: Any) -> str:
        if not ids:
            raise InputError("no photo is chosen", fix="Select some first.")
        paths = [self.row(photo_id).photo.path for photo_id in dict.fromkeys(ids)]
        return self._record({"do": do, "paths": paths, **members})

    def _record(self, record: Record, brought: ListedPhoto | None = None) -> str:
        with self._lock:
            if record["do"] == "undo" and self.can_undo is None:
                raise InputError("there is nothing to undo")
            if record["do"] == "redo" and self.can_redo is None:
                raise InputError("there is nothing to do again")
            self._journal.append(record)
            what = self._marks.take(record)
            self._brought = (*self._brought, *([brought] if brought else []))
            self._revision += 1
        self._writer.ask()
        self._tell()
        return what

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


def _marks_of(journal: Journal) -> Marks:
    try:
        return replayed(journal.records)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            "journal.jsonl holds a change that can't be followed",
            got=f"{type(error).__name__}: {error}",
            fix="Put the file back from a copy, or update Photograft.",
        ) from error
