"""The studio's addresses of what learns, looks and leaves it."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from photograft.interfaces.studio.events import Events
from photograft.interfaces.studio.sessions import Sessions, key_of
from photograft.interfaces.studio.state import Studio
from photograft.workflows.studio.project import Project
from studio_helpers import ids_of, label_all
from studio_page import PORT, StudioPage
from studio_process import entered_studio


class Noted(Events):
    """Keeps what was told."""

    def __init__(self) -> None:
        super().__init__()
        self.types: list[str] = []

    def publish(self, event: dict[str, Any]) -> None:
        self.types.append(event["type"])
        super().publish(event)


class Page(StudioPage):
    """A browser at a studio that works."""

    def __init__(self, project: Project) -> None:
        self.told = Noted()
        super().__init__(Studio(project, self.told), Sessions(key_of(project.folder), PORT))
        self.enter()
        self.studio.start()

    def do(self, kind: str, **options: Any) -> dict[str, Any]:
        """Have a job done, and return what is told of it."""
        job_id = self.post("/api/jobs", {"kind": kind, "options": options})["id"]
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            for job in self.get("/api/jobs")["past"]:
                if job["id"] == job_id:
                    found: dict[str, Any] = job
                    return found
            time.sleep(0.1)
        raise AssertionError(f"{kind} has not ended")


@pytest.fixture
def page(unlabelled: Project) -> Iterator[Page]:
    found = Page(unlabelled)
    yield found
    found.studio.close()


@pytest.fixture
def trained(done: Project) -> Iterator[Page]:
    found = Page(done)
    yield found
    found.studio.close()


def test_labels_become_guesses_and_an_order(unlabelled: Project, page: Page) -> None:
    assert page.get("/api/live")["state"] in ("waiting", "looking")
    assert page.get("/api/shelf?kind=unlabelled&order=useful")["order"] == "name"
    label_all(unlabelled, num=6)
    assert page.studio.learning.live.wait()
    live = page.get("/api/live")
    assert (live["state"], live["num_labelled"]) == ("ready", 18)
    assert live["looked"] == {"done": 36, "total": 36}
    shelf = page.get("/api/shelf?kind=unlabelled&order=useful")
    assert shelf["order"] == "useful"
    assert len(shelf["ids"]) == 18
    assert all(name in unlabelled.class_names for name, _ in shelf["guesses"])
    shelf = page.get("/api/shelf?name=circle&order=doubtful")
    assert shelf["order"] == "doubtful"
    assert set(shelf["ids"]) == set(ids_of(unlabelled, "circle")[:6])


def test_what_is_asked_wrongly(page: Page) -> None:
    told = page.post("/api/jobs", {"kind": "train", "options": {"effort": "heroic"}}, 400)
    assert "quick" in told["detail"]
    page.post("/api/jobs", {"kind": "nothing"}, 404)
    page.post("/api/jobs", {"kind": "train", "options": ["quick"]}, 400)
    page.post("/api/jobs/stop", {"id": "gone"}, 400)
    page.post("/api/answers", {"ids": ["0" * 16], "action": "ok"}, 404)
    gone = {"ids": ["0" * 16], "action": None, "finding": "0-near-duplicates"}
    assert "no longer" in page.post("/api/answers", gone, 400)["detail"]
    page.get("/api/run/cell?actual=a&predicted=b", 400)
    page.get("/exports/gone.csv", 404)
    page.get("/heat/0", 400)
    assert "Label two photos" in page.post("/api/try", b"no photo", 400)["detail"]


def test_the_doctor_is_asked_and_answered(unlabelled: Project, page: Page) -> None:
    label_all(unlabelled, num=5)
    assert page.get("/api/health")["state"] == "none"
    assert page.do("doctor")["state"] == "done"
    assert page.get("/api/health")["state"] == "fresh"
    photo = ids_of(unlabelled, "circle")[0]
    told = page.post("/api/answers", {"ids": [photo], "action": "relabel", "value": "square"})
    assert told["revision"] == unlabelled.revision
    assert unlabelled.row(photo).label == "square"
    assert page.get("/api/health")["state"] == "stale"
    page.post("/api/answers", {"ids": [photo], "action": None})
    assert unlabelled.row(photo).answer is None


def test_the_run_is_told_and_explained(trained: Page) -> None:
    run = trained.get("/api/run")
    assert (run["state"], run["name"]) == ("fresh", "quick-1")
    trained.studio.learning.understanding.run()
    assert trained.get("/api/project")["run"] == {"name": "quick-1", "accuracy": run["accuracy"]}
    photos = trained.get("/api/run/cell?actual=circle&predicted=circle")["photos"]
    found = trained.get(f"/api/explain/{photos[0]['id']}")
    assert found["predicted"] == "circle"
    reply = trained.client.get(found["heat_map"])
    assert reply.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(reply.content)).size == (96, 96)


def test_pages_that_were_written_are_kept_apart(trained: Page) -> None:
    reply = trained.client.get("/run/report.html")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/html")
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("sandbox")
    assert "allow-same-origin" not in policy


def test_any_photo_is_tried(trained: Page, photo: bytes) -> None:
    found = trained.post("/api/try?heat=1&neighbours=1", photo)
    assert found["answer"] == "square"
    assert found["classifier"] == "run"
    assert found["heat_map"].startswith("data:image/png;base64,")
    assert len(found["neighbours"]) == 5
    plain = trained.post("/api/try", photo)
    assert (plain["heat_map"], plain["neighbours"]) == (None, None)
    assert plain["probabilities"] == found["probabilities"]
    assert trained.studio.learning.live.wait()
    assert trained.post("/api/try?classifier=live", photo)["classifier"] == "live"
    assert "title" in trained.post("/api/try", b"no photo", 422)


def test_what_leaves_the_studio(trained: Page, photos: Path) -> None:
    found = trained.get("/api/hand-over")
    assert found["can_export"]
    assert found["run"]["name"] == "quick-1"
    assert found["commands"][0]["command"].startswith("cd ")
    job = trained.do("predict", folder=str(photos / "square"))
    assert job["state"] == "done", job
    assert job["result"]["num_photos"] == 20
    reply = trained.client.get(job["result"]["url"])
    assert reply.headers["content-disposition"] == 'attachment; filename="predictions-2.csv"'
    assert reply.text.count("square") >= 20
    assert "folder" in trained.post("/api/jobs", {"kind": "predict"}, 400)["detail"]


def test_pages_are_told_what_is_done(unlabelled: Project, page: Page) -> None:
    label_all(unlabelled, num=4)
    page.do("doctor")
    page.do("train", effort="quick")
    kinds = page.told.types
    assert {"project", "job", "health", "run"} <= set(kinds)
    assert kinds.index("health") < kinds.index("run")


@pytest.mark.slow
def test_a_killed_studio_trains_on_at_its_next_start(
    photos: Path, tmp_path: Path, warm_cache: Path
) -> None:
    place = tmp_path / "project"
    with entered_studio(photos, warm_cache, "--project", place) as studio:
        order = {"kind": "train", "options": {"effort": "quick"}}
        job_id = studio.json("/api/jobs", order)["id"]
        while not (studio.json("/api/jobs")["current"] or {}).get("step"):
            time.sleep(0.02)
        photo = studio.json("/api/shelf?name=circle")["ids"][0]
        studio.json("/api/label", {"ids": [photo], "label": "square"})
        studio.kill()
    with entered_studio(photos, warm_cache, "--project", place) as studio:
        past: list[dict[str, Any]] = []
        deadline = time.monotonic() + 120
        while not past and time.monotonic() < deadline:
            past = studio.json("/api/jobs")["past"]
            time.sleep(0.1)
        assert [(job["id"], job["state"]) for job in past] == [(job_id, "done")]
        assert studio.json(f"/api/photo/{photo}")["label"] == "square"
        run = studio.json("/api/run")
        assert (run["state"], run["name"]) == ("fresh", "quick-1")
