"""What a page shows of a project, and of a photo, as plain data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from photograft.core.errors import ImageError
from photograft.data import images
from photograft.workflows.studio.files import PHOTOS
from photograft.workflows.studio.project import Project
from photograft.workflows.studio.shelves import Guesses

#: Photos that stand for a class.
_COVERS = 4


def overview(project: Project) -> dict[str, Any]:
    """Return how a project is."""
    view, scan = project.view(), project.scan
    covers: dict[str | None, list[str]] = {}
    for row in view.rows:
        if not row.is_excluded and len(found := covers.setdefault(row.label, [])) < _COVERS:
            found.append(row.photo.id)
    folders = [
        {"path": str(one.folder), "num_photos": len(one.photos), "problem": one.problem or None}
        for one in project.collection.folders
    ]
    if brought := len(project.collection.brought):
        path = str(project.folder / PHOTOS)
        folders.append({"path": path, "num_photos": brought, "problem": None})
    return {
        "name": project.name,
        "project_folder": str(project.folder),
        "folders": folders,
        "revision": view.revision,
        "scanning": {"found": scan.found, "done": scan.done} if scan.is_running else None,
        "classes": [
            {"name": name, "num_photos": view.counts.get(name, 0), "covers": covers.get(name, [])}
            for name in view.class_names
        ],
        "num_unlabelled": view.counts.get(None, 0),
        "unlabelled_covers": covers.get(None, []),
        "num_excluded": view.num_excluded,
        "num_photos": len(view.rows),
        "skipped": _skipped(project),
        "notes": [note for one in project.collection.folders for note in one.notes],
        "problem": project.problem or None,
        "can_undo": project.ledger.marks.can_undo,
        "can_redo": project.ledger.marks.can_redo,
    }


def _skipped(project: Project) -> dict[str, int]:
    """Return how many files are no photos that can be used, by reason, as far as is known."""
    found, known = project.collection.skipped(), project.pictures.unreadable()
    files = (row.photo.file for row in project.view().rows)
    found.update(known[file] for file in files if file in known)
    return dict(found.most_common())


def photo_details(
    project: Project, photo_id: str, guesses: Guesses | None = None
) -> dict[str, Any]:
    """Return what is known of a photo; its file is read for it.

    Args:
        project: Its project.
        photo_id: Its id.
        guesses: What a classifier thinks, where there is one.

    Raises:
        UnknownNameError: There is no such photo.
    """
    row = project.row(photo_id)
    found: dict[str, Any] = {"width": None, "height": None, "taken": None, "num_bytes": None}
    unreadable = project.pictures.problem(row.photo.file)
    try:
        data = project.read(photo_id)
        found["num_bytes"] = len(data)
        header = images.read_header(data)
        found |= {"width": header.width, "height": header.height}
        found["taken"] = images.taken_at(data)[0] or None
    except ImageError as error:
        unreadable = error.reason
    except OSError:
        unreadable = "unreadable"
    guess = guesses.guesses([photo_id])[0] if guesses is not None else None
    return {
        "id": photo_id,
        "name": Path(row.photo.name).name,
        "path": row.photo.path,
        "label": row.label,
        "group": row.group,
        "split": row.photo.split,
        "excluded": row.is_excluded,
        "answer": row.answer[0] if row.answer else None,
        **found,
        "unreadable": unreadable or None,
        "guess": list(guess) if guess is not None else None,
    }
