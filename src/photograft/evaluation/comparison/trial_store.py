"""What was found out about candidates, kept in the comparison's folder."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.core.files import new_file, write_json
from photograft.evaluation.comparison.candidates import Candidate

#: A fold of one repeat that a candidate was tested on.
Fold = tuple[int, int]


@dataclass(frozen=True)
class Trial:
    """What was found out about a candidate on held-out photos.

    Attributes:
        predicted: Class of each photo in each repeat, shape ``(n, r)``; -1 where not held out.
        losses: Log loss in nats, shape ``(n, r)``; NaN likewise.
        done: The folds that are done, as (repeat, fold).
        wanted: How many of them there should be.
        train_accuracies: Accuracy on the photos learned from, for each done fold, or for all.
        seconds: What the folds took, but for looking at photos whose features are kept.
        costs: Parameters, multiply-adds, bytes, seconds to train, milliseconds a photo.
        chosen: What was chosen on the way, such as layers.
    """

    predicted: npt.NDArray[np.int64]
    losses: npt.NDArray[np.float64]
    done: tuple[Fold, ...]
    wanted: int
    train_accuracies: tuple[float, ...]
    seconds: float
    costs: dict[str, float]
    chosen: dict[str, Any] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether all folds are done."""
        return len(self.done) == self.wanted

    def save(self, path: Path, key: str) -> None:
        """Write it to a JSON file, whole or not at all."""
        held_out = np.argwhere(self.predicted >= 0)
        at = tuple(held_out.T)
        data = {
            "key": key,
            "shape": list(self.predicted.shape),
            "held_out": held_out.ravel().tolist(),
            "predicted": self.predicted[at].tolist(),
            "losses": self.losses[at].tolist(),
            "done": [list(fold) for fold in self.done],
            "wanted": self.wanted,
            "train_accuracies": list(self.train_accuracies),
            "seconds": self.seconds,
            "costs": self.costs,
            "chosen": self.chosen,
        }
        with new_file(path, fix="Choose another folder with --out.") as partial:
            write_json(partial, data)

    @classmethod
    def load(cls, path: Path, key: str) -> Trial | None:
        """Return what a file tells, or None where it tells of something else, or is damaged."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["key"] != key:
                return None
            shape = tuple(data["shape"])
            at = tuple(np.array(data["held_out"], np.int64).reshape(-1, 2).T)
            predicted, losses = np.full(shape, -1, np.int64), np.full(shape, np.nan)
            predicted[at], losses[at] = data["predicted"], data["losses"]
            return cls(
                predicted=predicted,
                losses=losses,
                done=tuple((int(r), int(f)) for r, f in data["done"]),
                wanted=int(data["wanted"]),
                train_accuracies=tuple(data["train_accuracies"]),
                seconds=float(data["seconds"]),
                costs=dict(data["costs"]),
                chosen=dict(data["chosen"]),
            )
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None


@dataclass(frozen=True)
class TrialStore:
    """Where a comparison folder keeps what was found out.

    Attributes:
        folder: The comparison folder.
        fingerprint: Of the photos that are compared on.
    """

    folder: Path
    fingerprint: str

    def load(self, candidate: Candidate) -> Trial | None:
        """Return what was found out about a candidate on these photos, if anything was."""
        key = candidate.key(self.fingerprint)
        return Trial.load(self._path(candidate, key), key)

    def save(self, candidate: Candidate, trial: Trial) -> None:
        """Keep what was found out.

        Raises:
            StorageError: The folder can't be written.
        """
        key = candidate.key(self.fingerprint)
        trial.save(self._path(candidate, key), key)

    def _path(self, candidate: Candidate, key: str) -> Path:
        safe = re.sub(r"[^\w.+-]+", "-", candidate.name)[:60]
        return self.folder / "candidates" / f"{safe}-{key[:12]}.json"
