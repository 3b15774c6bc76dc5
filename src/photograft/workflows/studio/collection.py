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
        self._project, self._description = project, description
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
        """Add a folder of photos, and note it.

        Args:
            folder: Absolute.

        Raises:
            InputError: It can't be read, holds no photos, or is here already.
            StorageError: That can't be kept.
        """
        listed = list_folder(folder, self._project)
        if not listed.photos:
            raise InputError(f"there are no photos in {printable(folder)}")
        with self._lock:
            if folder in self._description.folders:
                raise InputError(f"the photos of {printable(folder)} are here already")
            description = Description(self._description.name, (*self._description.folders, folder))
            description.write(self._project)
            self._description = description
            self.folders = (*self.folders, listed)
            self.generation += 1
        return listed
