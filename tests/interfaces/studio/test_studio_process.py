"""The studio as a process: its start and end, a second one, and what kill -9 leaves behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

import system_helpers as system
from drawing import MakePhotos
from photograft.workflows.studio.project import Project
from studio_process import RunningStudio, entered_studio


@pytest.fixture
def photos(tmp_path: Path, make_photos: MakePhotos) -> Path:
    return make_photos(tmp_path / "photos", ("ants", "bees"), n=20, size=16)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_good_order_though_a_page_listens(
    photos: Path, cache: Path, number: int
) -> None:
    with entered_studio(photos, cache) as studio:
        listening = studio.connect()
        listening.request("GET", "/api/events", headers=dict(studio.headers))
        stream = listening.getresponse()
        studio.json("/api/classes", {"action": "create", "name": "wasps"})
        code, out = studio.stop(number)
        assert (code, "Stopped" in out) == (0, True)
        assert b'"type":"project"' in stream.read()
        listening.close()
    assert not (photos.with_name("photos.studio") / ".owner.json").exists()


def test_events_reach_all_pages(photos: Path, cache: Path) -> None:
    with entered_studio(photos, cache) as studio:
        pages = []
        for _ in range(2):
            connection = studio.connect()
            connection.request("GET", "/api/events", headers=dict(studio.headers))
            pages.append((connection, connection.getresponse()))
        changed = studio.json("/api/classes", {"action": "create", "name": "wasps"})
        for connection, reply in pages:
            assert reply.headers["Content-Type"].startswith("text/event-stream")
            line = b""
            while f'"revision":{changed["revision"]}'.encode() not in line:
                line = reply.readline()
                assert line
            assert json.loads(line.removeprefix(b"data: "))["type"] == "project"
            connection.close()
        deadline = time.monotonic() + 30
        while studio.json("/api/project")["scanning"] is not None:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_second_studio_says_who_has_the_project(
    photos: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with entered_studio(photos, cache) as studio:
        result = system.invoke(capsys, "studio", photos, "--no-browser", "--port", 0)
        told = (f"process {studio.process.pid}", f"http://127.0.0.1:{studio.port}")
        assert result.code == 2
        system.assert_one_line(result, "open in another studio", *told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nothing-here",), "there is no folder"),
        (("--port", "70000"), "65535"),
        (("--project", "/proc/none"), "--project"),
    ],
)
def test_what_can_not_be_opened(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    result = system.invoke(capsys, "studio", *arguments, "--no-browser")
    assert (result.code, told in result.err) == (2, True)


def test_a_port_that_is_taken(
    photos: Path, cache: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with entered_studio(photos, cache) as studio:
        other = ("--project", tmp_path / "other", "--port", studio.port)
        result = system.invoke(capsys, "studio", photos, "--no-browser", *other)
        assert result.code == 2
        system.assert_one_line(result, f"port {studio.port} of 127.0.0.1 is taken", "--port")


def label_until_killed(studio: RunningStudio, ids: list[str], name: str, told: list[str]) -> None:
    """Label photos, one request after the other; note those that were acknowledged."""
    with (
        contextlib.closing(studio.connect()) as connection,
        contextlib.suppress(OSError, http.client.HTTPException),
    ):
        for photo in ids:
            body = json.dumps({"ids": [photo], "label": f"{name} {photo}"})
            connection.request("POST", "/api/label", body, dict(studio.headers))
            reply = connection.getresponse()
            data = reply.read()
            if reply.status == 200 and json.loads(data)["revision"]:
                told.append(photo)


@pytest.mark.slow
def test_kill_9_loses_no_label(photos: Path, cache: Path) -> None:
    """Three times, at some moment, with two pages that label: all that was acknowledged is there.

    And the project opens again at once, on the same port, to pages that had it open.
    """
    rng = random.Random(0)
    expected: dict[str, set[str]] = {}
    port, cookie = 0, ""
    for time_around in range(3):
        with entered_studio(photos, cache, "--port", port) as studio:
            if cookie:
                studio.cookie = cookie
            port, cookie = studio.port, studio.cookie
            ids = studio.json("/api/shelf?kind=all")["ids"]
            labels = dict(zip(ids, studio.json("/api/shelf?kind=all")["labels"], strict=True))
            for photo, may_be in expected.items():
                assert labels[photo] in may_be
            told: list[list[str]] = [[], []]
            halves = (ids[::2], ids[1::2])
            threads = [
                threading.Thread(
                    target=label_until_killed, args=(studio, half, f"round {time_around}", found)
                )
                for half, found in zip(halves, told, strict=True)
            ]
            for thread in threads:
                thread.start()
            time.sleep(rng.uniform(0.02, 0.3))
            os.kill(studio.process.pid, signal.SIGKILL)
            for thread in threads:
                thread.join()
            for half, found in zip(halves, told, strict=True):
                for photo in found:
                    expected[photo] = {f"round {time_around} {photo}"}
                # The one under way may have been kept, though nobody was told.
                for photo in half[len(found) : len(found) + 1]:
                    now = expected.get(photo, {labels[photo]})
                    expected[photo] = now | {f"round {time_around} {photo}"}
    assert expected
    with Project.open(photos) as project:
        for photo, may_be in expected.items():
            assert project.row(photo).label in may_be


def test_a_studio_that_was_killed_leaves_no_lock(photos: Path, cache: Path) -> None:
    with entered_studio(photos, cache) as studio:
        studio.process.send_signal(signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            studio.process.wait(20)
    with Project.open(photos) as project:
        assert len(project.view().rows) == 40
