"""Trying a classifier on any photo: one after another, in one thread, and none wait for long."""

from __future__ import annotations

import base64
import functools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from photograft.classifier.classifier import Classifier
from photograft.core.errors import ImageError, InputError
from photograft.runs.run import Run
from photograft.workflows.studio.asking import Asked, Thought
from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.live import Live
from photograft.workflows.studio.project import Project
from photograft.workflows.studio.refusals import BusyError
from photograft.workflows.studio.understanding import Understanding

#: Photos that may wait, the one that is looked at among them, and explanations that are kept.
_MOST_WAITING, _MOST_KEPT = 4, 64

RUN, LIVE = "run", "live"

T = TypeVar("T")


class Trying:
    """What answers photos: the trained classifier, or the one that learns along.

    Args:
        project: Whose photos are the neighbours.
        live: The one that learns along.
        jobs: Knows which run is the latest.
        understanding: Knows what it said of the photos that it was scored on.
    """

    def __init__(
        self, project: Project, live: Live, jobs: Jobs, understanding: Understanding
    ) -> None:
        self._project, self._live, self._jobs = project, live, jobs
        self._understanding = understanding
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trying")
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)
        self._open: tuple[object, Asked] | None = None
        self._explained: OrderedDict[tuple[str, int, str], Thought] = OrderedDict()

    def close(self) -> None:
        """End it."""
        self._thread.shutdown(cancel_futures=True)

    def answer(
        self, data: bytes, *, heat: bool = False, neighbours: bool = False, classifier: str = ""
    ) -> dict[str, Any]:
        """Return what is said of a photo, as plain JSON types.

        Args:
            data: Its file's bytes.
            heat: Also where the evidence is, as a picture in a ``data:`` URI.
            neighbours: Also the training photos that are most like it.
            classifier: ``"run"`` or ``"live"``; where empty, the run's, as long as it knows the
                classes that there are.

        Raises:
            ImageError: It is no photo that can be read.
            InputError: There is no such classifier yet.
            BusyError: Too many photos wait.
        """
        return self._in_turn(lambda: self._answer(data, heat, neighbours, classifier))

    def explain(self, photo_id: str) -> dict[str, Any]:
        """Return why the run's classifier takes a photo of the project for what it does.

        A photo that the run was scored on is taken for what it was then, before the classifier may
        have learned from it, too.

        Raises:
            UnknownNameError: There is no such photo.
            ImageError: It can't be read.
            InputError: Nothing is trained yet.
            BusyError: Too many photos wait.
        """
        row = self._project.row(photo_id)
        thought = self._in_turn(lambda: self._thought(photo_id))
        (predicted, probability), *_ = thought.probabilities
        said, why = self._understanding.said(photo_id), [thought.why]
        if said is not None and said[0] != predicted:
            why.append(f"It has learned from this photo since, and now says {predicted}.")
        predicted, probability = said or (predicted, probability)
        near = [one for one in self._neighbours(thought) if one["id"] != photo_id]
        return {
            "predicted": predicted,
            "probability": probability,
            "label": row.label,
            "heat_map": f"/heat/{photo_id}" if thought.heat_map else None,
            "neighbours": near,
            "why": " ".join(filter(None, why)),
        }

    def heat_map(self, photo_id: str) -> bytes | None:
        """Return the heat map over a photo of the project, a PNG; None where there is none.

        Raises:
            PhotograftError: As `explain`.
        """
        return self._in_turn(lambda: self._thought(photo_id)).heat_map

    def _thought(self, photo_id: str) -> Thought:
        run = self._run()
        key = (*_state(run), photo_id)
        found = self._explained.get(key)
        if found is None:
            try:
                data = self._project.read(photo_id)
            except OSError as error:
                raise ImageError("unreadable", error.strerror or str(error)) from error
            about = (self._understanding.said(photo_id) or ("",))[0]
            found = self._asked(RUN).think(data, heat=True, neighbours=True, about=about)
            self._explained[key] = found
            while len(self._explained) > _MOST_KEPT:
                self._explained.popitem(last=False)
        return found

    def _in_turn(self, work: Callable[[], T]) -> T:
        if not self._waiting.acquire(blocking=False):
            raise BusyError("more photos wait than are answered; try again in a moment")
        try:
            return self._thread.submit(work).result()
        finally:
            self._waiting.release()

    def _answer(self, data: bytes, heat: bool, neighbours: bool, which: str) -> dict[str, Any]:
        began = time.perf_counter()
        which = which or self._which()
        thought = self._asked(which).think(data, heat=heat, neighbours=neighbours)
        picture = thought.heat_map
        ood = None
        if thought.ood_score is not None and thought.ood_threshold is not None:
            ood = {"score": thought.ood_score, "threshold": thought.ood_threshold}
        return {
            "probabilities": [list(pair) for pair in thought.probabilities],
            "answer": thought.answer,
            "ood": ood,
            "neighbours": self._neighbours(thought) if neighbours else None,
            "heat_map": _data_uri(picture) if picture else None,
            "why": thought.why,
            "classifier": which,
            "ms": round(1000 * (time.perf_counter() - began), 1),
        }

    def _which(self) -> str:
        """Return the classifier that is asked where the user does not say which."""
        fit, run = self._live.fit, self._jobs.run()
        if run is None:
            return LIVE
        if fit is None:
            return RUN
        return RUN if set(_class_names(*_state(run))) == set(fit.classifier.class_names) else LIVE

    def _run(self) -> Path:
        run = self._jobs.run()
        if run is None:
            raise InputError("nothing is trained yet", fix="Train first.")
        return run

    def _asked(self, which: str) -> Asked:
        """Return a classifier, opened where it is not the one that is open."""
        if which not in (RUN, LIVE):
            raise InputError("there is no such classifier", expected=f"{RUN} or {LIVE}", got=which)
        run = self._run() if which == RUN else None
        key: object = _state(run) if run else self._live.fit
        if key is None:
            raise InputError(
                "nothing is learned yet", fix="Label two photos of each of two classes at least."
            )
        if self._open is None or self._open[0] != key:
            found = Classifier.load(run) if run else self._live.whole()
            if found is None:
                raise InputError("nothing is learned any more", fix="Label more photos.")
            self._open = key, Asked(found)
        return self._open[1]

    def _neighbours(self, thought: Thought) -> list[dict[str, Any]]:
        rows = self._project.view().by_id
        found = []
        for name, label, similarity in thought.neighbours:
            photo_id = name if name in rows else self._project.id_of(name)
            thumb = f"/thumb/{photo_id}?size=160" if photo_id else None
            told = {"id": photo_id, "thumb": thumb, "label": label}
            found.append({**told, "name": name, "similarity": round(similarity, 4)})
        return found


def _state(run: Path) -> tuple[str, int]:
    """Return what tells a run from others, and from another one of the same name."""
    return str(run), (run / "run.json").stat().st_mtime_ns


@functools.lru_cache(maxsize=4)
def _class_names(run: str, changed: int) -> tuple[str, ...]:
    del changed
    return Run.load(run).class_names


def _data_uri(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
