"""A project of the studio: photos, what the user says of them, and its folder on the disk."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from photograft.core.errors import InputError, UnknownNameError
from photograft.core.files import read_file
from photograft.core.store import default_cache_dir
from photograft.workflows.studio import files, saving
from photograft.workflows.studio.collection import Collection
from photograft.workflows.studio.journal import Record
from photograft.workflows.studio.ledger import Ledger
from photograft.workflows.studio.lock import ProjectLock
from photograft.workflows.studio.names import (
    answer_value,
    class_change,
    class_name,
    group_name,
    like,
)
from photograft.workflows.studio.photos import Listed, ListedPhoto, id_of
from photograft.workflows.studio.pictures import Pictures
from photograft.workflows.studio.refusals import ChangedError
from photograft.workflows.studio.scanning import Scan
from photograft.workflows.studio.view import Row, Snapshot, View, make_view
from photograft.workflows.studio.writing import Writer


class Project:
    """An open project; for several threads. See `Project.open`.

    Attributes:
        folder: Its folder, absolute.
        name: What it is called.
        collection: Its photos.
        ledger: What was said of them.
        pictures: Of its photos.
        scan: Their thumbnails, made in the background.
        lock: What keeps other processes out.
    """

    def __init__(self, folder: Path, description: files.Description, lock: ProjectLock) -> None:
        self.folder, self.name, self.lock = folder, description.name, lock
        self._listeners: list[Callable[[], object]] = []
        self._watchers: list[Callable[[], object]] = []
        self._view: View | None = None
        self._writing = threading.Lock()
        self.ledger = Ledger(folder / files.JOURNAL)
        self.collection = Collection(folder, description)
        self.pictures = Pictures(default_cache_dir())
        self.scan = Scan(self.pictures, lambda: _call(self._watchers))
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
        files.make_place(place)
        lock = ProjectLock(place)  # before anything of it is changed
        try:
            found = cls(place, files.open_folder(photos, place), lock)
        except BaseException:
            lock.release()
            raise
        named = (one for one in found.collection.folders if one.folder == photos)
        problem = next((one.problem for one in named), "")
        if problem:  # of a folder that was named now; of others the page tells
            found.close()
            raise InputError(problem)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is to be written, and let go of the project."""
        self.scan.close()
        self._writer.close()
        self.ledger.close()
        self.lock.release()

    def start_scan(self) -> None:
        """Begin to make the thumbnails that are missing."""
        self.scan.start([row.photo.file for row in self.view().rows])

    # What there is.

    @property
    def revision(self) -> int:
        """A number that grows with each change."""
        return self.ledger.revision + self.collection.generation

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, by natural order."""
        return self.view().class_names

    @property
    def problem(self) -> str:
        """Why ``labels.csv`` is not as it should be; empty where it is."""
        return self._writer.problem

    def view(self) -> View:
        """Return all photos as they are now."""
        with self.ledger.lock:
            if self._view is None or self._view.revision != self.revision:
                revision = self.revision  # taken before the photos, which may become more
                photos, names = self.collection.photos(), self.collection.class_names
                self._view = make_view(revision, photos, names, self.ledger.marks)
            return self._view

    def snapshot(self) -> Snapshot:
        """Return what there is to learn from."""
        return self.view().snapshot(self.pictures.unreadable())

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

    def on_change(self, listener: Callable[[], object]) -> None:
        """Have something called after each change, from the thread that made it."""
        self._listeners.append(listener)

    def on_progress(self, listener: Callable[[], object]) -> None:
        """Have something called now and then while thumbnails are made, and when all are."""
        self._watchers.append(listener)

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
        """Answer a finding: relabel (to value), exclude, group (as value), ok; None: back."""
        value = answer_value(action, value, self.class_names)
        return self._say("answer", ids, action=action, value=value)

    def change_class(self, action: str, name: str, to: str | None = None) -> str:
        """Create a class, rename or merge it (to another name), or remove it.

        The photos of a class that is removed have none.

        Raises:
            InputError: The new name is none, or that of another class; there is no such action.
            UnknownNameError: There is no such class.
        """
        return self._record(class_change(action, name, to, self.class_names))

    def undo(self, revision: int | None = None) -> str:
        """Undo the last change that was not.

        Args:
            revision: That which whoever asks has seen; None undoes whatever was last.

        Raises:
            ChangedError: That is not the project's.
            InputError: There is none.
        """
        return self._record({"do": "undo"}, revision)

    def redo(self, revision: int | None = None) -> str:
        """Do again what was undone last; as `undo`."""
        return self._record({"do": "redo"}, revision)

    def bring(self, photo: ListedPhoto, label: str | None, group: str | None) -> None:
        """Take in a photo whose file was put into the project; see `intake`."""
        name = None if label is None else like(class_name(label), self.class_names)
        kept = None if group is None else group_name(group)
        self.ledger.keep({"do": "bring", "paths": [photo.path], "label": name, "group": kept})
        self.collection.add(photo)
        self._changed()
        self.scan.start([photo.file])

    def add_folder(self, folder: Path) -> Listed:
        """Have the photos of another folder belong to the project, or list one anew.

        Raises:
            InputError: It can't be read, or holds no photos.
            StorageError: That can't be kept.
        """
        listed = self.collection.add_folder(folder.absolute())
        self._changed()
        self.scan.start([photo.file for photo in listed.photos])
        return listed

    def remove_folder(self, folder: Path) -> None:
        """Have the photos of a folder belong to the project no more; what was said of them is kept.

        Raises:
            InputError: It is none of the project's.
            StorageError: That can't be kept.
        """
        self.collection.remove_folder(folder.absolute())
        self._changed()

    # What is written for others.

    def write_labels(self) -> Path:
        """Write ``labels.csv`` now; return where it is.

        Raises:
            StorageError: It can't be written.
        """
        with self._writing:
            return saving.write_labels(self.view(), self.folder)

    def write_corrections(self) -> Path | None:
        """Write ``corrections.csv`` now; return where it is, or None where there are none.

        Raises:
            StorageError: It can't be written.
        """
        with self._writing:
            return saving.write_corrections(self.view(), self.folder)

    def save_folders(self, target: Path) -> int:
        """Copy the labelled photos into class folders; see `saving.save_folders`."""
        sources = [listed.folder for listed in self.collection.folders]
        return saving.save_folders(self.view(), target, [*sources, self.folder])

    def _write(self) -> None:
        self.write_labels()
        self.write_corrections()

    def _say(self, do: str, ids: Sequence[str], **members: Any) -> str:
        if not ids:
            raise InputError("no photo is chosen", fix="Select some first.")
        paths = [self.row(photo_id).photo.path for photo_id in dict.fromkeys(ids)]
        return self._record({"do": do, "paths": paths, **members})

    def _record(self, record: Record, known: int | None = None) -> str:
        with self.ledger.lock:
            if known is not None and known != self.revision:
                raise ChangedError("Look at it again, then undo.")
            what = self.ledger.keep(record)
        self._changed()
        return what

    def _changed(self) -> None:
        self._writer.ask()
        _call(self._listeners)


def _call(listeners: Sequence[Callable[[], object]]) -> None:
    for listener in listeners:
        listener()
