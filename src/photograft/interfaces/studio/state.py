"""What a studio holds while it runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from photograft.interfaces.studio.events import Events
from photograft.workflows.studio.intake import Intake
from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.project import Project
from photograft.workflows.studio.shelves import Guesses

if TYPE_CHECKING:
    from photograft.workflows.studio.learning import Learning

#: Seconds that the first page has for itself before what learns is imported.
_FIRST = 0.7


class Studio:
    """A project with all that works on it.

    Args:
        project: The project, open.
        events: What pages are told.

    Attributes:
        intake: Takes photos in.
        jobs: Long work.
    """

    def __init__(self, project: Project, events: Events | None = None) -> None:
        self.project = project
        self.events = events or Events()
        self.intake = Intake(project)
        self.jobs = Jobs(project, self._told)
        self._learning: Learning | None = None
        self._making = threading.Lock()
        self._is_closed = threading.Event()
        self._beginning = threading.Thread(target=self._begin, name="beginning", daemon=True)
        project.on_change(self._changed)
        project.on_progress(self._scanned)

    @property
    def learning(self) -> Learning:
        """What learns and looks, made at the first call, which takes a second."""
        with self._making:
            if self._learning is None:
                from photograft.workflows.studio.learning import Learning  # slow to import

                self._learning = Learning(self.project, self.jobs, self.events.publish)
                if not self._is_closed.is_set():
                    self._learning.start()
            return self._learning

    @property
    def guesses(self) -> Guesses | None:
        """What is thought of the photos; None where nothing is yet."""
        return self._learning.live if self._learning else None

    @property
    def run(self) -> dict[str, Any] | None:
        """The name and accuracy of the last training; None where there is none, or not known."""
        return self._learning.understanding.run() if self._learning else None

    def start(self) -> None:
        """Begin all that works by itself."""
        self.project.start_scan()
        self._beginning.start()

    def stop_telling(self) -> None:
        """End the streams of events, for which a server that stops would wait."""
        self.events.close()

    def close(self) -> None:
        """End all of it, the project last."""
        self.stop_telling()
        self._is_closed.set()
        self.jobs.close()
        if self._beginning.is_alive():
            self._beginning.join(10)
        with self._making:
            if self._learning is not None:
                self._learning.close()
        self.project.close()

    def _begin(self) -> None:
        if self._is_closed.wait(_FIRST):
            return
        self.jobs.start()
        if self.learning.understanding.run() is not None:
            self.events.publish({"type": "run"})

    def _told(self, event: dict[str, Any]) -> None:
        self.events.publish(event)
        job = event["job"]
        if job["state"] == "done":
            self.events.publish({"type": "health" if job["kind"] == "doctor" else "run"})

    def _scanned(self) -> None:
        self.events.publish({"type": "project", "revision": self.project.revision})

    def _changed(self) -> None:
        self._scanned()
        if self._learning is not None:
            self._learning.live.changed()
