"""All of a studio that learns and looks. It takes a second to import, and no page waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from photograft.workflows.studio.handing_over import HandingOver
from photograft.workflows.studio.health import Health
from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.live import Live
from photograft.workflows.studio.project import Project
from photograft.workflows.studio.trying import Trying
from photograft.workflows.studio.understanding import Understanding


class Learning:
    """What learns from a project's photos, and what is known of that.

    Args:
        project: The project, open.
        jobs: Its long work.
        tell: Told what has changed, by any thread.

    Attributes:
        live: The classifier that learns along.
        health: What the doctor found.
        understanding: What the latest run says of itself.
        trying: Answers any photo.
        handing_over: What leaves the project.
    """

    def __init__(
        self, project: Project, jobs: Jobs, tell: Callable[[dict[str, Any]], None]
    ) -> None:
        pictures = project.pictures
        self.live = Live(project, tell, is_awaited=lambda: pictures.num_asked > 0)
        self.health = Health(project, jobs)
        self.understanding = Understanding(project, jobs)
        self.trying = Trying(project, self.live, jobs, self.understanding)
        self.handing_over = HandingOver(project, jobs, self.understanding)

    def start(self) -> None:
        """Begin to look at photos and to learn."""
        self.live.start()
        self.live.changed()

    def close(self) -> None:
        """End it."""
        self.trying.close()
        self.live.close()
