"""A finished run: opened, and shown; where new runs go."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from photograft._version import __version__
from photograft.classifier.classifier import Classifier
from photograft.core.files import new_file, path_of
from photograft.core.parallel import num_cores
from photograft.core.text import classes, count, with_interval
from photograft.diagnosis.findings import Finding
from photograft.evaluation.metrics import Evaluation
from photograft.learning.history import History
from photograft.runs.display import run_html
from photograft.runs.folder import (
    CLASSIFIER,
    FILES,
    METRICS,
    PAGE,
    PICTURES,
    PREDICTIONS,
    RUN,
    damaged,
    read_run_findings,
    read_run_json,
    read_run_rows,
    scored_part,
)
from photograft.runs.history import load_history
from photograft.runs.plot import plot_epochs

#: Tells the time; passed in, so that a test can hold it still.
Clock = Callable[[], datetime.datetime]

_PACKAGES = ("numpy", "onnxruntime", "openvino", "pillow", "timm", "torch", "torchvision")


@dataclass(frozen=True)
class Run:
    """A finished run on disk.

    Attributes:
        path: Its folder.
        info: What ``run.json`` holds.
        scores: What ``metrics.json`` holds: those of validation and test, each None without photos.
    """

    path: Path
    info: dict[str, Any]
    scores: dict[str, Any]
    #: Known to the training that has just made the run.
    _findings: tuple[Finding, ...] | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        found = self.metrics
        score = (
            f"{self.part} accuracy {with_interval(found.accuracy, found.accuracy_interval)}"
            if found
            else "not scored"
        )
        learned = sum(self.info["data"].get("class_counts", {}).get("train", []))
        photos = f"{count(learned, 'training photo')}, " if learned else ""
        return f"Run({str(self.path)!r}, {score}, {photos}{classes(self.class_names)})"

    def _repr_html_(self) -> str:
        return run_html(self.path, self.info, self.scores.get(self.part), self.part)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Run:
        """Open a run folder.

        Raises:
            ClassifierError: It is none, or damaged.
        """
        folder = path_of(path, "the run", "the path of its folder")
        info, scores = read_run_json(folder, RUN, METRICS)
        run = cls(folder, info, scores)
        try:
            _ = run.class_names, run.metrics
        except (KeyError, TypeError, AttributeError) as error:
            raise damaged(folder) from error
        return run

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""
        return tuple(self.info["data"]["class_names"])

    @property
    def part(self) -> str:
        """The part whose scores count: ``"test"``, else ``"validation"``, or ``""``."""
        return scored_part(self.scores)

    @property
    def metrics(self) -> Evaluation | None:
        """The scores of `part`; None where no photos were set aside to score on.

        Raises:
            ClassifierError: The run is damaged.
        """
        found = self.scores.get(self.part)
        if not found:
            return None
        try:
            return Evaluation.from_json(found)
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(self.path) from error

    def predictions(self) -> list[dict[str, Any]]:
        """Return a row for each validation and test photo, for a table.

        Returns:
            Rows of ``name``, ``split``, ``label``, ``predicted``, ``probability`` of that, and
            ``probabilities`` of all `class_names`.

        Raises:
            ClassifierError: The run is damaged.
        """
        return read_run_rows(self.path, PREDICTIONS)

    def files(self) -> list[dict[str, Any]]:
        """Return a row for each file of the source, for a table: what it is and became of it.

        Returns:
            Rows of ``name``, ``status`` (``"used"`` or ``"skipped"``), ``reason``, ``detail``,
            ``label``, ``group``, ``sha256``, ``num_bytes``, ``format``, ``width``, ``height`` and
            ``split``; None where there is no such thing.

        Raises:
            ClassifierError: The run is damaged.
        """
        return read_run_rows(self.path, FILES)

    def findings(self) -> list[Finding]:
        """Return what the doctor found in the photos, the most severe first.

        Empty also where nobody looked: ``info["doctor"]`` is None then.

        Raises:
            ClassifierError: The run is damaged.
        """
        return read_run_findings(self.path) if self._findings is None else list(self._findings)

    @property
    def history(self) -> History | None:
        """The epochs of the training; None where the head was solved at once.

        Raises:
            ClassifierError: The run is damaged.
        """
        return load_history(self.path) if self.info.get("history") else None

    @property
    def classifier(self) -> Classifier:
        """The fitted classifier, loaded anew from the folder."""
        return Classifier.load(self.path / CLASSIFIER)

    def plot(self, path: str | os.PathLike[str] | None = None, *, smoothing: float = 0.0) -> Path:
        """Draw accuracy and loss by epoch.

        Args:
            path: A ``.png`` or ``.svg`` file; ``curves.png`` among the run's pictures where not
                given.
            smoothing: Factor of a moving average, in [0, 0.999]; 0 for none.

        Returns:
            The picture.

        Raises:
            ClassifierError: The head was solved at once, not trained by epochs.
            InputError: The file is of another kind.
            StorageError: It can't be written.
        """
        picture = (
            self.path / PICTURES / "curves.png" if path is None else path_of(path, "the picture")
        )
        with new_file(picture, fix="Choose another file.") as partial:
            plot_epochs({self.path.name: load_history(self.path)}, partial, smoothing=smoothing)
        return picture

    @property
    def pictures(self) -> list[Path]:
        """The run's pictures."""
        return sorted((self.path / PICTURES).glob("*.png"))

    @property
    def report(self) -> Path:
        """The page on which all of it can be read."""
        return self.path / PAGE


def now() -> datetime.datetime:
    """Return the time, with its zone."""
    return datetime.datetime.now().astimezone()


def default_path(name: str, clock: Clock) -> Path:
    """Return ``runs/NAME-TIMESTAMP``, a folder that does not exist yet."""
    base = f"{safe_name(name)}-{clock():%Y%m%d-%H%M%S}"
    path, count = Path("runs", base), 2
    while path.exists():
        path, count = Path("runs", f"{base}-{count}"), count + 1
    return path


def safe_name(name: str) -> str:
    """Return a name that any file system takes as that of a folder.

    >>> safe_name("../my photos")
    'my-photos'
    """
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "run"


def environment() -> dict[str, Any]:
    """Return the versions and the machine that results depend on."""
    versions = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # extras may be absent
            versions[name] = importlib.metadata.version(name)
    return {
        "versions": {"photograft": __version__, "python": platform.python_version(), **versions},
        "platform": platform.platform(),
        "num_cores": num_cores(),
    }
