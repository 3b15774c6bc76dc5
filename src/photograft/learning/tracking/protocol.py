"""What experiment trackers are told of a training as it runs, and that none ever stops it.

Every tracker gets the same names: ``STAGE/loss`` for each epoch of a training loop,
``test/accuracy`` for the scores at the end. The trackers themselves are in `trackers`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from photograft.core.files import printable
from photograft.core.progress import Progress
from photograft.learning.history import Epoch, Follower
from photograft.learning.settings import TrainConfig

#: What a tracker takes as a setting.
Scalar = str | int | float | bool

#: The scores that are tracked of each part, as ``metrics.json`` calls them.
_SCORES = ("accuracy", "macro_f1", "log_loss", "expected_calibration_error")
#: The files of a run folder that are kept with a tracked run, where there are such.
_FILES = ("run.json", "metrics.json", "report.html", "pictures/*")


@dataclass(frozen=True)
class Start:
    """What a tracker is told at first.

    Attributes:
        folder: The run folder that is going to be written; its name is the run's.
        dataset: What the data is called.
        settings: All that the result depends on, one flat name each.
    """

    folder: Path
    dataset: str
    settings: dict[str, Scalar]


@dataclass(frozen=True)
class Outcome:
    """What a tracker is told of a run that was written.

    Attributes:
        folder: The run folder.
        strategy: The one whose classifier was kept.
        notes: What the user should know.
        scores: By ``PART/SCORE``.
    """

    folder: Path
    strategy: str
    notes: tuple[str, ...]
    scores: dict[str, float]

    @property
    def files(self) -> dict[str, Path]:
        """The files to keep with the tracked run, by their names in the run folder."""
        found = [path for pattern in _FILES for path in sorted(self.folder.glob(pattern))]
        return {path.relative_to(self.folder).as_posix(): path for path in found}


class Tracker(Protocol):
    """What each tracker does. It may raise whatever it likes: see `Tracking`."""

    name: str

    def start(self, start: Start) -> str:
        """Open a run, and return in words where to look at it."""

    def epoch(self, stage: str, epoch: Epoch) -> None:
        """Log an epoch of a training loop; of each stage they come in order, and once."""

    def outcome(self, outcome: Outcome) -> None:
        """Log what came out."""

    def end(self, status: str) -> None:
        """Close the run as ``"finished"``, ``"failed"`` or ``"killed"``."""


class Tracking:
    """One training's way to a tracker, which may fail at any time without harm to the training.

    The user is told of the first failure. Epochs that could not be logged are tried once more at
    the end, in their order.

    Args:
        tracker: Where to.
        say: Tells the user something, as one line.

    Attributes:
        warnings: What went wrong, in a sentence, if anything.
        where: How to look at it, in words; empty where it could not be opened.
    """

    def __init__(self, tracker: Tracker, say: Callable[[str], None]) -> None:
        self._tracker, self._say = tracker, say
        self.warnings: list[str] = []
        self.where = ""
        self._is_open = False
        self._held: list[tuple[str, Epoch]] = []

    def start(self, start: Start) -> None:
        """Open a run."""

        def begin() -> None:
            self.where = self._tracker.start(start)
            self._say(self.where)

        self._is_open = self._tried(begin)

    def follow(self, stage: str) -> Follower:
        """Return who is to be told of a training loop's epochs, those before a resumption too."""
        return _Stage(self, stage)

    def epoch(self, stage: str, epoch: Epoch) -> None:
        """Log an epoch."""
        if self._is_open and (
            self.warnings or not self._tried(lambda: self._tracker.epoch(stage, epoch))
        ):
            self._held.append((stage, epoch))

    def outcome(self, outcome: Outcome) -> None:
        """Log what came out."""

        def catch_up() -> None:
            for stage, epoch in self._held:
                self._tracker.epoch(stage, epoch)

        if self._is_open:
            self._tried(catch_up)
            self._tried(lambda: self._tracker.outcome(outcome))

    def end(self, status: str) -> None:
        """Close the run."""
        if self._is_open:
            self._tried(lambda: self._tracker.end(status))

    def _tried(self, what: Callable[[], None]) -> bool:
        try:
            what()
        except Exception as error:  # whatever a tracker, or its server, comes up with
            if not self.warnings:
                reason = next(iter(str(error).strip().splitlines()), "")
                self.warnings.append(
                    f"{self._tracker.name} fails ({type(error).__name__}: {reason[:200]}): "
                    "the training goes on without it"
                )
                self._say(self.warnings[0])
            return False
        return True


@contextlib.contextmanager
def tracked(tracker: Tracker | None, start: Start, progress: Progress) -> Iterator[Tracking | None]:
    """Track what happens inside: finished at its end, failed or killed where it does not get there.

    Args:
        tracker: Where to; None for nowhere.
        start: What it is told at first.
        progress: Told where to look, and what goes wrong.
    """
    if tracker is None:
        yield None
        return
    tracking = Tracking(tracker, progress.say)
    tracking.start(start)
    try:
        yield tracking
    except BaseException as error:
        tracking.end("failed" if isinstance(error, Exception) else "killed")
        raise
    tracking.end("finished")


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Scalar]:
    """Return nested plain data under names with dots; what is None is left out.

    >>> flat({"seed": 1, "hidden": [64, 32], "training": {"epochs": 3}, "augmentation": None})
    {'seed': 1, 'hidden': '64, 32', 'training.epochs': 3}
    """
    found: dict[str, Scalar] = {}
    for name, value in data.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            found[prefix + name] = printable(", ".join(map(str, value)))
        elif value is not None:
            found[prefix + name] = printable(value) if isinstance(value, str) else value
    return found


def settings_of(
    config: TrainConfig,
    name: str,
    data: Mapping[str, Any],
    environment: Mapping[str, Any],
    recipe: Mapping[str, Any] | None = None,
) -> dict[str, Scalar]:
    """Return all that a result depends on, one flat name each.

    Args:
        config: The settings; those of the training loop are left out where none runs.
        name: Of the dataset.
        data: As in ``run.json``.
        environment: Versions and machine, likewise.
        recipe: Likewise.
    """
    kept = ("source", "fingerprint", "num_photos", "num_skipped")
    counts = {
        part: [f"{label} {n}" for label, n in zip(data["class_names"], numbers, strict=True)]
        for part, numbers in data["class_counts"].items()
    }
    return flat(
        {
            **config.to_json(),
            "training": config.loop.to_json() if config.has_loop else None,
            "recipe": recipe["id"] if recipe else None,
            "data": {"name": name, **{key: data[key] for key in kept}, **counts},
            **environment,
        }
    )


def outcome_of(folder: Path, info: Mapping[str, Any], metrics: Mapping[str, Any]) -> Outcome:
    """Return what came out of a run that was written, of its ``run.json`` and ``metrics.json``."""
    scores = {
        f"{part}/{name}": found[name]
        for part, found in metrics.items()
        if found
        for name in _SCORES
    }
    return Outcome(folder, info["strategy"], tuple(info["notes"]), scores)


def figures_of(stage: str, epoch: Epoch) -> dict[str, float]:
    """Return an epoch's figures by the names of ``history.csv``."""
    figures = {name: value for name, value in asdict(epoch).items() if value is not None}
    return {f"{stage}/{name}": value for name, value in figures.items() if name != "epoch"}


@dataclass(frozen=True)
class _Stage:
    tracking: Tracking
    stage: str

    def epoch(self, epoch: Epoch) -> None:
        self.tracking.epoch(self.stage, epoch)
