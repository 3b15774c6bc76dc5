"""The photos of a project: which files there are, what their folders call them; none is read."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from photograft.core.errors import ImageError, SourceError
from photograft.core.files import printable
from photograft.core.text import natural_key
from photograft.data import formats
from photograft.data.sources.base import HIDDEN
from photograft.data.sources.folder import refuse_our_own, walk_folder
from photograft.data.sources.layout import arrange

#: Files of these names are shown as photos, whatever is in them: what can't be read is told so.
SUFFIXES = frozenset(ending for _, endings in formats.READABLE.values() for ending in endings)

_HEAD_BYTES = 64
_NO_NAME = "name that a table can't hold"
#: What the library says of files that lie elsewhere than in a class folder.
_UNLABELLED = frozenset(("not in a class folder", "outside the split folders"))


@dataclass(frozen=True, slots=True)
class ListedPhoto:
    """A file that is, or by its name should be, a photo.

    Attributes:
        id: 16 hexadecimal digits, the same as long as the file keeps its place.
        path: As in ``labels.csv``: relative to the project where it lies in it, else absolute.
        name: Relative to the folder that was chosen, for people.
        file: Where it is, absolute.
        label: The class that the folders give it; None for none.
        split: ``"train"``, ``"validation"``, ``"test"``, or None where they give none.
    """

    id: str
    path: str
    name: str
    file: str
    label: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class Listed:
    """What lies in a folder.

    Attributes:
        folder: The folder, absolute.
        photos: By natural order of their names.
        class_names: Those of its class folders, empty ones too.
        skipped: Of other files, how many by reason.
        notes: What is to be known of how the folder was understood.
        problem: Why it could not be read; empty where it could.
    """

    folder: Path
    photos: tuple[ListedPhoto, ...] = ()
    class_names: tuple[str, ...] = ()
    skipped: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()
    problem: str = ""


def id_of(path: str) -> str:
    """Return the id of the photo of such a path in ``labels.csv``."""
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def listed_photo(
    project: Path, file: str, name: str, label: str | None = None, split: str | None = None
) -> ListedPhoto:
    """Return what is known of a file.

    Args:
        project: The project's folder, absolute.
        file: Where the file is, absolute.
        name: As in `ListedPhoto`.
        label: Likewise.
        split: Likewise.
    """
    # Paths as text: of 20,000 photos, a `Path` each would take half a second.
    path = file.removeprefix(f"{project}{os.sep}").replace(os.sep, "/")
    return ListedPhoto(id_of(path), path, name, file, label, split)


def list_folder(folder: Path, project: Path) -> Listed:
    """List the photos of a folder as `photograft train` would, and those that have no class yet.

    A file whose name does not end as a photo's is opened, and shown if it begins as one.

    Args:
        folder: The folder, absolute.
        project: The project's folder, absolute; what lies in it is not listed.

    Raises:
        SourceError: The folder can't be read, or is what Photograft wrote.
    """
    refuse_our_own(folder, passed_over=project)
    layout = arrange(walk_folder(folder, passed_over=project))
    photos: list[ListedPhoto] = []
    skipped: Counter[str] = Counter()
    found: list[tuple[PurePosixPath, str | None, str | None]] = [
        (place.path, place.label, place.split) for place in layout.placed
    ]
    for passed in layout.skipped:
        if passed.reason in _UNLABELLED:
            found.append((PurePosixPath(passed.name), None, None))
        elif passed.reason != HIDDEN:
            skipped[passed.reason] += 1
    for inner, label, split in found:
        name, file = inner.as_posix(), os.path.join(folder, inner)
        reason = _refused(file)
        if reason:
            skipped[reason] += 1
        else:
            photos.append(listed_photo(project, file, name, label, split))
    photos.sort(key=lambda photo: natural_key(photo.name))
    labels = {photo.label for photo in photos if photo.label is not None}
    names = tuple(sorted(labels | set(layout.empty), key=natural_key))
    return Listed(folder, tuple(photos), names, skipped, tuple(layout.notes))


def list_inside(project: Path, subfolder: str) -> tuple[ListedPhoto, ...]:
    """List the photos that were brought into a project.

    Args:
        project: The project's folder, absolute.
        subfolder: The name of the folder in it that holds them.
    """
    try:
        files = sorted((project / subfolder).iterdir(), key=lambda file: natural_key(file.name))
    except OSError:
        return ()
    return tuple(
        listed_photo(project, str(file), file.name)
        for file in files
        if not file.name.startswith(".") and not _refused(str(file))
    )


def _refused(file: str) -> str:
    """Return why a file is not shown; empty where it is."""
    # A cell of a table is text, and loses the blanks around it.
    if printable(file) != file.replace(os.sep, "/") or file != file.strip() or "\r" in file:
        return _NO_NAME
    if os.path.splitext(file)[1].lower() in SUFFIXES:
        return ""
    try:
        with open(file, "rb") as opened:
            formats.identify(opened.read(_HEAD_BYTES))
    except ImageError as error:
        return error.reason
    except OSError:
        return "unreadable"
    return ""


def listed_or_not(folder: Path, project: Path) -> Listed:
    """As `list_folder`; a folder that can't be read now is listed as one without photos."""
    try:
        return list_folder(folder, project)
    except SourceError as error:
        return Listed(folder, problem=str(error))


def without_doubles(folders: Iterable[Listed]) -> dict[str, ListedPhoto]:
    """Return all photos by id: what lies in two of the folders is the first one's."""
    found: dict[str, ListedPhoto] = {}
    for listed in folders:
        for photo in listed.photos:
            found.setdefault(photo.id, photo)
    return found
