"""What a studio holds while it runs."""

from __future__ import annotations

from typing import Any

from photograft.interfaces.studio.events import Events
from photograft.workflows.studio.handing_over import HandingOver
from photograft.workflows.studio.health import Health
from photograft.workflows.studio.intake import Intake
from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.live import Live
from photograft.workflows.studio.project import Project
from photograft.workflows.studio.shelves import Guesses
from photograft.workflows.studio.trying import Trying
from photograft.workflows.studio.understanding import Understanding


class Studio:
    """A project with all that works on it.

    Args:
        project: The project, open.
        events: What pages are told.

    Attributes:
        intake: Takes photos in.
        live: The classifier that learns along.
        jobs: Long work.
        health: What the doctor found.
        understanding: What the latest run says of itself.
        trying: Answers any photo.
        handing_over: What leaves the project.
    """

    def __init__(self, project: Project, events: Events | None = None) -> None:
        self.project = project
        self.events = events or Events()
        self.intake = Intake(project)
        self.live = Live(project, self.events.publish)
        self.jobs = Jobs(project, self._told)
        self.health = Health(project, self.jobs)
        self.understanding = Understanding(project, self.jobs)
        self.trying = Trying(project, self.live, self.jobs)
        self.handing_over = HandingOver(project, self.jobs, self.understanding)
        project.on_change(self._changed)

    @property
    def guesses(self) -> Guesses | None:
        """What is thought of the photos."""
        return self.live

    @property
    def run(self) -> dict[str, Any] | None:
        """The name and accuracy of the last training; None where there is none."""
        return None

    def start(self) -> None:
        """Begin all that works by itself."""
        self.project.start_scan()
        self.live.start()
        self.jobs.start()

    def stop_telling(self) -> None:
        """End the streams of events, for which a server that stops would wait."""
        self.events.close()

    def close(self) -> None:
        """End all of it, the project last."""
        self.stop_telling()
        self.jobs.close()
        self.trying.close()
        self.live.close()
        self.project.close()

    def _told(self, event: dict[str, Any]) -> None:
        self.events.publish(event)
        job = event["job"]
        if job["state"] == "done":
            self.events.publish({"type": "health" if job["kind"] == "doctor" else "run"})

    def _changed(self) -> None:
        self.events.publish({"type": "project", "revision": self.project.revision})
        self.live.changed()
