"""Addresses of what learns: the classifier that learns along, long work, and the doctor's cards."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from photograft.interfaces.studio.asked import Asked, json_response, told
from photograft.interfaces.studio.state import Studio


def routes(studio: Studio) -> list[Route]:
    """Return what answers."""
    api = LearningAPI(studio)
    return [
        Route("/api/live", api.live),
        Route("/api/jobs", api.jobs),
        Route("/api/jobs", api.add, methods=["POST"]),
        Route("/api/jobs/stop", api.stop, methods=["POST"]),
        Route("/api/health", api.health),
        Route("/api/answers", api.answer, methods=["POST"]),
    ]


class LearningAPI:
    """Answers.

    Args:
        studio: What is asked.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def live(self, request: Request) -> Response:
        """Tell how the classifier that learns along is doing."""
        return await told(lambda: self._studio.learning.live.status())

    async def jobs(self, request: Request) -> Response:
        """Tell all jobs."""
        return json_response(self._studio.jobs.status())

    async def add(self, request: Request) -> Response:
        """Have something done."""
        asked = await Asked.read(request)
        kind, options = asked.text("kind"), asked.members("options")
        return json_response({"id": await run_in_threadpool(self._studio.jobs.add, kind, options)})

    async def stop(self, request: Request) -> Response:
        """End a job."""
        job_id = (await Asked.read(request)).text("id")
        await run_in_threadpool(self._studio.jobs.stop, job_id)
        return json_response({"id": job_id})

    async def health(self, request: Request) -> Response:
        """Tell what the doctor found."""
        return await told(lambda: self._studio.learning.health.cards())

    async def answer(self, request: Request) -> Response:
        """Answer a finding; with its id, for all that lies together with the photos in it."""
        asked, project = await Asked.read(request), self._studio.project
        ids, action = asked.ids(), asked.text_or_none("action")
        value = asked.text_or_none("value") if action in ("relabel", "group") else None
        finding, health = asked.text_or_none("finding"), self._studio.learning.health

        def answer() -> str:
            # Of copies, one stays.
            is_rest = action == "exclude"
            all_ids = health.together(finding, ids, rest=is_rest) if finding else ids
            return project.answer(all_ids, action, value)

        what = await run_in_threadpool(answer)
        return json_response({"revision": project.revision, "what": what})
