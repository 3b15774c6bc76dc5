"""The photos of a project: those of its folders, and those that were brought into it."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

from photograft.core.errors import InputError
from photograft.core.files import printable
from photograft.workflows.studio.files import PHOTOS, Description
from photograft.workflows.studio.photos import (
    Listed,
    ListedPhoto,
    list_folder,
    list_inside,
    listed_or_not,
    without_doubles,
)


class Collection:
    """All photos; for several threads.

    Args:
        project: The project's folder, absolute.
        description: What it is about.

    Attributes:
        generation: Grows with each photo and folder that is added.
        folders: Those of photos, as they were listed.
        brought: Photos that were brought.
    """

    def __init__(self, project: Path, description: Description) -> None:
        self._project, self._name = project, description.name
        self._lock = threading.Lock()
        self.generation = 0
        self.folders = tuple(listed_or_not(path, project) for path in description.folders)
        self.brought = list_inside(project, PHOTOS)

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the folders call classes."""
        return tuple(name for listed in self.folders for name in listed.class_names)

    def photos(self) -> dict[str, ListedPhoto]:
        """Return all photos by id; what lies in two of the folders is the first one's."""
        return without_doubles([*self.folders, Listed(self._project / PHOTOS, self.brought)])

    def skipped(self) -> Counter[str]:
        """Return how many files of the folders are no photos, by reason."""
        found: Counter[str] = Counter()
        for listed in self.folders:
            found.update(listed.skipped)
        return found

    def add(self, photo: ListedPhoto) -> None:
        """Add a photo that was put into the project."""
        with self._lock:
            self.brought = (*self.brought, photo)
            self.generation += 1

    def add_folder(self, folder: Path) -> Listed:
        """Add a folder of photos, and note it; one that is here is listed anew.

        Args:
            folder: Absolute.

        Raises:
            InputError: It can't be read, or holds no photos.
            StorageError: That can't be kept.
        """
        listed = list_folder(folder, self._project)
        if not listed.photos:
            raise InputError(f"there are no photos in {printable(folder)}")
        with self._lock:
            at = [one.folder for one in self.folders]
            if folder in at:
                place = at.index(folder)
                self.folders = (*self.folders[:place], listed, *self.folders[place + 1 :])
                self.generation += 1
            else:
                self._put((*self.folders, listed))
        return listed

    def remove_folder(self, folder: Path) -> None:
        """Take a folder of photos away, and note that.

        Args:
            folder: Absolute.

        Raises:
            InputError: It is none of the project's.
            StorageError: That can't be kept.
        """
        with self._lock:
            left = tuple(one for one in self.folders if one.folder != folder)
            if len(left) == len(self.folders):
                raise InputError(f"{printable(folder)} is no folder of this project")
            self._put(left)

    def _put(self, folders: tuple[Listed, ...]) -> None:
        Description(self._name, tuple(one.folder for one in folders)).write(self._project)
        self.folders = folders
        self.generation += 1
