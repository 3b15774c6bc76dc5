"""Where a project is, and ``project.json``, which says whose photos it is about."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from photograft.core.errors import InputError
from photograft.core.files import check_file, make_folder, new_file, path_of, printable, write_json

PROJECT, JOURNAL, PHOTOS = "project.json", "journal.jsonl", "photos"
#: Where a project without a folder of photos is put.
DEFAULT = "photograft-studio"
FORMAT = 1

_ELSEWHERE = "Choose another folder with --project."


@dataclass(frozen=True)
class Description:
    """What ``project.json`` says.

    Attributes:
        name: What the project is called.
        folders: Those whose photos it is about, absolute.
    """

    name: str
    folders: tuple[Path, ...]

    def write(self, folder: Path) -> None:
        """Write it.

        Raises:
            StorageError: It can't be written.
        """
        with new_file(folder / PROJECT, fix=_ELSEWHERE) as partial:
            write_json(
                partial,
                {
                    "format": FORMAT,
                    "name": self.name,
                    "folders": [os.fspath(folder) for folder in self.folders],
                },
            )


def place_of(folder: object, project: object) -> tuple[Path | None, Path]:
    """Return the folder of photos, if there is one, and that of the project; both absolute.

    Raises:
        InputError: The first is no folder, or is a project itself.
    """
    photos = None
    if folder is not None:
        photos = _whole(folder, "the folder of photos")
        if project is None and (photos / PROJECT).is_file() and (photos / JOURNAL).is_file():
            return None, photos
        if not photos.is_dir():
            raise InputError(
                f"there is no folder {printable(photos)}",
                expected="a folder of photos, or none to begin with an empty project",
                fix="Check the path.",
            )
    if project is not None:
        return photos, _whole(project, "the project's folder")
    if photos is None:
        return None, Path(DEFAULT).absolute()
    if not photos.name:
        raise InputError(f"{photos} is a whole disk", fix="Choose a folder of it.")
    return photos, photos.with_name(f"{photos.name}.studio")


def _whole(path: object, what: str) -> Path:
    return Path(os.path.abspath(path_of(path, what).expanduser()))


def make_place(project: Path) -> None:
    """Make a project's folder where it is new.

    Args:
        project: It, absolute.

    Raises:
        InputError: The folder holds something else.
        StorageError: It can't be written.
    """
    file = project / PROJECT
    if not file.is_file() and project.is_dir() and _holds_others(project):
        raise InputError(
            f"{printable(project)} is no project of the studio, and not empty",
            fix="Choose a new folder with --project.",
        )
    make_folder(project, fix=_ELSEWHERE)
    check_file(file, fix=_ELSEWHERE)


def open_folder(photos: Path | None, project: Path) -> Description:
    """Return what a project is about, and note it where it is new.

    Args:
        photos: A folder to add, absolute, or None.
        project: The project's folder, absolute; it is there, and locked.

    Raises:
        InputError: What is noted can't be read.
        StorageError: It can't be written.
    """
    file = project / PROJECT
    if not file.is_file():
        name = photos.name if photos is not None else project.name
        found = Description(name, (photos,) if photos is not None else ())
        found.write(project)
        return found
    found = _read(file)
    if photos is not None and photos not in found.folders:
        found = Description(found.name, (*found.folders, photos))
        found.write(project)
    return found


def _holds_others(folder: Path) -> bool:
    return any(not path.name.startswith(".") for path in folder.iterdir())


def _read(file: Path) -> Description:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        form, name = int(found["format"]), str(found["name"])
        folders = tuple(Path(folder) for folder in found["folders"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{printable(file)} can't be read",
            got=str(error),
            fix="Put it back from a copy; the labels are in journal.jsonl beside it.",
        ) from error
    if form > FORMAT:
        raise InputError(
            f"{printable(file)} is of a later version of Photograft",
            expected=f"format {FORMAT} at most",
            got=str(form),
            fix="Update Photograft.",
        )
    return Description(name, folders)
