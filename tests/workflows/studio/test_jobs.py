"""Long work: one job after another in processes of their own, that stop, fail and go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from photograft.core.errors import InputError, StorageError, UnknownNameError
from photograft.runs.run import Run
from photograft.workflows.studio.job import read_jobs
from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.project import Project
from studio_helpers import Heard, label_all, working


def test_a_training_by_a_process_of_its_own(unlabelled: Project) -> None:
    label_all(unlabelled)
    heard = Heard()
    with working(unlabelled, heard) as jobs:
        job = jobs.wait(jobs.add("train", {"effort": "quick"}))
        assert (job.state, job.error) == ("done", "")
        assert jobs.run() == unlabelled.folder / "runs" / "quick-1"
        status = jobs.status()
    run = Run.load(unlabelled.folder / "runs" / "quick-1")
    assert job.result == {"path": "runs/quick-1", "accuracy": run.scores[run.part]["accuracy"]}
    assert run.info["config"]["effort"] == "quick"
    told = [event["job"] for event in heard.events]
    assert {event["type"] for event in heard.events} == {"job"}
    assert [told[0]["state"], told[-1]["state"]] == ["queued", "done"]
    steps = [one for one in told if one["state"] == "running" and one["step"]]
    assert any("Writing the run" in one["step"] for one in steps)
    assert all(0 <= one["done"] <= one["total"] for one in steps if one["total"])
    assert (status["current"], status["queue"]) == (None, [])
    assert status["past"][0]["options"] == {"effort": "quick"}


def test_an_error_is_one_line_for_users(unlabelled: Project) -> None:
    label_all(unlabelled, ("circle",))
    with working(unlabelled) as jobs:
        job = jobs.wait(jobs.add("train"))
    assert job.state == "failed"
    assert "one class only" in job.error
    assert "\n" not in job.error
    assert "Traceback" not in job.error


def test_what_is_wrong_is_said_before_it_begins(unlabelled: Project) -> None:
    jobs = Jobs(unlabelled)
    with pytest.raises(UnknownNameError, match="'trian'"):
        jobs.add("trian")
    with pytest.raises(InputError, match="effort"):
        jobs.add("train", {"effort": "heroic"})
    with pytest.raises(InputError, match="Train first"):
        jobs.add("export", {"to": "onnx"})
    assert jobs.run() is None
    with pytest.raises(InputError, match="neither under way nor waiting"):
        jobs.stop("nothing")
    assert jobs.status() == {"current": None, "queue": [], "past": []}


def test_one_at_a_time_and_those_that_wait_can_be_taken_back(unlabelled: Project) -> None:
    label_all(unlabelled)
    with working(unlabelled) as jobs:
        first = jobs.add("doctor")
        second, third = jobs.add("train"), jobs.add("doctor")
        jobs.stop(second)
        assert jobs.wait(second).state == "stopped"
        assert jobs.wait(first).state == "done"
        assert jobs.wait(third).state == "done"
        ended = {job["id"]: job["ended"] for job in jobs.status()["past"]}
    assert ended[second] < ended[first] < ended[third]
    assert (unlabelled.folder / "checkup" / "findings.csv").is_file()


def test_a_stopped_job_goes_on_under_its_name(unlabelled: Project) -> None:
    label_all(unlabelled)
    heard = Heard()
    with working(unlabelled, heard) as jobs:
        job_id = jobs.add("train")
        heard.wait(lambda e: e["job"]["id"] == job_id and e["job"]["step"] != "")
        began = time.monotonic()
        jobs.stop(job_id)
        stopped = jobs.wait(job_id)
        assert time.monotonic() - began < 8
        assert (stopped.state, stopped.result) == ("stopped", None)
        again = jobs.wait(jobs.add("train"))
        assert again.state == "done"
        assert again.order["out"] == stopped.order["out"] == "runs/quick-1"
        assert jobs.wait(jobs.add("train")).order["out"] == "runs/quick-2"


def test_answers_count_as_corrections(unlabelled: Project) -> None:
    label_all(unlabelled)
    rows = [row for row in unlabelled.view().rows if row.label == "circle"]
    unlabelled.answer([rows[0].photo.id], "exclude")
    unlabelled.answer([rows[1].photo.id], "ok")
    with working(unlabelled) as jobs:
        job = jobs.wait(jobs.add("train"))
    assert job.order["settings"] == {"effort": "quick", "corrections": "corrections.csv"}
    run = Run.load(unlabelled.folder / "runs" / "quick-1")
    skipped = [row["name"] for row in run.files() if row["status"] == "skipped"]
    assert [unlabelled.id_of(name) for name in skipped] == [rows[0].photo.id]


def test_a_studio_that_ends_goes_on_at_its_next_start(unlabelled: Project) -> None:
    label_all(unlabelled)
    heard = Heard()
    with working(unlabelled, heard) as jobs:
        job_id = jobs.add("train")
        waiting = jobs.add("doctor")
        heard.wait(lambda e: e["job"]["id"] == job_id and e["job"]["step"] != "")
    noted = json.loads((unlabelled.folder / "jobs.json").read_text("utf-8"))
    assert [row["id"] for row in noted["jobs"]] == [job_id, waiting]
    with working(unlabelled) as jobs:
        assert jobs.wait(job_id).order["out"] == "runs/quick-1"
        assert jobs.wait(waiting).state == "done"


def test_a_run_that_was_written_but_not_noted_is_done(done: Project) -> None:
    path = done.folder / "jobs.json"
    noted = json.loads(path.read_text("utf-8"))
    train = next(row for row in noted["past"] if row["kind"] == "train")
    noted["past"].remove(train)
    noted["jobs"] = [{**train, "result": None, "state": "running"}]
    path.write_text(json.dumps(noted), "utf-8")
    with working(done) as jobs:
        assert jobs.wait(train["id"]).result == train["result"]


def test_a_torn_note_is_no_obstacle(unlabelled: Project) -> None:
    (unlabelled.folder / "jobs.json").write_text('{"format": 1, "jobs": [{"id"')
    assert Jobs(unlabelled).status() == {"current": None, "queue": [], "past": []}


def test_a_job_that_cant_be_noted_is_not_begun(unlabelled: Project) -> None:
    (unlabelled.folder / "jobs.json").mkdir()
    jobs = Jobs(unlabelled)
    with pytest.raises(StorageError, match=r"jobs\.json can't be written"):
        jobs.add("doctor")
    assert jobs.status()["queue"] == []


SERVER = """
import sys, time
from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.project import Project
with Project.open(None, sys.argv[1]) as project:
    jobs = Jobs(project, lambda event: print(event["job"]["step"], flush=True))
    jobs.start()
    if len(sys.argv) > 2:
        jobs.add("train")
        time.sleep(600)
    else:
        print("ended", jobs.wait(jobs.status()["current"]["id"]).state, flush=True)
        jobs.close()
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_killed_with_its_server_it_goes_on(unlabelled: Project, cache: Path) -> None:
    """No process is left behind, and the next server ends what the first began."""
    label_all(unlabelled)
    folder = unlabelled.folder
    unlabelled.close()
    environment = {**os.environ, "PHOTOGRAFT_CACHE": str(cache)}
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder), "train"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert server.stdout is not None
    while "Extracting" not in server.stdout.readline():
        assert server.poll() is None
    workers = _children(server.pid)
    assert workers
    server.send_signal(signal.SIGKILL)
    server.wait()
    server.stdout.close()
    deadline = time.monotonic() + 15
    while any(Path("/proc", str(pid)).exists() for pid in workers):
        assert time.monotonic() < deadline, "a worker outlives its server"
        time.sleep(0.05)
    again = subprocess.run(
        [sys.executable, "-c", SERVER, str(folder)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=200,
        check=True,
    )
    assert again.stdout.splitlines()[-1] == "ended done"
    assert Run.load(folder / "runs" / "quick-1").metrics is not None


def _children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return found


def test_jobs_that_leave_the_project_or_are_of_no_known_kind_are_left_out(
    unlabelled: Project, tmp_path: Path
) -> None:
    def row(name: str, kind: str = "train", **more: object) -> dict[str, object]:
        order = {"source": "/etc/passwd", "out": "runs/quick-1", "settings": {"backbone": "x"}}
        return {"id": name, "kind": kind, "options": {}, "order": {**order, **more}}

    away = str(tmp_path / "away")
    queued = [
        row("good"),
        row("up", out="../x"),
        row("away", out=away),
        row("run", "export", run="runs/../../x"),
        row("link", out="linked/quick-1"),
        row("kind", "shell"),
        row("option", options=1) | {"options": {"effort": "heroic"}},
    ]
    (unlabelled.folder / "linked").symlink_to(tmp_path, target_is_directory=True)
    past = [
        {**row("old"), "state": "done", "result": {"path": path}}
        for path in ("runs/quick-1", away, "linked/run")
    ]
    noted = {"format": 1, "jobs": queued, "past": past}
    (unlabelled.folder / "jobs.json").write_text(json.dumps(noted), "utf-8")
    under_way, ended = read_jobs(unlabelled.folder / "jobs.json")
    assert [job.id for job in under_way] == ["good"]
    told = {"source": "labels.csv", "out": "runs/quick-1", "settings": {"effort": "quick"}}
    assert under_way[0].order == told
    assert [job.result for job in ended] == [{"path": "runs/quick-1"}]
