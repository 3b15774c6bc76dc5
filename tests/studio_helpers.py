"""Projects for tests of the studio: drawn photos without labels, and one with all work done."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.project import Project
from system_helpers import CLASSES, shared_cache, shared_photos


def flat_photos(photos: Path, target: Path, num: int = 12) -> Path:
    """Copy photos of class folders into one folder, where none has a label: ``circle-00.jpg``."""
    target.mkdir(parents=True)
    for file in sorted(photos.rglob("*.jpg")):
        if int(file.stem) < num:
            shutil.copy(file, target / f"{file.parent.name}-{file.name}")
    return target


def ids_of(project: Project, start: str) -> list[str]:
    """Return the photos whose names begin so, by name."""
    rows = project.view().rows
    return [row.photo.id for row in rows if Path(row.photo.file).name.startswith(start)]


def label_all(project: Project, names: Sequence[str] = CLASSES, num: int | None = None) -> None:
    """Give the first photos of each class their label."""
    for name in names:
        project.label(ids_of(project, name)[:num], name)


class Heard:
    """What was told, by any thread."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._told = threading.Condition()

    def __call__(self, event: dict[str, Any]) -> None:
        with self._told:
            self.events.append(event)
            self._told.notify_all()

    def wait(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 60) -> dict[str, Any]:
        """Return the first event that is wanted, as soon as it was told."""
        deadline = time.monotonic() + seconds
        with self._told:
            while True:
                for event in self.events:
                    if wanted(event):
                        return event
                left = deadline - time.monotonic()
                assert left > 0, self.events[-3:]
                self._told.wait(left)


@contextmanager
def working(
    project: Project, tell: Callable[[dict[str, Any]], None] = lambda event: None
) -> Iterator[Jobs]:
    """Give the jobs of a project, begun."""
    jobs = Jobs(project, tell)
    jobs.start()
    try:
        yield jobs
    finally:
        jobs.close()


def done_project(factory: pytest.TempPathFactory) -> Path:
    """The folder of a project in which all was done once; to be copied, not to be opened."""
    photos = shared_photos(factory)
    folder = photos.parent / "done"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            with (
                pytest.MonkeyPatch.context() as patch,
                Project.open(photos, folder.parent / "doing") as project,
                working(project) as jobs,
            ):
                patch.setenv("PHOTOGRAFT_CACHE", str(shared_cache(factory)))
                for kind, options in (
                    ("doctor", {}),
                    ("train", {"effort": "quick"}),
                    ("learning-curve", {}),
                    ("predict", {"folder": str(photos / "circle")}),
                ):
                    job = jobs.wait(jobs.add(kind, options), 300)
                    assert job.state == "done", job
            (folder.parent / "doing").rename(folder)
    return folder
