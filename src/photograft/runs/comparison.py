"""The comparison folder: written and read here.

comparison.json         the verdict, a row for each candidate, data, versions and seed
leaderboard.csv         the rows as a table
candidates/             what was found out about each: a later comparison goes on from it
run/                    the chosen classifier, fitted on all photos but the test's, and its test
report.html             all of it to read
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograft.core.errors import ClassifierError
from photograft.core.files import new_file, path_of, write_json
from photograft.core.spreadsheets import new_csv
from photograft.core.text import count, percent
from photograft.runs.display import comparison_html
from photograft.runs.folder import RUN
from photograft.runs.run import Run

COMPARISON, LEADERBOARD, WINNER = "comparison.json", "leaderboard.csv", "run"

#: What a candidate that was not run need not say.
_BLANK: dict[str, Any] = dict.fromkeys(
    (
        "accuracy",
        "accuracy_interval",
        "macro_f1",
        "log_loss",
        "train_accuracy",
        "overfitting",
        "difference",
        "difference_interval",
        "num_params",
        "num_trainable",
        "num_non_trainable",
        "multiply_adds",
        "train_seconds",
        "ms_per_photo",
        "num_bytes",
        "recipe",
    )
) | {"status": "not run", "why": "", "verdict": "", "backbone": "", "strategy": ""}


def read_comparison(folder: Path) -> dict[str, Any]:
    """Return what ``comparison.json`` in a folder holds.

    Raises:
        ClassifierError: There is none, or it is damaged.
    """
    try:
        return complete(json.loads((folder / COMPARISON).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClassifierError(
            f"{folder} holds no comparison, or a damaged one",
            expected="a folder that `photograft compare` made",
        ) from error


def complete(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """Return a comparison with every column that a page shows, empty where nothing is known."""
    rows = [{**_BLANK, **row} for row in comparison["candidates"]]
    return {"recipe": None, "notes": [], "warnings": [], **comparison, "candidates": rows}


def ranked(candidates: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of candidates in the order in which they are shown.

    Args:
        candidates: As `complete` gives them.
    """
    return sorted(map(dict, candidates), key=_rank)


def _rank(row: Mapping[str, Any]) -> tuple[bool, bool, bool, float, str]:
    accuracy, is_partial = row["accuracy"], row["status"] != "complete"
    best = row["verdict"] == "best"
    # A few folds of luck are no place above those that were tried to the end.
    return not best, accuracy is None, is_partial, -(accuracy or 0.0), str(row["id"])


def winners_folder(folder: Path, comparison: Mapping[str, Any]) -> Path | None:
    """Return the folder of the winner's run, or None where there is none."""
    name = comparison.get("run")
    place = folder / name if name else None
    return place if place and (place / RUN).is_file() else None


@dataclass(frozen=True)
class Comparison:
    """A finished comparison on disk.

    Attributes:
        path: Its folder.
        info: What ``comparison.json`` holds.
        run: The chosen classifier's run.
    """

    path: Path
    info: dict[str, Any]
    run: Run

    def __repr__(self) -> str:
        size = count(len(self.info["candidates"]), "candidate")
        found = self.run.metrics
        score = f", {self.run.part} accuracy {percent(found.accuracy)}" if found else ""
        return f"Comparison({str(self.path)!r}, {size}, winner {self.info.get('winner')!r}{score})"

    def _repr_html_(self) -> str:
        return comparison_html(self.path, self.info, self.leaderboard())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Comparison:
        """Open a comparison folder.

        Raises:
            ClassifierError: It is none, or damaged, or the winner's run is gone.
        """
        folder = path_of(path, "the comparison", "the path of its folder")
        info = read_comparison(folder)
        run = winners_folder(folder, info)
        if run is None:
            raise ClassifierError(
                f"{folder} lacks the winner's run",
                expected=f"the folder {WINNER!r} in it",
                fix="Copy the whole folder again, or run the same comparison again.",
            )
        return cls(folder, info, Run.load(run))

    def leaderboard(self) -> list[dict[str, Any]]:
        """Return a row for each candidate, for a table: the best first, those not run last.

        Returns:
            Rows of ``id``, ``status``, ``verdict``, ``accuracy``, ``accuracy_interval``, and what
            else there is of scores and costs; None where it is not known.
        """
        rows = ranked(complete(self.info)["candidates"])
        return [{"id": row["id"], **row} for row in rows]


def read_earlier(folder: Path) -> dict[str, Any]:
    """Return what an earlier comparison in the folder wrote, or nothing."""
    try:
        found = json.loads((folder / COMPARISON).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_comparison(folder: Path, info: dict[str, Any]) -> None:
    """Write ``comparison.json`` and ``leaderboard.csv``, each whole or not at all.

    Raises:
        StorageError: They can't be written.
    """
    fix = "Make it writable, and run the same command again: what was computed is kept."
    names = [name for name in info["candidates"][0] if name != "chosen"]
    with new_csv(folder / LEADERBOARD, names, fix=fix) as write:
        for row in info["candidates"]:
            write(row)
    with new_file(folder / COMPARISON, fix=fix) as partial:
        write_json(partial, info)
