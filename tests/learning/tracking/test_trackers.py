"""Experiment trackers, for real: what they were told is read back with their own tools."""

from __future__ import annotations

import csv
import io
import os
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import photograft
import system_helpers as system
from photograft.backbones.settings import Preprocessing
from photograft.core.choices import TRACKERS
from photograft.core.errors import InputError, StorageError
from photograft.interfaces.cli.views.tables import show_run
from photograft.learning.history import Epoch
from photograft.learning.settings import TrainConfig, Training
from photograft.learning.strategies.registry import find_strategy
from photograft.learning.tracking import trackers
from photograft.learning.tracking.protocol import Outcome, Scalar, Start, Tracking, flat, tracked
from photograft.learning.tracking.trackers import open_tracker
from photograft.runs.run import Run
from photograft.workflows import train as workflow
from recording import InterruptedByTestError, Interrupting, Recorder
from training_helpers import make_job, tiny_config

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


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
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


@pytest.mark.parametrize("track", TRACKERS)
def test_a_training(track: str, photos: Path, tmp_path: Path) -> None:
    config = tiny_config("scratch", track=track, seed=7)
    recorder = Recorder()
    run = photograft.train(photos, config, out=tmp_path / "runs" / "first", progress=recorder)
    (seen,) = READERS[track](tmp_path)
    assert (seen.name, seen.status) == ("first", "finished")
    assert seen.series.keys() == {f"scratch/{name}" for name in FIGURES}
    for name, points in history_of(run).items():
        found = seen.series[f"scratch/{name}"]
        assert [step for step, _ in found] == [1, 2, 3]
        assert [v for _, v in found] == pytest.approx([v for _, v in points], rel=1e-4)
    expected = {f"{p}/{s}": run.scores[p][s] for p in ("validation", "test") for s in SCORES}
    assert seen.scores == pytest.approx(expected, rel=1e-6)
    settings = {
        "seed": "7",
        "strategy": "scratch",
        "training.epochs": "3",
        "data.name": "photos",
        "data.fingerprint": run.info["data"]["fingerprint"],
        "data.num_photos": "60",
        "data.train": ", ".join(
            f"{name} {n}"
            for name, n in zip(
                run.info["data"]["class_names"],
                run.info["data"]["class_counts"]["train"],
                strict=True,
            )
        ),
        "versions.torch": run.info["versions"]["torch"],
    }
    assert {name: seen.settings.get(name) for name in settings} == settings
    assert seen.texts["strategy"] == "scratch"
    if track != "tensorboard":
        pictures = {f"pictures/{path.name}" for path in (run.path / "pictures").iterdir()}
        assert pictures
        assert seen.files - {"report.html"} == {"run.json", "metrics.json"} | pictures
        assert ("report.html" in seen.files) == (run.path / "report.html").exists()
    # Where to look is said, and nothing was wrong.
    assert len(recorder.said) == 1
    command = {
        "tensorboard": f"tensorboard --logdir {tmp_path / 'runs'}",
        "mlflow": "mlflow ui --backend-store-uri file://",
        "wandb": f"wandb sync {tmp_path / 'runs' / 'wandb'}",
    }
    assert command[track] in recorder.said[0]
    assert run.info["tracked"] == recorder.said[0]
    assert run.info["warnings"] == Run.load(run.path).info["warnings"]


@pytest.mark.parametrize("track", TRACKERS)
def test_interrupted_and_gone_on(track: str, photos: Path, tmp_path: Path) -> None:
    """The first attempt was killed; the next one has all epochs, each once and in order."""
    config, out = tiny_config("scratch", track=track), tmp_path / "runs" / "again"
    with pytest.raises(KeyboardInterrupt):
        photograft.train(
            photos, config, out=out, progress=Interrupting("Epoch 3", KeyboardInterrupt)
        )
    (first,) = READERS[track](tmp_path)
    assert first.status == "killed"
    assert first.scores == {}
    assert set(map(tuple, first.steps().values())) == {(1, 2)}
    recorder = Recorder()
    photograft.train(photos, config, out=out, progress=recorder)
    assert "Going on after epoch 2, where it was interrupted" in recorder.said
    seen = READERS[track](tmp_path)
    # TensorBoard has one run by the name; the others keep the attempt that was killed.
    assert [run.status for run in seen[:-1]] == ([] if track == "tensorboard" else ["killed"])
    assert seen[-1].status == "finished"
    assert set(map(tuple, seen[-1].steps().values())) == {(1, 2, 3)}
    assert seen[-1].series["scratch/loss"][:2] == first.series["scratch/loss"]
    assert seen[-1].scores


def test_tracking_has_no_say_in_what_is_gone_on_from(photos: Path, tmp_path: Path) -> None:
    config = tiny_config("scratch")
    with pytest.raises(InterruptedByTestError):
        photograft.train(photos, config, out=tmp_path / "run", progress=Interrupting("Epoch 3"))
    tracked_config = replace(config, track="mlflow")
    photograft.train(
        photos, tracked_config, out=tmp_path / "run", progress=(recorder := Recorder())
    )
    assert "Going on after epoch 2, where it was interrupted" in recorder.said
    (seen,) = seen_by_mlflow(tmp_path)
    assert set(map(tuple, seen.steps().values())) == {(1, 2, 3)}


@pytest.mark.parametrize("track", TRACKERS)
def test_a_failure(track: str, photos: Path, tmp_path: Path) -> None:
    config = tiny_config("scratch", track=track, loop={"learning_rate": 100.0, "clip_norm": 0.0})
    config = replace(config, training=replace(config.loop, optimizer="sgd", epochs=50))
    with pytest.raises(InputError, match="run away"):
        photograft.train(photos, config, out=tmp_path / "runs" / "away")
    (seen,) = READERS[track](tmp_path)
    assert (seen.name, seen.status, seen.scores) == ("away", "failed", {})


def test_a_strategy_without_a_loop(photos: Path, tmp_path: Path, warm_cache: Path) -> None:
    config = TrainConfig(track="mlflow", engine="torch", backbone="convnet:c8 p", weights="random")
    config = replace(config, preprocessing=Preprocessing(input_size=32))
    run = photograft.train(photos, config, out=tmp_path / "run")
    (seen,) = seen_by_mlflow(tmp_path)
    assert seen.series == {}
    assert seen.scores["test/accuracy"] == run.scores["test"]["accuracy"]
    assert not [name for name in seen.settings if name.startswith("training")]
    assert (seen.status, seen.texts["strategy"]) == ("finished", "features")


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


def use(monkeypatch: pytest.MonkeyPatch, tracker: RecordingTracker) -> None:
    monkeypatch.setattr(workflow, "open_tracker", lambda name, out: tracker if name else None)


def test_stages_are_told_apart(photos: Path, cache: Path) -> None:
    config = tiny_config("finetune", head="mlp", hidden=(8,), weights="random", keep="always")
    tracker = RecordingTracker()
    job = make_job(photos, config, cache)
    with tracked(tracker, Start(Path("run"), "photos", {}), job.progress) as tracking:
        find_strategy("finetune")(replace(job, tracking=tracking))
    assert tracker.of("epoch") == [
        *(("head", number) for number in (1, 2, 3)),
        *(("tune", number) for number in (1, 2, 3)),
    ]
    assert tracker.of("end") == ["finished"]


@pytest.mark.parametrize(
    ("failing", "times", "epochs", "ends"),
    [
        (("start",), 1, [], []),
        (("epoch",), 1, [1, 2, 3], ["finished"]),  # the first one at the end, after all
        (("epoch",), 1_000, [], ["finished"]),
        (("outcome",), 1, [1, 2, 3], ["finished"]),
        (("end",), 1, [1, 2, 3], []),
        (("start", "epoch", "outcome", "end"), 1_000, [], []),
    ],
)
def test_a_tracker_that_fails_harms_no_training(
    failing: tuple[str, ...],
    times: int,
    epochs: list[int],
    ends: list[str],
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracker, recorder = RecordingTracker(*failing, times=times), Recorder()
    use(monkeypatch, tracker)
    config = tiny_config("scratch", track="mlflow")
    run = photograft.train(photos, config, out=tmp_path / "run", progress=recorder)
    assert run.scores["test"]["accuracy"] > 0
    assert tracker.of("epoch") == [("scratch", number) for number in epochs]
    assert tracker.of("end") == ends
    message = "Recorder fails (OSError: server gone): the training goes on without it"
    assert recorder.said.count(message) == 1
    assert run.info["warnings"][-1:] == [message]
    assert sum(message in warning for warning in run.info["warnings"]) == 1


def test_ctrl_c_in_a_tracker_is_not_swallowed() -> None:
    tracker = RecordingTracker("epoch", error=KeyboardInterrupt)

    def follow() -> None:
        with tracked(tracker, Start(Path("run"), "x", {}), Recorder()) as tracking:
            assert tracking is not None
            tracking.follow("scratch").epoch(an_epoch(1))

    with pytest.raises(KeyboardInterrupt):
        follow()
    assert tracker.of("end") == ["killed"]


@pytest.mark.parametrize(
    "track",
    [pytest.param(name, marks=pytest.mark.slow if name == "mlflow" else ()) for name in TRACKERS],
)
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
def test_nothing_is_left_in_the_working_folder(
    track: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user has said nothing of where to, or that it may go online; and is told how to look."""
    for name in ("MLFLOW_TRACKING_URI", "WANDB_MODE"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)  # to be logged in is no leave to go online
    here, theirs = tmp_path / "here", tmp_path / "my photos"
    here.mkdir()
    monkeypatch.chdir(here)
    for out in (theirs / "runs" / "first", Path("..", "my photos", "runs", "second")):
        run = photograft.train(photos, tiny_config("features", track=track), out=out)
        show_run(Console(file=(printed := io.StringIO()), width=1000), run)
        (line,) = [ln for ln in printed.getvalue().splitlines() if ln.startswith("Tracked: ")]
        command = {
            "tensorboard": f"tensorboard --logdir '{out.parent}'",
            "mlflow": f"mlflow ui --backend-store-uri 'sqlite:///{out.parent.absolute()}/mlflow/",
            "wandb": f"wandb sync '{out.parent}/wandb/offline-run-",
        }[track]
        assert command in line
        assert "fails" not in printed.getvalue()
    assert os.listdir(here) == []
    assert sorted(os.listdir(theirs / "runs")) == sorted(["first", "second", track])
    if track == "mlflow":
        uri = f"sqlite:///{theirs / 'runs' / 'mlflow' / 'mlflow.db'}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert [seen.name for seen in READERS[track](theirs)] == ["first", "second"]


def test_nothing_is_tracked_unasked(photos: Path, tmp_path: Path) -> None:
    photograft.train(photos, tiny_config("scratch"), out=tmp_path / "runs" / "a")
    assert sorted(os.listdir(tmp_path)) == ["home", "runs"]
    assert os.listdir(tmp_path / "runs") == ["a"]


def an_epoch(number: int, **changes: Any) -> Epoch:
    figures = dict.fromkeys(FIGURES, 0.5)
    return Epoch(epoch=number, **{**figures, **changes})


def test_epochs_without_validation(tmp_path: Path) -> None:
    tracker = open_tracker("mlflow")
    assert tracker is not None
    tracker.start(Start(tmp_path / "run", "photos", {}))
    tracker.epoch("scratch", an_epoch(1, val_loss=None, val_accuracy=None))
    (seen,) = seen_by_mlflow(tmp_path)
    assert not [name for name in seen.series if "val_" in name]
    assert len(seen.series) == 4


@pytest.mark.parametrize(
    ("track", "modules"),
    [
        ("tensorboard", ["torch.utils.tensorboard", "tensorboard"]),
        ("mlflow", ["mlflow"]),
        ("wandb", ["wandb"]),
    ],
)
def test_not_installed(
    track: str,
    modules: list[str],
    photos: Path,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An error before any work, in one line that says what to install."""
    for name in [n for n in sys.modules if n.partition(".")[0] in ("tensorboard", "mlflow")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, modules[-1], None)
    arguments = ("train", photos, "--track", track, "--out", tmp_path / "run")
    result = system.invoke(capsys, *arguments)
    system.assert_one_line(result, f"{track} is not installed", f"'photograft[{track}]'")
    assert not (tmp_path / "run").exists()
    assert not any(cache.iterdir())


def test_an_unknown_tracker(capsys: pytest.CaptureFixture[str], photos: Path) -> None:
    result = system.invoke(capsys, "train", photos, "--track", "paper")
    system.assert_one_line(result, "track can't be 'paper'", "'mlflow'")


def test_recipes_can_be_tracked(monkeypatch: pytest.MonkeyPatch, photos: Path) -> None:
    given: list[TrainConfig] = []

    def train(source: object, config: TrainConfig, **more: object) -> Run:
        del source, more
        given.append(config)
        raise InputError("enough seen")

    monkeypatch.setattr("photograft.workflows.recipe.train_with", train)
    from photograft.interfaces.cli.main import run

    assert run(["recipe", "run", "D4", str(photos), "--track", "mlflow"]) == 2
    assert run(["recipe", "run", "D4", str(photos)]) == 2
    assert [config.track for config in given] == ["mlflow", ""]


@pytest.mark.parametrize("track", TRACKERS)
def test_a_run_where_the_tracker_writes(track: str, photos: Path, tmp_path: Path) -> None:
    config = tiny_config("scratch", track=track)
    with pytest.raises(StorageError, match=f"is where {track} writes"):
        photograft.train(photos, config, out=tmp_path / "runs" / track)


@pytest.mark.parametrize("track", ["mlflow", "wandb"])
def test_nothing_phones_home_unless_the_user_lets_it(
    track: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {n: v for n, v in DEFAULTS.items() if n.startswith(track.upper())}
    own.pop("MLFLOW_ALLOW_FILE_STORE", None)  # set where there is a folder to open
    open_tracker(track)
    assert {name: os.environ.get(name) for name in own} == own
    for name in own:
        monkeypatch.setenv(name, "0")
    open_tracker(track)
    assert {os.environ[name] for name in own} == {"0"}


@pytest.mark.parametrize("mode", [None, "online"])
def test_without_a_login_wandb_stays_offline(
    mode: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would ask for a key, and wait."""
    monkeypatch.delenv("WANDB_MODE")
    if mode:
        monkeypatch.setenv("WANDB_MODE", mode)
    tracker, said = open_tracker("wandb"), list[str]()
    assert tracker is not None
    tracking = Tracking(tracker, said.append)
    tracking.start(Start(tmp_path / "run", "photos", {"seed": 1}))
    tracking.end("finished")
    assert tracking.warnings == []
    assert "wandb sync" in said[0]
    assert ("you are not logged in" in said[0]) == (mode == "online")
    assert [seen.status for seen in seen_by_wandb(tmp_path)] == ["finished"]


class WandBSettings:
    api_key = identity_token_file = None
    base_url = "https://wandb.example.org"


@pytest.mark.parametrize(
    ("environment", "netrc", "known"),
    [
        ({}, "", False),
        ({}, "machine wandb.example.org login user password key", True),
        ({}, "machine other.example.org login user password key", False),
        ({}, "machine wandb.example.org what is that", False),
        ({"WANDB_API_KEY": "key"}, "", True),
        ({"WANDB_IDENTITY_TOKEN_FILE": "file"}, "", True),
    ],
)
def test_who_is_logged_in(
    environment: dict[str, str], netrc: str, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if netrc:
        Path(os.environ["NETRC"]).write_text(netrc + "\n")
    assert trackers._is_logged_in(WandBSettings()) == known


def test_wandb_switched_off(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    config = tiny_config("scratch", track="wandb")
    run = photograft.train(photos, config, out=tmp_path / "run", progress=(recorder := Recorder()))
    assert recorder.said == ["W&B: disabled"]
    assert not any("W&B" in warning for warning in run.info["warnings"])
    assert not (tmp_path / "wandb").exists()


def opened_by_mlflow(tmp_path: Path) -> tuple[str, str]:
    """Name of the experiment that a run is put in, and the store's address."""
    tracker = trackers.MLflow()
    said = tracker.start(Start(tmp_path / "run", "photos", {}))
    experiment = tracker._client.get_run(tracker._run).info.experiment_id
    return tracker._client.get_experiment(experiment).name, said


def test_experiments_of_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened_by_mlflow(tmp_path)[0] == "photos"
    assert opened_by_mlflow(tmp_path)[0] == "photos"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    assert opened_by_mlflow(tmp_path)[0] == "mine"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    assert opened_by_mlflow(tmp_path)[0] == "Default"


def test_mlflow_without_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said of where to log to, and mlflow-skinny alone can only write files."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setattr(trackers, "_has_database", lambda: False)
    uri = (tmp_path / "mlflow").as_uri()
    command = f"MLflow: MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {uri}"
    assert opened_by_mlflow(tmp_path) == ("photos", command)
    assert any((tmp_path / "mlflow").glob("*/*/meta.yaml"))


def test_many_settings_and_long_ones(tmp_path: Path) -> None:
    """MLflow takes a hundred at a time, of six thousand characters each."""
    tracker = trackers.MLflow()
    settings: dict[str, Scalar] = {f"setting.{i}": "x" * 7_000 if i == 5 else i for i in range(250)}
    tracker.start(Start(tmp_path / "run", "photos", settings))
    (seen,) = seen_by_mlflow(tmp_path)
    assert len(seen.settings) == 250
    assert len(seen.settings["setting.5"]) == 6_000


def test_names_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    tracker = trackers.MLflow()
    tracker.start(Start(tmp_path / name, name, flat({"data": {"source": f"/{name}"}})))
    (seen,) = seen_by_mlflow(tmp_path)
    assert (seen.name, seen.settings) == ("caf\\xe9", {"data.source": "/caf\\xe9"})


def test_every_stage_s_settings_are_flat() -> None:
    config = TrainConfig(hidden=(64, 32), training=Training(epochs=5))
    found = flat(config.to_json())
    assert found["hidden"] == "64, 32"
    assert found["training.epochs"] == 5
    assert "augmentation" not in found
    assert {type(value) for value in found.values()} <= {str, int, float, bool}
