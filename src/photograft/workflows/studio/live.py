"""The classifier that learns along while photos are labelled: fitted anew after each change.

One thread looks at photos, another fits; whoever labels waits for neither. Its accuracy is that on
labelled photos that were held out in turn, groups and near duplicates together.
"""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from photograft.classifier.classifier import Classifier
from photograft.core.errors import PhotograftError, first_line
from photograft.core.store import FeatureStore
from photograft.workflows.studio.fitting import (
    LEAST_PHOTOS,
    Fit,
    completed,
    fit_photos,
    lacking,
    most_useful,
)
from photograft.workflows.studio.looking import Closed, Looks
from photograft.workflows.studio.view import Snapshot

#: Seconds between two events of looking, and points of the history that are told.
_TICK, _POINTS = 0.25, 200

Tell = Callable[[dict[str, Any]], None]


class Learnable(Protocol):
    """What is needed of a project."""

    def snapshot(self) -> Snapshot:
        """Return the photos as they are now."""


@dataclass
class _Said:
    """What is told of the state."""

    state: str = "waiting"
    why: str = ""
    seconds: float | None = None
    history: list[dict[str, Any]] = field(default_factory=list)


class Live:
    """A classifier that follows the labels of a project.

    Args:
        project: The photos and their labels.
        tell: Told of each change of `status`, by any thread.
        store: Where features are kept; the user's cache where not given.
        is_awaited: Whether somebody waits for something else, which goes before looking at photos.
    """

    def __init__(
        self,
        project: Learnable,
        tell: Tell = lambda event: None,
        store: FeatureStore | None = None,
        is_awaited: Callable[[], bool] = lambda: False,
    ) -> None:
        self._project, self._tell = project, tell
        self._looks = Looks(store or FeatureStore(), self._has_looked, is_awaited)
        self._said = _Said()
        self._fit: Fit | None = None
        self._whole: tuple[Fit, Classifier] | None = None
        self._useful: list[str] | None = None
        self._waking = threading.Condition()
        self._num_changes = self._num_looked = 0
        self._looked_to, self._learned_to = 0, (0, 0)
        self._completing = threading.Lock()
        self._is_closed = False
        self._told_at, self._problem = 0.0, ""
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), daemon=True, name=name)
            for name, work in (("looking", self._look), ("fitting", self._learn))
        ]

    def start(self) -> None:
        """Begin to look at photos and to learn."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End what was begun."""
        self._is_closed = True
        self._looks.close()
        with self._waking:
            self._waking.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(10)

    def changed(self) -> None:
        """Say that photos or labels have changed."""
        with self._waking:
            self._num_changes += 1
            self._waking.notify_all()

    @property
    def fit(self) -> Fit | None:
        """What was fitted last; None where there is too little to learn from."""
        return self._fit

    def status(self) -> dict[str, Any]:
        """Return how far it is and how good, as plain JSON types."""
        snapshot, fit, said = self._project.snapshot(), self._fit, self._said
        done, total = self._looks.progress(snapshot.ids)
        found: dict[str, Any] = {
            "state": said.state,
            "why": said.why,
            "num_labelled": sum(label is not None for label in snapshot.labels),
            "accuracy": None,
            "interval": None,
            "per_class": [],
            "history": _thinned(said.history),
            "seconds": said.seconds,
            "looked": {"done": done, "total": total},
        }
        if fit is None:
            return found
        return {**found, **fit.scores()}

    def guesses(self, ids: Sequence[str]) -> list[tuple[str, float] | None]:
        """Return the most likely class of photos and its probability; None where not known."""
        known = self._fit.guesses if self._fit else {}
        return [known.get(photo_id) for photo_id in ids]

    def useful(self) -> list[str] | None:
        """Return the photos without a label, the most useful to label first; None: not known yet.

        The order is the last that was found: what was labelled since is still in it.
        """
        return self._useful

    def doubtful(self, class_name: str) -> list[str] | None:
        """Return the photos of a class, the least likely to be of it first; None: not known."""
        fit = self._fit
        if fit is None or class_name not in fit.classifier.class_names:
            return None
        c = fit.classifier.class_names.index(class_name)
        rows = np.flatnonzero(fit.labels == c)
        order = rows[np.argsort(fit.refitted.log_probs[rows, c], kind="stable")]
        return [fit.photos[i].name for i in order.tolist()]

    def whole(self) -> Classifier | None:
        """Return the classifier with what is unknown to it and with photos to compare with.

        They are found at the first call after each fit, which takes up to some seconds; None where
        nothing is fitted.
        """
        with self._completing:
            fit = self._fit
            if fit is None:
                return None
            if self._whole is None or self._whole[0] is not fit:
                self._whole = fit, completed(self._looks, fit)
            return self._whole[1]

    def wait(self, seconds: float = 60.0) -> bool:
        """Wait until all is looked at and learned; return whether that came about in time."""
        deadline = time.monotonic() + seconds
        with self._waking:
            while not self._is_idle():
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._waking.wait(min(left, 0.5))
        return True

    def _is_idle(self) -> bool:
        return self._now() == self._learned_to and self._num_changes == self._looked_to

    def _guarded(self, work: Callable[[], None]) -> None:
        with contextlib.suppress(Closed):
            work()

    def _has_looked(self) -> None:
        with self._waking:
            self._num_looked += 1
            self._waking.notify_all()

    def _look(self) -> None:
        while not self._is_closed:
            with self._waking:
                while self._looked_to == self._num_changes and not self._is_closed:
                    self._waking.wait()
                seen = self._num_changes
            with self._telling():
                self._look_at_all(seen)
            with self._waking:
                self._looked_to = seen
                self._waking.notify_all()

    def _look_at_all(self, seen: int) -> None:
        """Look at all photos, those with a label first, and compare them, unless more come."""
        self._problem = ""
        while True:
            self._looks.check()
            snapshot = self._project.snapshot()
            self._looks.learn_of(snapshot.ids, snapshot.paths)
            with_label = [label is not None for label in snapshot.labels]
            order = np.argsort(~np.array(with_label, bool), kind="stable")
            if not self._looks.look([snapshot.ids[i] for i in order.tolist()]):
                break
            self._say_now_and_then()
        if seen == self._num_changes and self._looks.compare(snapshot.ids):
            self._has_looked()

    def _learn(self) -> None:
        while not self._is_closed:
            with self._waking:
                while self._learned_to == self._now() and not self._is_closed:
                    self._waking.wait()
                seen = self._now()
            if self._is_closed:
                return
            with self._telling():
                snapshot = self._project.snapshot()
                self._fit_anew(snapshot)
                if seen == self._now():
                    self._rank(snapshot)
            with self._waking:
                self._learned_to = seen
                self._waking.notify_all()

    def _now(self) -> tuple[int, int]:
        return self._num_changes, self._num_looked

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell what goes wrong, and go on with the next change."""
        try:
            yield
        except PhotograftError as error:
            self._problem = first_line(error)
        except Closed:
            raise
        except Exception as error:
            traceback.print_exc()
            self._problem = f"Something went wrong: {first_line(error)}"
        else:
            return
        self._set(state="waiting", why=self._problem)

    def _fit_anew(self, snapshot: Snapshot) -> None:
        began = time.perf_counter()
        self._looks.update()
        photos = self._looks.labelled(snapshot.ids, snapshot.labels, snapshot.groups)
        numbers: dict[str, set[bytes]] = {}
        for photo in photos:
            numbers.setdefault(photo.label, set()).add(photo.digest)
        enough = {name for name, own in numbers.items() if len(own) >= LEAST_PHOTOS}
        if len(enough) < 2:
            self._fit, self._useful = None, None
            done, total = self._looks.progress(snapshot.ids)
            why = self._problem or lacking(snapshot)
            self._set(state="waiting" if why or done == total else "looking", why=why)
            return
        self._set(state="fitting")
        fit = fit_photos(self._looks, snapshot, [p for p in photos if p.label in enough])
        self._fit = fit
        history = self._said.history
        point = {"num_labelled": len(fit.labels), "accuracy": float(fit.right.mean())}
        if not history or history[-1] != point:
            history.append(point)
        self._set(state="ready", why="", seconds=time.perf_counter() - began)

    def _rank(self, snapshot: Snapshot) -> None:
        fit = self._fit
        if fit is not None:
            self._useful = most_useful(self._looks, fit, snapshot)
            self._set()

    def _say_now_and_then(self) -> None:
        if time.monotonic() - self._told_at >= _TICK:
            self._set()

    def _set(self, **changes: Any) -> None:
        self._said = replace(self._said, **changes)
        self._told_at = time.monotonic()
        self._tell({"type": "live", **self.status()})


def _thinned(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    step = -(-len(history) // _POINTS) or 1
    return [*history[:-1:step], *history[-1:]]
