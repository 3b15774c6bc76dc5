"""Photos that are dropped, pasted or taken by a webcam: checked, and put into the project."""

from __future__ import annotations

import os
import threading
import uuid
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from photograft.core.errors import PhotograftError, StorageError
from photograft.core.files import is_full, make_folder, printable
from photograft.data import images
from photograft.data.names import free_name, safe_name
from photograft.workflows.studio.files import PHOTOS
from photograft.workflows.studio.journal import sync
from photograft.workflows.studio.names import class_name, group_name
from photograft.workflows.studio.photos import listed_photo
from photograft.workflows.studio.project import Project

#: Bytes and pixels of a photo that is brought, at most.
MAX_BYTES, MAX_PIXELS = 100_000_000, 100_000_000

_FIX = "Check that the project's folder may be written to."
_ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "HEIF": ".heic", "JPEG2000": ".jp2"}


class Brought(NamedTuple):
    """A photo that was brought.

    Attributes:
        id: Its own, or that of the photo that it is a copy of.
        is_duplicate: Whether it was there already: then nothing was changed.
    """

    id: str
    is_duplicate: bool


class Intake:
    """Takes photos in; for several threads.

    Args:
        project: Theirs.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._sizes: dict[int, list[str]] = {}
        self._known: set[str] = set()

    def bring(
        self, data: bytes, name: str, label: str | None = None, group: str | None = None
    ) -> Brought:
        """Take a photo in.

        Args:
            data: The file's bytes.
            name: What the file is called; the name in the project is made from it.
            label: Its class; None for none.
            group: Its group, such as that of a burst; None for none.

        Raises:
            ImageError: It is no picture that can be read, or has too many pixels.
            InputError: Its class or group can't be called so.
            StorageError: It can't be kept.
        """
        label = None if label is None else class_name(label)
        group = None if group is None else group_name(group)
        header = images.read_header(data, max_pixels=MAX_PIXELS)
        images.decode(data, max_pixels=MAX_PIXELS, at_least=64)
        with self._lock:
            copy = self._copy_of(data)
            if copy is not None:
                return Brought(copy, is_duplicate=True)
            file = self._keep(data, name, header.format)
            try:
                photo = listed_photo(self._project.folder, str(file), file.name)
                self._project.bring(photo, label, group)
            except (PhotograftError, OSError):  # what was not told of is not kept
                file.unlink(missing_ok=True)
                raise
            self._note(photo.id, len(data))
        return Brought(photo.id, is_duplicate=False)

    def _note(self, photo_id: str, size: int) -> None:
        self._known.add(photo_id)
        self._sizes.setdefault(size, []).append(photo_id)

    def _copy_of(self, data: bytes) -> str | None:
        """Return the photo of the same bytes, if there is one: only files of that size are read."""
        for row in self._project.view().rows:
            if row.photo.id not in self._known:
                try:
                    size = os.stat(row.photo.file).st_size
                except OSError:
                    size = -1
                self._note(row.photo.id, size)
        for photo_id in self._sizes.get(len(data), ()):
            try:
                if self._project.read(photo_id) == data:
                    return photo_id
            except OSError:
                continue
        return None

    def _keep(self, data: bytes, name: str, form: str) -> Path:
        """Write a file that appears whole; return where it is."""
        folder = self._project.folder / PHOTOS
        make_folder(folder, fix=_FIX)
        given = PurePosixPath(name.replace("\\", "/").rpartition("/")[2])
        suffix = _ENDINGS.get(form, f".{form.lower()}")
        partial = folder / f".{uuid.uuid4().hex}"
        try:
            taken = {entry.casefold() for entry in os.listdir(folder)}
            path = folder / free_name(safe_name(given.stem, suffix), taken)
            with partial.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial = partial.replace(path)
            sync(folder)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise StorageError(
                f"{printable(folder / name)} can't be kept ({error.strerror or error})",
                fix="Free some space." if is_full(error) else _FIX,
            ) from error
        return path
