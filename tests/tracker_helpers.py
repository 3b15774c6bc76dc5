"""Trackings, read back with the trackers' own tools."""

from __future__ import annotations

import csv
import os
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from photograft.learning.history import Epoch
from photograft.learning.tracking.protocol import Outcome, Start
from photograft.runs.run import Run

#: What the trackers' own telemetry and patience are set by, where the user does not.
DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "WANDB_ERROR_REPORTING": "false",
}
SCORES = ("accuracy", "macro_f1", "log_loss", "expected_calibration_error")
FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")


def new_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A user with an empty home who has set nothing, in an empty working folder."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / "netrc"))
    for name in (*DEFAULTS, *(n for n in os.environ if n.startswith(("MLFLOW_", "WANDB_")))):
        monkeypatch.setenv(name, "")  # so that it is as before after the test, whoever sets it
        monkeypatch.delenv(name)
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(home / name))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("WANDB_MODE", "offline")
    yield
    if sys.modules.get("wandb"):  # which reads its settings once
        sys.modules["wandb"].teardown()


@dataclass
class Seen:
    """What a tracker knows of a run: a series by name, each of (epoch, figure)."""

    name: str
    status: str
    settings: dict[str, str] = field(default_factory=dict)
    series: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)

    def steps(self) -> dict[str, list[int]]:
        return {name: [step for step, _ in points] for name, points in self.series.items()}


def seen_by_tensorboard(folder: Path) -> list[Seen]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = []
    for path in sorted((folder / "runs" / "tensorboard").iterdir()):
        events = EventAccumulator(str(path), size_guidance={"tensors": 0})
        events.Reload()
        texts = {}
        for tag in events.Tags()["tensors"]:
            value = events.Tensors(tag)[-1].tensor_proto.string_val[0]  # the latest is shown
            texts[tag.removesuffix("/text_summary")] = value.decode()
        rows = [line.strip("| ").split(" | ") for line in texts["settings"].splitlines()[2:]]
        seen = Seen(path.name, texts.get("status", "running"), texts=texts)
        seen.settings = {row[0].strip(" |"): row[1] if len(row) > 1 else "" for row in rows}
        for tag in events.Tags()["scalars"]:
            points = [(event.step, event.value) for event in events.Scalars(tag)]
            if tag.partition("/")[0] in ("validation", "test"):
                seen.scores[tag] = points[0][1]
            else:
                seen.series[tag] = points
        hparams = set(events.PluginTagToContent("hparams")) if seen.scores else set()
        assert len(hparams) == (3 if seen.scores else 0)
        found.append(seen)
    return found


def seen_by_mlflow(folder: Path) -> list[Seen]:
    from mlflow import MlflowClient

    client: Any = MlflowClient(tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
    experiments = [e.experiment_id for e in client.search_experiments()]
    found = []
    for run in client.search_runs(experiments, order_by=["attributes.start_time ASC"]):
        seen = Seen(run.info.run_name, run.info.status.lower(), texts=dict(run.data.tags))
        seen.settings = dict(run.data.params)
        for name, value in run.data.metrics.items():
            history = [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]
            if name.partition("/")[0] in ("validation", "test"):
                assert history == [(0, value)]
                seen.scores[name] = value
            else:
                seen.series[name] = history
        pending = [""]
        while pending:
            for entry in client.list_artifacts(run.info.run_id, pending.pop() or None):
                if entry.is_dir:
                    pending.append(entry.path)
                else:
                    seen.files.add(entry.path)
        found.append(seen)
    return found


def records(path: Path) -> Iterator[Any]:
    """The records of a ``.wandb`` file: LevelDB's log format behind a header of seven bytes."""
    from wandb.proto import wandb_internal_pb2

    messages: Any = wandb_internal_pb2
    data, place, parts = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        length, kind = struct.unpack_from("<HB", data, place + 4)
        if 32768 - place % 32768 < 7 or kind == 0:  # the rest of a block
            place += 32768 - place % 32768
            continue
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = messages.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def seen_by_wandb(folder: Path) -> list[Seen]:
    import json

    import wandb

    wandb.teardown()  # its service may still be writing
    found = []
    for path in sorted(
        folder.glob("**/wandb/offline-run-*/*.wandb"), key=lambda p: p.stat().st_mtime
    ):
        seen = Seen("", "running")
        for record in records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                assert record.run.project == "photograft"
                seen.name = record.run.display_name or seen.name
                seen.texts["notes"] = record.run.notes
                for item in record.run.config.update:
                    seen.settings[item.key] = str(json.loads(item.value_json))
            elif kind == "history":
                row = {
                    "/".join(i.nested_key): json.loads(i.value_json) for i in record.history.item
                }
                for name, value in row.items():
                    stage, _, figure = name.partition("/")
                    if figure in FIGURES and f"{stage}/epoch" in row:
                        point = (row[f"{stage}/epoch"], value)
                        seen.series.setdefault(name, []).append(point)
            elif kind == "summary":
                for item in record.summary.update:
                    if item.key.partition("/")[0] in ("validation", "test"):
                        seen.scores[item.key] = json.loads(item.value_json)
                    elif item.key == "strategy":
                        seen.texts["strategy"] = json.loads(item.value_json)
            elif kind == "artifact":
                seen.files |= {entry.path for entry in record.artifact.manifest.contents}
            elif kind == "exit":
                codes = {0: "finished", 1: "failed", 255: "killed"}
                seen.status = codes[record.exit.exit_code]
        found.append(seen)
    return found


READERS: dict[str, Callable[[Path], list[Seen]]] = {
    "tensorboard": seen_by_tensorboard,
    "mlflow": seen_by_mlflow,
    "wandb": seen_by_wandb,
}


def history_of(run: Run) -> dict[str, list[tuple[int, float]]]:
    """The series that ``history.csv`` holds."""
    with (run.path / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [(int(row["epoch"]), float(row[name])) for row in rows] for name in FIGURES}


def an_epoch(number: int, **changes: Any) -> Epoch:
    figures = dict.fromkeys(FIGURES, 0.5)
    return Epoch(epoch=number, **{**figures, **changes})


class RecordingTracker:
    """A tracker that remembers, and fails at the calls that it is told to."""

    name = "Recorder"

    def __init__(self, *failing: str, times: int = 1_000, error: type[BaseException] = OSError):
        self.calls: list[tuple[str, object]] = []
        self._failing, self._times, self._error = failing, times, error

    def _call(self, what: str, value: object) -> None:
        if what in self._failing and self._times:
            self._times -= 1
            raise self._error("server gone\nand more of it")
        self.calls.append((what, value))

    def start(self, start: Start) -> str:
        self._call("start", start)
        return "look here"

    def epoch(self, stage: str, epoch: Epoch) -> None:
        self._call("epoch", (stage, epoch.epoch))

    def outcome(self, outcome: Outcome) -> None:
        self._call("outcome", outcome.strategy)

    def end(self, status: str) -> None:
        self._call("end", status)

    def of(self, what: str) -> list[object]:
        return [value for name, value in self.calls if name == what]
