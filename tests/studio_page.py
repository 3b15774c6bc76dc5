"""A browser at a studio within the tests' own process, which asks and is answered."""

from __future__ import annotations

import json
from typing import Any

from starlette.testclient import TestClient

from photograft.interfaces.studio.app import make_app
from photograft.interfaces.studio.sessions import Sessions
from photograft.interfaces.studio.state import Studio

PORT = 8765
HOME = f"http://127.0.0.1:{PORT}"
MARK = {"X-Photograft": "studio"}


class StudioPage:
    """A browser at a studio."""

    def __init__(self, studio: Studio, sessions: Sessions) -> None:
        self.studio, self.project, self.sessions = studio, studio.project, sessions
        self.client = TestClient(
            make_app(studio, sessions), HOME, raise_server_exceptions=False, follow_redirects=False
        )

    def stranger(self) -> TestClient:
        """One without a cookie."""
        return TestClient(
            self.client.app, HOME, raise_server_exceptions=False, follow_redirects=False
        )

    def enter(self) -> None:
        assert self.client.get(f"/?token={self.sessions.token}").status_code == 303

    def get(self, place: str, status: int = 200) -> Any:
        reply = self.client.get(place)
        assert reply.status_code == status, reply.text
        return reply.json()

    def post(self, place: str, body: Any = None, status: int = 200) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        reply = self.client.post(place, content=content, headers=MARK)
        assert reply.status_code == status, reply.text
        if status != 200:
            problem = reply.json()
            assert reply.headers["content-type"] == "application/problem+json"
            assert (problem["status"], bool(problem["title"])) == (status, True)
        return reply.json()
