"""The studio's addresses: who may ask, what is answered, and how each refusal is told."""

from __future__ import annotations

import io
import json
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from drawing import MakePhotos
from photograft.core.errors import (
    ConversionError,
    PhotograftError,
    StorageError,
    WeightsError,
)
from photograft.interfaces.studio.problems import problem_of
from photograft.interfaces.studio.sessions import Sessions, key_of
from photograft.interfaces.studio.state import Studio
from photograft.workflows.studio.project import Project
from photograft.workflows.studio.refusals import BusyError, ChangedError
from studio_page import HOME, MARK, PORT, StudioPage


class Page(StudioPage):
    """A browser at a studio, and the photos of its project."""

    def ids(self, label: str | None = "circle") -> list[str]:
        place = "kind=unlabelled" if label is None else f"name={label}"
        return list(self.get(f"/api/shelf?{place}")["ids"])


@pytest.fixture
def page(tmp_path: Path, make_photos: MakePhotos) -> Iterator[Page]:
    folder = make_photos(tmp_path / "photos", n=4, size=32)
    with Project.open(folder) as project:
        page = Page(Studio(project), Sessions("k" * 40, PORT))
        page.enter()
        yield page
        page.studio.events.close()


ASKED = (
    "/api/project",
    "/api/shelf?kind=all",
    "/api/events",
    "/api/browse",
    "/thumb/0",
    "/photo/0",
)
POSTED = (
    *("/api/label", "/api/exclude", "/api/group", "/api/classes", "/api/undo", "/api/redo"),
    *("/api/folders", "/api/photos", "/api/save-folders", "/api/jobs", "/api/answers", "/api/try"),
)


@pytest.mark.parametrize("place", ASKED)
def test_without_the_cookie_nothing_is_told(page: Page, place: str) -> None:
    reply = page.stranger().get(place)
    assert reply.status_code == 401
    assert "terminal" in reply.json()["detail"]
    for cookie in (f"photograft-studio-{PORT}=", f"photograft-studio-{PORT}={'x' * 40}", "k=v; ;"):
        assert page.stranger().get(place, headers={"Cookie": cookie}).status_code == 401


@pytest.mark.parametrize("place", ["/photos", "/hand-over"])
def test_a_place_without_the_cookie_is_a_page_that_says_what_to_do(page: Page, place: str) -> None:
    reply = page.stranger().get(place)
    assert reply.status_code == 401
    assert reply.headers["content-type"].startswith("text/html")
    assert "terminal" in reply.text
    assert page.client.get(place).status_code == 200


def test_the_token_opens_the_page_once(page: Page) -> None:
    stranger = page.stranger()
    reply = stranger.get(f"/?token={page.sessions.token}")
    assert (reply.status_code, "set-cookie" in reply.headers) == (401, False)
    assert "works once" in reply.text
    reply = page.client.get(f"/?token={page.sessions.token}")  # known already
    assert (reply.status_code, reply.headers["location"]) == (303, "/photos")


def test_the_cookie_is_for_this_server_and_no_script(tmp_path: Path) -> None:
    sessions = Sessions(key_of(tmp_path), PORT)
    assert not sessions.spend("")
    assert not sessions.spend("wrong")
    assert sessions.spend(sessions.token)
    assert not sessions.spend(sessions.token)
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(sessions.cookie().split("; "))
    cookie = sessions.cookie().partition(";")[0]
    assert Sessions(key_of(tmp_path), PORT).has_cookie(cookie)  # started again
    assert not Sessions(key_of(tmp_path), PORT + 1).has_cookie(cookie)
    assert not Sessions(key_of(tmp_path / "other"), PORT).has_cookie(cookie)


def test_the_key_is_the_users_alone(tmp_path: Path, cache: Path) -> None:
    key_of(tmp_path)
    (path,) = (cache / "studio").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("short")
    assert len(key_of(tmp_path)) > 40


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example:8765"},
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "https://127.0.0.1:8765"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
)
def test_other_sites_are_refused(page: Page, headers: dict[str, str]) -> None:
    for place in ("/api/project", f"/thumb/{page.ids()[0]}", "/"):
        assert page.client.get(place, headers=headers).status_code == 403
    before = page.project.revision
    body = json.dumps({"ids": page.ids(), "label": "x"})
    reply = page.client.post("/api/label", content=body, headers={**MARK, **headers})
    assert (reply.status_code, page.project.revision) == (403, before)


@pytest.mark.parametrize("place", POSTED)
def test_what_changes_something_needs_the_header(page: Page, place: str) -> None:
    for headers in ({}, {"X-Photograft": "other"}, {"Content-Type": "text/plain"}):
        assert page.client.post(place, content=b"{}", headers=headers).status_code == 403
    assert page.client.get(place).status_code in (405, 404, 200)
    assert page.stranger().post(place, content=b"{}", headers=MARK).status_code == 401
    assert page.project.revision == 0


def test_its_own_pages_and_a_link_from_elsewhere_are_let_in(page: Page) -> None:
    own = {"Origin": HOME, "Sec-Fetch-Site": "same-origin"}
    assert page.client.get("/api/project", headers=own).status_code == 200
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert page.client.get("/photos", headers=link).status_code == 200
    assert page.client.get("/photos", headers={"Host": "localhost:8765"}).status_code == 200


@pytest.mark.parametrize("place", ["/photos", "/api/project", "/static/texts.json", "/nothing"])
def test_every_answer_is_told_to_be_careful(page: Page, place: str) -> None:
    headers = page.client.get(place).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "place",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static/%00",
        "/static//etc/passwd",
        "/thumb/../../etc/passwd",
        "/thumb/%2fetc%2fpasswd",
        "/photo/0123456789abcdef",
        "/api/photo/0123456789abcdef",
        "/nothing",
        "/api/",
    ],
)
def test_nothing_else_is_there(page: Page, place: str) -> None:
    assert page.client.get(place).status_code == 404


def test_a_head_that_is_too_long(page: Page) -> None:
    assert page.client.get("/api/project?x=" + "x" * 20_000).status_code == 431


def test_the_project(page: Page) -> None:
    found = page.get("/api/project")
    assert [(one["name"], one["num_photos"]) for one in found["classes"]] == [
        ("circle", 4),
        ("square", 4),
    ]
    assert (found["num_photos"], found["num_unlabelled"], found["can_undo"]) == (8, 0, None)
    assert found["folders"][0]["num_photos"] == 8
    assert found["classes"][0]["covers"] == page.ids()


def test_labelling_and_undoing(page: Page) -> None:
    ids = page.ids()
    changed = page.post("/api/label", {"ids": ids[:2], "label": "stars"})
    assert changed == {"revision": 1, "what": "Label 2 photos stars"}
    assert page.ids("stars") == ids[:2]
    page.post("/api/label", {"ids": ids[:1], "label": None})
    assert page.ids(None) == ids[:1]
    assert page.get("/api/project")["can_undo"] == "Take the label off 1 photo"
    page.post("/api/undo")
    page.post("/api/undo")
    assert (page.ids(), page.get("/api/project")["can_redo"]) == (ids, "Label 2 photos stars")
    page.post("/api/redo")
    assert "again" in page.post("/api/undo", {"revision": 1}, 409)["detail"]
    page.post("/api/undo", {"revision": page.project.revision})
    page.post("/api/exclude", {"ids": ids[3:], "excluded": True})
    assert page.get("/api/shelf?kind=excluded")["ids"] == ids[3:]
    page.post("/api/group", {"ids": ids, "group": "g"})
    assert page.get(f"/api/photo/{ids[0]}")["group"] == "g"
    page.post("/api/classes", {"action": "rename", "name": "square", "to": "Quadrat"})
    assert len(page.ids("Quadrat")) == 4
    page.post("/api/classes", {"action": "create", "name": "empty"})
    page.post("/api/classes", {"action": "remove", "name": "empty"})


@pytest.mark.parametrize(
    ("place", "body", "status"),
    [
        ("/api/label", b"", 400),
        ("/api/label", b"[]", 400),
        ("/api/label", b"\xff", 400),
        ("/api/label", b"[" * 100_000, 400),
        ("/api/label", {"ids": "all", "label": "x"}, 400),
        ("/api/label", {"ids": [], "label": "x"}, 400),
        ("/api/label", {"ids": [1], "label": "x"}, 400),
        ("/api/label", {"ids": ["no"], "label": "x"}, 404),
        ("/api/label", {"ids": ["no"]}, 400),
        ("/api/label", {"ids": ["no"], "label": ["x"]}, 400),
        ("/api/label", b" " * 4_000_001, 413),
        ("/api/exclude", {"ids": ["no"], "excluded": "yes"}, 400),
        ("/api/classes", {"action": "create", "name": " "}, 400),
        ("/api/classes", {"action": "rename", "name": "circle"}, 400),
        ("/api/classes", {"action": "merge", "name": "circle", "to": "x"}, 404),
        ("/api/classes", {"action": "burn", "name": "circle"}, 400),
        ("/api/undo", None, 400),
        ("/api/folders", {"path": "photos"}, 400),
        ("/api/folders", {"path": "/nothing/here"}, 400),
        ("/api/folders", {"path": "/\0"}, 400),
        ("/api/save-folders", {"path": ""}, 400),
        ("/api/save-folders", {"path": "/proc/none/here"}, 507),
        ("/api/photos", b"no photo", 422),
    ],
)
def test_what_can_not_be_done_is_told(page: Page, place: str, body: Any, status: int) -> None:
    assert page.post(place, body, status)["detail"]
    assert page.project.revision == 0


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("/api/shelf?name=none", 404),
        ("/api/shelf?kind=none", 400),
        ("/api/shelf?kind=all&order=none", 400),
        ("/api/browse?path=relative", 400),
        ("/api/browse?path=/nothing/here", 400),
        ("/thumb/0123456789abcdef", 404),
        ("/api/photo/%F0%9F%90%BB", 404),
    ],
)
def test_what_is_not_there_is_told(page: Page, place: str, status: int) -> None:
    assert page.get(place, status)["detail"]


def test_thumbnails(page: Page) -> None:
    one = page.ids()[0]
    reply = page.client.get(f"/thumb/{one}?size=320")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(reply.content)).size == (32, 32)
    known = {"If-None-Match": reply.headers["etag"]}
    assert page.client.get(f"/thumb/{one}?size=320", headers=known).status_code == 304
    assert page.client.get(f"/thumb/{one}", headers=known).status_code == 200  # of another size
    assert page.client.get(f"/thumb/{one}?size=5000").status_code == 400
    assert page.client.get(f"/photo/{one}").headers["content-type"] == "image/jpeg"
    Path(page.project.row(one).photo.file).write_text("no photo any more")
    reply = page.client.get(f"/thumb/{one}")
    assert (reply.status_code, reply.headers["x-unreadable"]) == (200, "not an image")
    assert reply.headers["cache-control"] == "no-store"
    assert Image.open(io.BytesIO(reply.content)).format == "JPEG"
    assert page.get("/api/project")["skipped"] == {"not an image": 1}


def test_bringing_photos(page: Page) -> None:
    file = io.BytesIO()
    Image.new("RGB", (30, 20), (1, 2, 3)).save(file, "PNG")
    place = "/api/photos?name=../a%2Fb.png&label=stars&group=burst"
    brought = page.post(place, file.getvalue())
    assert brought["duplicate"] is False
    found = page.get(f"/api/photo/{brought['id']}")
    assert (found["label"], found["group"], found["path"]) == ("stars", "burst", "photos/b.png")
    assert page.post(place, file.getvalue()) == {"id": brought["id"], "duplicate": True}


def test_a_body_that_is_too_large_is_refused_before_it_is_read(page: Page) -> None:
    headers = {**MARK, "Content-Length": "100000001"}
    reply = page.client.post("/api/photos", content=b"x", headers=headers)
    assert reply.status_code == 413


def test_folders_are_added_and_saved(page: Page, tmp_path: Path, make_photos: MakePhotos) -> None:
    make_photos(tmp_path / "more", ("stars",), n=2, size=16)
    changed = page.post("/api/folders", {"path": str(tmp_path / "more")})
    assert "2 photos of more" in changed["what"]
    page.post("/api/folders", {"path": str(tmp_path / "more"), "remove": True})
    assert page.get("/api/project")["num_photos"] == 8
    page.post("/api/folders", {"path": str(tmp_path / "more")})
    found = page.post("/api/save-folders", {"path": str(tmp_path / "saved")})
    assert found == {"path": str(tmp_path / "saved"), "num_photos": 10}
    listed = page.get(f"/api/browse?path={tmp_path}")
    assert "saved" in [one["name"] for one in listed["folders"]]
    page.post("/api/save-folders", {"path": str(tmp_path / "saved")}, 507)


def test_a_disk_that_is_full_is_told_and_loses_nothing(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    ids = page.ids()
    monkeypatch.setattr("photograft.workflows.studio.journal.os.fsync", full)
    told = page.post("/api/label", {"ids": ids, "label": "x"}, 507)
    assert "disk is full" in told["detail"]
    monkeypatch.undo()
    assert page.ids() == ids
    page.post("/api/label", {"ids": ids, "label": "x"})
    assert page.ids("x") == ids


def test_the_wheel_carries_all_files_of_the_page() -> None:
    root = Path(__file__).parents[3]
    tools = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    package = root / "src" / "photograft"
    patterns = tools["setuptools"]["package-data"]["photograft"]
    carried = {path for pattern in patterns for path in package.glob(pattern)}
    there = {p for p in (package / "interfaces/studio/static").rglob("*") if p.is_file()}
    assert there
    assert there <= carried


def test_an_undo_that_meets_another_change_is_refused(page: Page) -> None:
    """The change is made after the undo was asked for, and before its turn has come."""
    ids, said = page.ids(), []
    page.post("/api/label", {"ids": ids[:1], "label": "stars"})
    undo = threading.Thread(
        target=lambda: said.append(page.post("/api/undo", {"revision": 1}, 409)["detail"])
    )
    with page.project.ledger.lock:
        undo.start()
        time.sleep(0.3)
        page.project.label(ids[1:2], "stars")
    undo.join()
    assert said == ["Look at it again, then undo."]
    assert page.ids("stars") == ids[:2]


@pytest.mark.parametrize(
    ("error", "status", "wait"),
    [
        (BusyError("more photos wait"), 503, "1"),
        (ChangedError("Look at it again"), 409, None),
        (WeightsError("the weights are not here"), 400, None),
        (ConversionError("no engine runs it"), 400, None),
        (StorageError("the disk is full"), 507, None),
    ],
)
def test_errors_that_are_raised_on_purpose_are_told(
    error: PhotograftError, status: int, wait: str | None
) -> None:
    told = problem_of(error)
    assert (told.status_code, told.headers.get("retry-after")) == (status, wait)
    assert json.loads(bytes(told.body))["detail"] == str(error)
