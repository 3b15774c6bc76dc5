"""A job of a studio, and the file that says which are under way, wait and were done."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from photograft.core.errors import InputError
from photograft.core.files import new_file, write_json
from photograft.workflows.studio.orders import KINDS, make_order

_FORMAT = 1
_FIX = "Check that the project's folder may be written to."


@dataclass
class Job:
    """Something to be done, under way, or of the past.

    Attributes:
        id: Its name.
        kind: One of `orders.KINDS`.
        options: What was asked.
        order: What the process is told, places for results included.
        state: ``"queued"``, ``"running"``, ``"done"``, ``"failed"`` or ``"stopped"``.
        labels: What `orders.labels_key` said when it began.
        at: How far it is: ``step``, ``done``, ``total``, ``unit``, ``seconds_left``, ``words``.
        log: What it said.
        began: Seconds since the epoch.
        ended: Likewise.
        error: Why it failed, for users.
        result: What came of it.
    """

    id: str
    kind: str
    options: dict[str, Any]
    order: dict[str, Any]
    state: str = "queued"
    labels: str = ""
    at: dict[str, Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    began: float | None = None
    ended: float | None = None
    error: str = ""
    result: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON types, for a page."""
        nothing = {"step": "", "done": 0, "total": 0, "unit": "", "seconds_left": None, "words": ""}
        own = {k: v for k, v in vars(self).items() if k not in ("at", "order", "labels")}
        return {**own, **nothing, **self.at}


def write_jobs(path: Path, under_way: Iterable[Job], past: Iterable[Job]) -> None:
    """Note jobs.

    Args:
        path: The file.
        under_way: What is to be gone on with, in its order.
        past: What has ended.

    Raises:
        StorageError: It can't be written.
    """
    with new_file(path, fix=_FIX) as partial:
        jobs = {"jobs": _rows(under_way), "past": _rows(past)}
        write_json(partial, {"format": _FORMAT, **jobs})


def read_jobs(path: Path) -> tuple[list[Job], list[Job]]:
    """Return what was under way and what has ended; nothing where that is not known.

    What lies outside the project's folder is none of its: such a job is left out.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        under_way = [Job(**{**row, "state": "queued"}) for row in found["jobs"]]
        past = [Job(**row) for row in found["past"]]
        inside = [
            [one for one in jobs if _is_inside(one, path.parent)] for jobs in (under_way, past)
        ]
        return [one for one in inside[0] if _told_anew(one, path.parent)], inside[1]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none, torn, or another's
        return [], []


def _is_inside(job: Job, folder: Path) -> bool:
    """Return whether all that a job names lies in the project, wherever links lead."""
    told = (job.order.get("out"), job.order.get("run"), (job.result or {}).get("path"))
    own = os.path.realpath(folder)
    places = (os.path.realpath(folder / str(place)) for place in told if place is not None)
    return all(Path(place).is_relative_to(own) for place in places)


def _told_anew(job: Job, project: Path) -> bool:
    """Have a job of the file do what was asked and no more; return whether that can be."""
    places: dict[str, Any] = {
        key: str(job.order[key]) for key in ("out", "run") if key in job.order
    }
    run = project / places["run"] if "run" in places else None
    try:
        if job.kind not in KINDS:
            return False
        job.order = {**make_order(job.kind, job.options, project, (), run), **places}
    except (InputError, AttributeError):
        return False
    return True


def _rows(jobs: Iterable[Job]) -> list[dict[str, Any]]:
    return [{key: value for key, value in vars(job).items() if key != "at"} for job in jobs]
