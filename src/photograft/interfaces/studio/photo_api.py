"""Addresses of photos: the project, its shelves, pictures, and what the user says of photos."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from photograft.core.errors import InputError
from photograft.core.parallel import num_cores
from photograft.core.text import count
from photograft.interfaces.server.bodies import BodyReader, whole
from photograft.interfaces.studio.asked import Asked, json_response, told
from photograft.interfaces.studio.state import Studio
from photograft.workflows.serving.limits import Limits
from photograft.workflows.studio.browsing import browse
from photograft.workflows.studio.intake import MAX_BYTES
from photograft.workflows.studio.overview import overview, photo_details
from photograft.workflows.studio.pictures import SIZES, Picture
from photograft.workflows.studio.shelves import shelf

#: A thumbnail is asked for again after so many seconds, and told to be the same by its tag.
_FRESH = "private, max-age=60, stale-while-revalidate=604800"


def routes(studio: Studio) -> list[Route]:
    """Return what answers."""
    api = PhotoAPI(studio)
    changes = {
        "label": api.label,
        "exclude": api.exclude,
        "group": api.group,
        "classes": api.classes,
        "undo": api.undo,
        "redo": api.redo,
        "folders": api.folders,
    }
    return [
        Route("/api/project", api.project),
        Route("/api/shelf", api.shelf),
        Route("/api/photo/{id}", api.photo),
        Route("/api/browse", api.browse),
        Route("/api/events", api.events),
        Route("/thumb/{id}", api.thumbnail),
        Route("/photo/{id}", api.view),
        Route("/api/photos", api.bring, methods=["POST"]),
        Route("/api/save-folders", api.save_folders, methods=["POST"]),
        *(Route(f"/api/{name}", found, methods=["POST"]) for name, found in changes.items()),
    ]


class PhotoAPI:
    """Answers.

    Args:
        studio: What is asked.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio, self._project = studio, studio.project
        self._decoding = asyncio.Semaphore(max(2, num_cores()))
        self._bodies = BodyReader(
            Limits(max_bytes=MAX_BYTES, max_held_bytes=3 * MAX_BYTES, timeout=120)
        )

    async def project(self, request: Request) -> Response:
        """Tell what there is."""
        return await told(lambda: {**overview(self._project), "run": self._studio.run})

    async def shelf(self, request: Request) -> Response:
        """Tell the photos of a shelf."""
        asked = request.query_params
        kind = asked.get("kind", "class" if "name" in asked else "all")
        name, order = asked.get("name", ""), asked.get("order", "name")
        guesses = self._studio.guesses
        return await told(lambda: shelf(self._project.view(), kind, name, order, guesses))

    async def photo(self, request: Request) -> Response:
        """Tell what is known of a photo."""
        photo_id, guesses = request.path_params["id"], self._studio.guesses
        return await told(lambda: photo_details(self._project, photo_id, guesses))

    async def browse(self, request: Request) -> Response:
        """Tell the folders in a folder."""
        path = request.query_params.get("path", "")
        return await told(lambda: browse(path))

    async def events(self, request: Request) -> Response:
        """Tell what changes, as long as the page is open."""
        from starlette.responses import StreamingResponse

        return StreamingResponse(
            self._studio.events.stream(),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    async def thumbnail(self, request: Request) -> Response:
        """Send a thumbnail."""
        text = request.query_params.get("size", str(SIZES[0]))
        if text not in map(str, SIZES):
            raise InputError("there is no such size", expected=" or ".join(map(str, SIZES)))
        size, pictures = int(text), self._project.pictures
        return await self._picture(request, lambda file: pictures.thumbnail(file, size))

    async def view(self, request: Request) -> Response:
        """Send a photo as it is looked at alone."""
        return await self._picture(request, self._project.pictures.view)

    async def _picture(self, request: Request, make: Callable[[str], Picture]) -> Response:
        file = self._project.row(request.path_params["id"]).photo.file
        with self._project.pictures.asked():
            async with self._decoding:
                if await request.is_disconnected():  # scrolled past
                    return Response(status_code=204)
                picture = await run_in_threadpool(make, file)
        headers = {"ETag": f'"{picture.tag}"', "Cache-Control": _FRESH}
        if picture.problem:
            headers |= {"X-Unreadable": picture.problem, "Cache-Control": "no-store"}
        elif f'"{picture.tag}"' in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(picture.data, headers=headers, media_type="image/jpeg")

    async def label(self, request: Request) -> Response:
        """Put photos into a class, or into none."""
        asked = await Asked.read(request)
        ids, label = asked.ids(), asked.text_or_none("label", needed=True)
        return await self._changed(lambda: self._project.label(ids, label))

    async def exclude(self, request: Request) -> Response:
        """Leave photos out, or take them back in."""
        asked = await Asked.read(request)
        ids, excluded = asked.ids(), asked.flag("excluded")
        return await self._changed(lambda: self._project.exclude(ids, excluded))

    async def group(self, request: Request) -> Response:
        """Keep photos together, or not."""
        asked = await Asked.read(request)
        ids, group = asked.ids(), asked.text_or_none("group", needed=True)
        return await self._changed(lambda: self._project.group(ids, group))

    async def classes(self, request: Request) -> Response:
        """Make, rename, merge or remove a class."""
        asked = await Asked.read(request)
        action, name, to = asked.text("action"), asked.text("name"), asked.text_or_none("to")
        return await self._changed(lambda: self._project.change_class(action, name, to))

    async def undo(self, request: Request) -> Response:
        """Undo the last change."""
        return await self._back(request, self._project.undo)

    async def redo(self, request: Request) -> Response:
        """Do again what was undone."""
        return await self._back(request, self._project.redo)

    async def folders(self, request: Request) -> Response:
        """Add a folder, list it anew, or take it away."""
        asked = await Asked.read(request)
        path, is_removed = asked.path("path"), asked.flag("remove", default=False)

        def change() -> str:
            if is_removed:
                self._project.remove_folder(path)
                return f"Take the folder {path.name} away"
            listed = self._project.add_folder(path)
            return f"Add {count(len(listed.photos), 'photo')} of {path.name}"

        return await self._changed(change)

    async def bring(self, request: Request) -> Response:
        """Take in a photo, the body's bytes."""
        asked = request.query_params
        with self._bodies.opened(request) as pieces:
            data = await whole(pieces)
            name, label, group = asked.get("name", ""), asked.get("label"), asked.get("group")
            bring = self._studio.intake.bring
            brought = await run_in_threadpool(bring, data, name, label or None, group or None)
        return json_response({"id": brought.id, "duplicate": brought.is_duplicate})

    async def save_folders(self, request: Request) -> Response:
        """Copy the photos into class folders."""
        path = (await Asked.read(request)).path("path")
        number = await run_in_threadpool(self._project.save_folders, path)
        return json_response({"path": str(path), "num_photos": number})

    async def _back(self, request: Request, change: Callable[[int | None], str]) -> Response:
        """Undo or redo, unless another page has changed something that this one does not know."""
        known = (await Asked.read(request)).number_or_none("revision")
        return await self._changed(lambda: change(known))

    async def _changed(self, change: Callable[[], str]) -> Response:
        what = await run_in_threadpool(change)
        return json_response({"revision": self._project.revision, "what": what})
