"""Long work of a studio: one job at a time, each in a process of its own, that goes on later.

What is under way and what waits is noted in ``jobs.json``: the next start takes it up again. What
was done of a job before is found in the feature store and the folders that it writes.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from photograft.core.errors import InputError, StorageError, UnknownNameError
from photograft.workflows.studio.job import Job, read_jobs, write_jobs
from photograft.workflows.studio.orders import KINDS, RUNS, Order, labels_key, make_order
from photograft.workflows.studio.view import Snapshot

FILE_NAME = "jobs.json"
#: Jobs of the past that are kept, lines of a log, and seconds that a job has to end.
_MOST_PAST, _MOST_LINES, _PATIENCE = 50, 100, 8.0

Tell = Callable[[dict[str, Any]], None]


class Workplace(Protocol):
    """What is needed of a project."""

    @property
    def folder(self) -> Path:
        """Where all of it lies."""

    def snapshot(self) -> Snapshot:
        """Return the photos as they are now."""

    def write_labels(self) -> Path:
        """Write the manifest."""

    def write_corrections(self) -> Path | None:
        """Write the corrections, if there are any."""


class Jobs:
    """The jobs of a project.

    Args:
        project: Where they work.
        tell: Told of each change of a job, by any thread.
    """

    def __init__(self, project: Workplace, tell: Tell = lambda event: None) -> None:
        self._project, self._tell = project, tell
        self._path = project.folder / FILE_NAME
        self._waking = threading.Condition()
        under_way, self._past = read_jobs(self._path)
        self._queue: deque[Job] = deque(under_way)
        self._current: Job | None = None
        self._process: subprocess.Popen[str] | None = None
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin, or go on where the last studio of the project ended."""
        self._thread.start()

    def close(self) -> None:
        """End what is under way; the next start goes on with it."""
        with self._waking:
            self._is_closed = True
            self._waking.notify_all()
        self._end_process()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE + 2)

    def add(self, kind: str, options: Mapping[str, Any] | None = None) -> str:
        """Have something done after all that waits.

        Args:
            kind: One of `KINDS`.
            options: Of a training ``effort``; of an export ``to``; of predictions ``folder``.

        Returns:
            The job's id.

        Raises:
            InputError: There is no such job, an option is wrong, or there is no run yet.
            StorageError: It can't be noted.
        """
        if kind not in KINDS:
            raise UnknownNameError("job", kind, KINDS)
        with self._waking:
            order = make_order(
                kind, options or {}, self._project.folder, self._orders(), self.run()
            )
            job = Job(uuid.uuid4().hex[:8], kind, dict(options or {}), order)
            self._queue.append(job)
            try:
                self._write()
            except StorageError:
                self._queue.remove(job)
                raise
            self._waking.notify_all()
        self._say(job)
        return job.id

    def stop(self, job_id: str) -> None:
        """End a job, or take it from those that wait.

        Raises:
            InputError: There is no such job.
        """
        with self._waking:
            current = self._current
            if current is None or current.id != job_id:
                found = next((job for job in self._queue if job.id == job_id), None)
                if found is None:
                    raise InputError("that job is neither under way nor waiting")
                self._queue.remove(found)
                self._finish(found, "stopped")
                return
            current.state = "stopped"
        self._end_process()

    def status(self) -> dict[str, Any]:
        """Return all jobs as plain JSON types: those of the past, the latest first."""
        with self._waking:
            return {
                "current": self._current.to_json() if self._current else None,
                "queue": [job.to_json() for job in self._queue],
                "past": [job.to_json() for job in reversed(self._past)],
            }

    def done(self, *kinds: str) -> list[Job]:
        """Return the jobs of these kinds that were done, the latest first."""
        with self._waking:
            known = [job for job in reversed(self._past) if job.kind in kinds]
        return [job for job in known if job.state == "done"]

    def latest(self, *kinds: str) -> Job | None:
        """Return the job of these kinds that was done last; None where there is none."""
        return next(iter(self.done(*kinds)), None)

    def run(self) -> Path | None:
        """Return the folder of the run that was trained last and is there; None for none."""
        with self._waking:
            for job in reversed(self._past):
                if job.state == "done" and job.kind in ("train", "compare") and job.result:
                    path = self._project.folder / str(job.result["path"])
                    if (path / "run.json").is_file():
                        return path
        folder: Path = self._project.folder
        places = (f"{RUNS}/*/run.json", f"{RUNS}/*/*/run.json")  # a comparison has its winner's
        found = [file.parent for place in places for file in folder.glob(place)]
        return max(found, key=_changed, default=None)

    def wait(self, job_id: str, seconds: float = 600.0) -> Job:
        """Wait until a job has ended, and return it.

        Raises:
            TimeoutError: It has not.
        """
        deadline = time.monotonic() + seconds
        with self._waking:
            while time.monotonic() < deadline:
                for job in self._past:
                    if job.id == job_id:
                        return job
                self._waking.wait(0.2)
        raise TimeoutError(f"job {job_id} has not ended in {seconds:g} s")

    def _orders(self) -> list[Order]:
        """Return what was ordered, the latest first."""
        known = [*self._past, *([self._current] if self._current else []), *self._queue]
        return [Order(job.kind, job.options, job.order, job.state) for job in reversed(known)]

    def _work(self) -> None:
        while True:
            with self._waking:
                while not self._queue and not self._is_closed:
                    self._waking.wait()
                if self._is_closed:
                    return
                job = self._current = self._queue.popleft()
                job.state, job.began = "running", time.time()
            try:
                self._do(job)
            except Exception as error:
                job.error = str(error)
            with self._waking:
                if self._is_closed and job.state == "running" and job.result is None:
                    return  # noted as under way
                self._current = None
                if job.state == "running":
                    job.state = "done" if job.result is not None else "failed"
                self._finish(job, job.state)

    def _do(self, job: Job) -> None:
        job.labels = labels_key(self._project.snapshot())
        order = dict(job.order)
        if "source" in order:
            self._project.write_labels()
            corrections = self._project.write_corrections()
            if corrections is not None:
                order["settings"] = {**order["settings"], "corrections": corrections.name}
        job.order = order
        with self._waking:
            self._write()
            if self._is_closed or job.state != "running":
                return
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "photograft.workflows.studio.worker"],
                cwd=self._project.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # else Ctrl+C in the terminal ended it on its own
            )
        self._say(job)
        heard: deque[str] = deque(maxlen=20)
        if process.stdin is None or process.stdout is None or process.stderr is None:
            return
        listener = threading.Thread(target=heard.extend, args=(process.stderr,), daemon=True)
        listener.start()
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps({"kind": job.kind, "options": order}) + "\n")
            process.stdin.flush()
        for line in process.stdout:
            self._heard(job, line)
        code = process.wait()
        listener.join(1)
        with contextlib.suppress(OSError):
            process.stdin.close()
        process.stdout.close()
        process.stderr.close()
        self._process = None
        if job.result is None and not job.error and job.state == "running":
            last = next((line.strip() for line in reversed(heard) if line.strip()), "")
            job.error = f"The work ended before it was done (status {code}). {last}".strip()

    def _heard(self, job: Job, line: str) -> None:
        try:
            said: dict[str, Any] = json.loads(line)
        except ValueError:
            return
        if "at" in said:
            job.at = said["at"]
        elif "say" in said:
            job.log = [*job.log, str(said["say"])][-_MOST_LINES:]
        elif "done" in said:
            job.result = said["done"]
        elif "failed" in said:
            job.error = str(said["failed"])
        self._say(job)

    def _finish(self, job: Job, state: str) -> None:
        job.state, job.ended, job.at = state, time.time(), {}
        self._past = [*self._past, job][-_MOST_PAST:]
        with contextlib.suppress(StorageError):  # what is done is done; it is noted with the next
            self._write()
        self._waking.notify_all()
        self._say(job)

    def _end_process(self) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(OSError, ValueError):
            process.stdin.close()  # by which it ends itself
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()

    def _say(self, job: Job) -> None:
        self._tell({"type": "job", "job": job.to_json()})

    def _write(self) -> None:
        under_way = [*([self._current] if self._current else []), *self._queue]
        write_jobs(self._path, under_way, self._past)


def _changed(path: Path) -> float:
    return (path / "run.json").stat().st_mtime
