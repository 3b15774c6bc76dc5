"""How quickly the studio shows photos, and how much memory it takes.

    python -m benchmarks.studio [--photos 5000] [--folder DIR] [--learned]

Photos of 640 x 480 pixels are drawn in two class folders (kept in ``--folder``, if one is named).
The studio is started on them with an empty cache, as a person would for the first time, and again
with the thumbnails that it made. Seconds are from the start of the process: until the page's
frame, project and first shelf have come, and until 48 thumbnails have, one after the other.
Beside them is the processor time of all its threads, for a machine that is busy with other things.
Memory is that of the server and its children, at its highest until all thumbnails are made, all
shelves read and, with ``--learned``, the network has seen all photos and the classifier is fitted.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

#: Thumbnails that a first page shows.
FIRST = 48
_DISTINCT = 200


@dataclass
class Page:
    """A page that has a studio open.

    Attributes:
        process: The studio's.
        host: Where it listens.
        port: Likewise.
        began: When the process was started, by `time.perf_counter`.
    """

    process: subprocess.Popen[str]
    host: str
    port: int
    began: float
    _cookie: str = ""

    @property
    def seconds(self) -> float:
        """Since the start of the process."""
        return time.perf_counter() - self.began

    def get(self, place: str) -> tuple[int, bytes]:
        """Return the status and the body of an answer; raise RuntimeError where it is no good."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", place, headers={"Cookie": self._cookie})
            response = connection.getresponse()
            self._cookie = response.getheader("Set-Cookie", self._cookie).partition(";")[0]
            return response.status, response.read()

    def json(self, place: str) -> Any:
        """Return an answer's JSON."""
        status, body = self.get(place)
        if status != 200:
            raise RuntimeError(f"{place}: {status} {body[:200]!r}")
        return json.loads(body)


def draw(folder: Path, number: int) -> None:
    """Fill two class folders with photos, all of them different."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(_DISTINCT):
        small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
        large = np.asarray(small.resize((640, 480), Image.Resampling.BICUBIC), np.int16)
        noisy = (large + rng.integers(-12, 13, large.shape, np.int16)).clip(0, 255)
        file = io.BytesIO()
        Image.fromarray(noisy.astype(np.uint8)).save(file, "JPEG", quality=75)
        drawn.append(file.getvalue())
    for i in range(number):
        place = folder / ("ants", "bees")[i % 2] / f"{i:06}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            data = drawn[i % _DISTINCT]
            comment = f"photo {i}".encode()
            length = (len(comment) + 2).to_bytes(2, "big")
            place.write_bytes(data[:2] + b"\xff\xfe" + length + comment + data[2:])


@contextlib.contextmanager
def studio(folder: Path, project: Path, cache: Path) -> Iterator[Page]:
    """Open a folder in a studio of its own, and end it."""
    command = [sys.executable, "-m", "photograft", "studio", str(folder), "--project", str(project)]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--port", "0", "--no-browser"],
        env={**os.environ, "PHOTOGRAFT_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = None
        while found is None:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the studio did not start")
            found = re.search(r"http://([\d.]+):(\d+)(/\?token=\S+)", line)
        page = Page(process, found[1], int(found[2]), began)
        page.get(found[3])
        yield page
    finally:
        process.terminate()
        process.communicate(timeout=60)


def resident_mb(process: int) -> float:
    """Return the memory of a process and its children; Linux only."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    children = [number for task in tasks for number in task.read_text().split()]
    pages = 0
    for number in (process, *children):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{number}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def processor_seconds(process: int) -> float:
    """Return the processor time of a process so far, of all its threads; Linux only."""
    cells = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(cells[11]) + int(cells[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def watched(process: int, seen: list[float]) -> Iterator[None]:
    """Note the memory of a process ten times a second."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            seen.append(resident_mb(process))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def measured(folder: Path, project: Path, cache: Path, *, learned: bool) -> dict[str, float]:
    """Open a folder, look at it as a page does, and wait until all thumbnails are made.

    Args:
        folder: The photos.
        project: Where the project is, or is to be.
        cache: Likewise the user's cache.
        learned: Whether to wait until the network has seen all photos and the classifier is fitted.
    """
    seen: list[float] = []
    with studio(folder, project, cache) as page, watched(page.process.pid, seen):
        page.get("/photos")
        names = [one["name"] for one in page.json("/api/project")["classes"]]
        shelf = page.json(f"/api/shelf?name={names[0]}")
        found = {"usable_s": page.seconds, "usable_cpu_s": processor_seconds(page.process.pid)}
        for photo in shelf["ids"][:FIRST]:
            status, body = page.get(f"/thumb/{photo}?size=160")
            if status != 200 or body[:2] != b"\xff\xd8":
                raise RuntimeError(f"no thumbnail: {status}")
        found["first_thumbnails_s"] = page.seconds
        found["first_thumbnails_cpu_s"] = processor_seconds(page.process.pid)
        while page.json("/api/project")["scanning"] is not None:
            time.sleep(0.2)
        found["all_thumbnails_s"] = page.seconds
        if learned:
            while not has_learned(page.json("/api/live")):
                time.sleep(0.5)
            found["learned_s"] = page.seconds
        for place in ("?kind=all", "?kind=unlabelled", *(f"?name={name}" for name in names)):
            for _ in range(3):
                page.json(f"/api/shelf{place}")
        begin = time.perf_counter()
        page.json("/api/shelf?kind=all")
        found["shelf_of_all_s"] = time.perf_counter() - begin
        found["memory_now_mb"] = resident_mb(page.process.pid)
    found["memory_peak_mb"] = max(seen)
    return {name: round(value, 3) for name, value in found.items()}


def has_learned(live: dict[str, Any]) -> bool:
    """Return whether the classifier that learns along has seen all photos and is fitted."""
    looked = live["looked"]
    return bool(live["state"] == "ready" and 0 < looked["total"] == looked["done"])


def main() -> None:
    """Measure, and print a line of JSON for each start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=5000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--learned", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        folder = asked.folder or root / "photos"
        draw(folder, asked.photos)
        for start in ("first", "second"):
            found = measured(folder, root / "project", root / "cache", learned=asked.learned)
            print(json.dumps({"start": start, "photos": asked.photos, **found}), flush=True)


if __name__ == "__main__":
    main()
