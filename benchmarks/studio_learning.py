"""How quickly the studio learns along with labels, and answers photos.

    python -m benchmarks.studio_learning [--photos 5000] [--labelled 1000 5000] [--folder DIR]

The photos are those of `benchmarks.studio`. Seconds are from a change of one label to the
classifier that has learned from it, the median of seven; then to the new order of what to label
next, where some photos have no label. Answers are those to one photo after another, as a webcam
sends them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.studio import draw, resident_mb
from photograft.core.store import FeatureStore
from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.live import Live
from photograft.workflows.studio.project import Project
from photograft.workflows.studio.trying import Trying
from photograft.workflows.studio.understanding import Understanding

_REPEATS, _ANSWERS = 7, 30


class Watch:
    """Tells when the classifier has learned from the labels as they are."""

    def __init__(self, project: Project, store: FeatureStore) -> None:
        self._project, self._told = project, threading.Condition()
        self.live = Live(project, self._hear, store)
        project.on_change(self.live.changed)

    def _hear(self, event: dict[str, Any]) -> None:
        with self._told:
            self._told.notify_all()

    def seconds(self, ids: Sequence[str], label: str | None) -> tuple[float, float]:
        """Return the seconds from a label to the classifier, and to all that follows from it."""
        began = time.perf_counter()
        self._project.label(ids, label)
        with self._told:
            while self.live.fit is None or self.live.fit.revision != self._project.revision:
                self._told.wait(1)
        learned = time.perf_counter() - began
        self.live.wait()
        return learned, time.perf_counter() - began


def measured(folder: Path, root: Path, labelled: Sequence[int]) -> None:
    """Label photos and try some; print a line of JSON for each number of labels."""
    store = FeatureStore(root / "cache")
    with Project.open(folder, root / "project") as project:
        ids = [row.photo.id for row in project.view().rows]
        ids = [one for pair in zip(ids[::2], ids[1::2], strict=True) for one in pair]
        truth = {one: project.row(one).label for one in ids}
        watch = Watch(project, store)
        watch.live.start()
        began = time.perf_counter()
        watch.live.changed()
        watch.live.wait(36_000)
        looked = time.perf_counter() - began
        for number in labelled:
            project.label(ids, None)
            for name in {label for label in truth.values() if label}:
                own = [one for one in ids if truth[one] == name]
                project.label(own[: number // 2], name)
            watch.live.wait()
            some = [one for one in ids if project.row(one).label][:_REPEATS]
            other = sorted({str(label) for label in truth.values()})[0]
            times = [watch.seconds([one], other) for one in some]
            began = time.perf_counter()
            watch.live.whole()
            whole = time.perf_counter() - began
            found = {
                "photos": len(ids),
                "labelled": number,
                "looked_s": looked,
                "label_to_classifier_s": statistics.median(first for first, _ in times),
                "label_to_order_s": statistics.median(both for _, both in times),
                "whole_classifier_s": whole,
                **answered(project, watch.live, project.read(ids[0])),
                "memory_mb": resident_mb(os.getpid()),
            }
            print(json.dumps({key: round(value, 3) for key, value in found.items()}), flush=True)
        watch.live.close()


def answered(project: Project, live: Live, photo: bytes) -> dict[str, float]:
    """Return the milliseconds of an answer, without and with a heat map and neighbours."""
    jobs = Jobs(project)
    trying = Trying(project, live, jobs, Understanding(project, jobs))
    found = {}
    for name, more in (("answer_ms", False), ("answer_with_all_ms", True)):
        trying.answer(photo, heat=more, neighbours=more)
        began = time.perf_counter()
        for _ in range(_ANSWERS):
            trying.answer(photo, heat=more, neighbours=more)
        found[name] = 1000 * (time.perf_counter() - began) / _ANSWERS
    trying.close()
    return found


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=5000)
    parser.add_argument("--labelled", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        folder = asked.folder or root / "photos"
        draw(folder, asked.photos)
        measured(folder, root, [min(one, asked.photos) for one in asked.labelled])


if __name__ == "__main__":
    main()
