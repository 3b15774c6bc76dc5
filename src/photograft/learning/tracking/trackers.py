"""The experiment trackers: TensorBoard, MLflow, and Weights & Biases.

Without a word from the user all of them write beside the run folder, to a folder of their own name
for all runs there, never to the working folder.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from photograft.core.errors import InputError, StorageError
from photograft.core.files import printable
from photograft.core.optional import is_installed, need_torch
from photograft.learning.history import Epoch
from photograft.learning.tracking.protocol import Outcome, Start, Tracker, figures_of


def open_tracker(name: str, out: Path | None = None) -> Tracker | None:
    """Return a tracker that has told nobody anything yet; None for an empty name.

    Args:
        name: One of `choices.TRACKERS`, or empty.
        out: The run folder, where the user named one.

    Raises:
        InputError: It is not installed.
        StorageError: The run folder would lie where the tracker writes.
    """
    if not name:
        return None
    if out is not None and out.name == name:
        raise StorageError(f"{out} is where {name} writes", fix="Choose another folder with --out.")
    kinds: dict[str, Callable[[], Tracker]] = {
        "tensorboard": TensorBoard,
        "mlflow": MLflow,
        "wandb": WandB,
    }
    try:
        return kinds[name]()
    except ImportError as error:
        raise InputError(
            f"{name} is not installed",
            fix=f"Run: pip install 'photograft[{name}]', or leave --track out.",
        ) from error


class TensorBoard:
    """Writes events to ``tensorboard/RUN`` beside the run folder."""

    name = "TensorBoard"

    def __init__(self) -> None:
        need_torch("the tracker tensorboard")
        from torch.utils.tensorboard import SummaryWriter  # an extra

        self._make_writer: Any = SummaryWriter

    def start(self, start: Start) -> str:
        """Begin the events anew: those of an interrupted attempt at the same run do not count."""
        self._settings = start.settings
        folder = _folder(start, "tensorboard") / start.folder.name
        self._writer: Any = self._make_writer(str(folder), purge_step=0)
        cells = {name: str(value).replace("|", "\\|") for name, value in start.settings.items()}
        rows = [f"| {name} | {value} |" for name, value in cells.items()]
        self._writer.add_text("settings", "\n".join(["| setting | value |", "|---|---|", *rows]), 0)
        self._writer.flush()
        return f"TensorBoard: tensorboard --logdir {_typed(start.folder.parent)}"

    def epoch(self, stage: str, epoch: Epoch) -> None:
        """Write an epoch's figures."""
        for name, value in figures_of(stage, epoch).items():
            self._writer.add_scalar(name, value, epoch.epoch)
        self._writer.flush()  # to be seen now, and a full disk, too

    def outcome(self, outcome: Outcome) -> None:
        """Write scores, and hyperparameters beside them."""
        from torch.utils.tensorboard import summary

        # SummaryWriter.add_hparams would write them to another folder, as another run.
        make: Any = summary.hparams
        for part in make(dict(self._settings), dict(outcome.scores)):
            self._writer.file_writer.add_summary(part)
        for name, value in outcome.scores.items():
            self._writer.add_scalar(name, value, 0)
        self._writer.add_text("strategy", outcome.strategy, 0)
        if outcome.notes:
            self._writer.add_text("notes", "\n\n".join(outcome.notes), 0)

    def end(self, status: str) -> None:
        """Write the status as text: TensorBoard has no such thing."""
        self._writer.add_text("status", status, 0)
        self._writer.close()


class MLflow:
    """Logs to where MLflow is told to: by its environment variables, else beside the run folder."""

    name = "MLflow"

    def __init__(self) -> None:
        # An unreachable server is waited for for some seconds, not for minutes.
        _default_environment(
            MLFLOW_DISABLE_TELEMETRY="true",
            MLFLOW_HTTP_REQUEST_MAX_RETRIES="2",
            MLFLOW_HTTP_REQUEST_TIMEOUT="30",
        )
        import mlflow  # an extra

        self._mlflow: Any = mlflow

    def start(self, start: Start) -> str:
        """Create a run in the experiment of the dataset's name, or that of the user's choice."""
        uri, self._artifacts = self._places(start)
        self._client: Any = self._mlflow.MlflowClient(tracking_uri=uri)
        experiment, name = self._experiment(start), printable(start.folder.name)
        tags = {"mlflow.source.name": "photograft train", "mlflow.source.type": "LOCAL"}
        self._run: str = self._client.create_run(experiment, run_name=name, tags=tags).info.run_id
        param = self._mlflow.entities.Param
        params = [param(key, str(value)[:6000]) for key, value in start.settings.items()]
        for i in range(0, len(params), 100):  # the most that MLflow takes at a time
            self._client.log_batch(self._run, params=params[i : i + 100])
        if not uri.startswith(("sqlite:", "file:")):
            return f"MLflow: run {name} at {uri}"
        allowed = "MLFLOW_ALLOW_FILE_STORE=true " * uri.startswith("file:")
        return f"MLflow: {allowed}mlflow ui --backend-store-uri {_typed(uri)}"

    def epoch(self, stage: str, epoch: Epoch) -> None:
        """Log an epoch's figures, the epoch as their step."""
        self._log(figures_of(stage, epoch), epoch.epoch)

    def outcome(self, outcome: Outcome) -> None:
        """Log scores and files; the notes are the run's description."""
        self._log(outcome.scores, 0)
        self._client.set_tag(self._run, "strategy", outcome.strategy)
        self._client.set_tag(self._run, "mlflow.note.content", "\n\n".join(outcome.notes))
        for name, path in outcome.files.items():
            self._client.log_artifact(self._run, str(path), name.rpartition("/")[0] or None)

    def end(self, status: str) -> None:
        """Set the run's status."""
        self._client.set_terminated(self._run, status.upper())

    def _places(self, start: Start) -> tuple[str, str | None]:
        """Return where runs are logged, and where a new experiment's files go; None: as there."""
        uri, artifacts = str(self._mlflow.get_tracking_uri()), None
        if not self._mlflow.is_tracking_uri_set():
            folder = _folder(start, "mlflow").absolute()
            uri = folder.as_uri()
            if _has_database():  # which mlflow-skinny alone can't open; it can write files
                uri, artifacts = f"sqlite:///{folder / 'mlflow.db'}", (folder / "files").as_uri()
        if uri.startswith("file:") or ":" not in uri[2:]:  # a folder; MLflow 3 has to be allowed it
            _default_environment(MLFLOW_ALLOW_FILE_STORE="true")
        return uri, artifacts

    def _experiment(self, start: Start) -> str:
        if chosen := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return chosen
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or printable(start.dataset)
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name, self._artifacts))
            except self._mlflow.exceptions.MlflowException:  # another training was quicker?
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _log(self, figures: Mapping[str, float], step: int) -> None:
        stamp, metric = int(time.time() * 1000), self._mlflow.entities.Metric
        metrics = [metric(name, value, stamp, step) for name, value in figures.items()]
        self._client.log_batch(self._run, metrics=metrics)


class WandB:
    """Logs to Weights & Biases: beside the run folder, and online only where the user says so."""

    name = "W&B"

    def __init__(self) -> None:
        _default_environment(WANDB_ERROR_REPORTING="false")
        import wandb  # an extra

        self._wandb: Any = wandb

    def start(self, start: Start) -> str:
        """Open a run of its own, beside any that the user's own program has under way."""
        settings = self._wandb.setup().settings
        mode, hint = os.environ.get("WANDB_MODE") or "offline", ""
        if settings.mode == "disabled":
            mode = "disabled"
        if mode not in ("offline", "disabled", "dryrun") and not _is_logged_in(settings):
            mode, hint = "offline", " (you are not logged in: `wandb login` does that)"
        # Told by its environment, W&B writes there.
        is_told = mode == "disabled" or os.environ.get("WANDB_DIR")
        place = None if is_told else _folder(start, "wandb").parent
        self._run: Any = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT") or "photograft",
            name=os.environ.get("WANDB_NAME") or printable(start.folder.name),
            config=start.settings,
            mode=mode,
            dir=place,
            reinit="create_new",
            settings=self._wandb.Settings(silent=True, console="off"),
        )
        if self._run.offline:
            folder = Path(self._run.dir).parent
            return f"W&B: wandb sync {_typed(folder)}, which sends it: it is offline{hint}"
        return f"W&B: {self._run.url or 'disabled'}"

    def epoch(self, stage: str, epoch: Epoch) -> None:
        """Log an epoch's figures, drawn over the epochs of their own stage."""
        if epoch.epoch == 1:
            self._run.define_metric(f"{stage}/*", step_metric=f"{stage}/epoch")
        self._run.log({f"{stage}/epoch": epoch.epoch, **figures_of(stage, epoch)})

    def outcome(self, outcome: Outcome) -> None:
        """Log scores as the summary, pictures, and all files as one artefact."""
        self._run.summary.update({**outcome.scores, "strategy": outcome.strategy})
        self._run.notes = "\n\n".join(outcome.notes)
        artifact = self._wandb.Artifact(f"run-{self._run.id}", type="run")
        pictures = {}
        for name, path in outcome.files.items():
            artifact.add_file(str(path), name=name)
            if path.suffix == ".png":
                pictures[name.removesuffix(".png")] = self._wandb.Image(str(path))
        self._run.log(pictures)
        self._run.log_artifact(artifact)

    def end(self, status: str) -> None:
        """Close the run with the exit code that W&B has for the status."""
        self._run.finish(exit_code={"finished": 0, "failed": 1, "killed": 255}[status])


def _folder(start: Start, name: str) -> Path:
    """Return the folder beside the run's that a tracker writes to; made where it is missing."""
    folder = start.folder.parent / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _typed(place: str | os.PathLike[str]) -> str:
    """Return a path or an address as it is typed into a shell."""
    return shlex.quote(printable(place))


def _default_environment(**values: str) -> None:
    """Set environment variables where the user did not: some trackers read nothing else."""
    for name, value in values.items():
        os.environ.setdefault(name, value)


def _has_database() -> bool:
    """Return whether MLflow can open a database."""
    return is_installed("sqlalchemy") and is_installed("alembic")


def _is_logged_in(settings: Any) -> bool:
    """Return whether W&B knows who the user is; without that it would ask, and wait."""
    import netrc

    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    if settings.api_key or settings.identity_token_file:
        return True
    host = settings.base_url.partition("://")[2].partition("/")[0]
    names = [os.environ["NETRC"]] if os.environ.get("NETRC") else ["~/.netrc", "~/_netrc"]
    for name in names:
        with contextlib.suppress(OSError, netrc.NetrcParseError):
            if netrc.netrc(os.path.expanduser(name)).authenticators(host):
                return True
    return False
