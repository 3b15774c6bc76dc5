"""What a run folder holds, read for its page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photograft.core.errors import ClassifierError
from photograft.core.files import read_table

if TYPE_CHECKING:
    from photograft.learning.history import History


@dataclass(frozen=True)
class Answer:
    """What the classifier said of a photo that it was scored on.

    Attributes:
        name: Of the photo.
        label: Index of the true class.
        predicted: Index of the class that was said.
        confidence: The probability of that, in [0, 1].
    """

    name: str
    label: int
    predicted: int
    confidence: float


@dataclass(frozen=True)
class File:
    """What became of one file of the source.

    Attributes:
        name: Of the file.
        used: Whether it is one of the photos.
        reason: Why not, where it is not.
        detail: What exactly was wrong or odd; may be empty.
        label: Its class, where it is used.
        group: Its group, where the source gives one.
        split: The part that it is in.
        sha256: Of its content, in hexadecimal.
        num_pixels: Width times height; 0 where it is not used.
    """

    name: str
    used: bool
    reason: str
    detail: str
    label: str
    group: str | None
    split: str
    sha256: str
    num_pixels: int


@dataclass(frozen=True)
class Facts:
    """All that a run's page is made of, but for the photos.

    Attributes:
        info: What ``run.json`` holds.
        metrics: What ``metrics.json`` holds.
        selection: What ``selection.json`` holds.
        files: Every file of the source, sorted by name.
        answers: To the photos of `part`, sorted by name.
        history: Of the training loop; None where none ran.
    """

    info: dict[str, Any]
    metrics: dict[str, Any]
    selection: dict[str, Any]
    files: tuple[File, ...]
    answers: tuple[Answer, ...]
    history: History | None

    @property
    def class_names(self) -> list[str]:
        """The names of the classes."""
        return list(self.info["data"]["class_names"])

    @property
    def part(self) -> str:
        """The part whose scores count: the test where there is one, else validation, or neither."""
        return scored_part(self.metrics)

    @property
    def scores(self) -> dict[str, Any] | None:
        """The scores of that part."""
        scores: dict[str, Any] | None = self.metrics.get(self.part)
        return scores

    @property
    def mistakes(self) -> list[Answer]:
        """The wrong answers, the most confident first."""
        return most_confident(a for a in self.answers if a.label != a.predicted)


def scored_part(metrics: dict[str, Any]) -> str:
    """Return ``"test"``, ``"validation"``, or ``""``: the part whose scores count."""
    return next((part for part in ("test", "validation") if metrics.get(part)), "")


def most_confident(answers: Any) -> list[Answer]:
    """Return answers by falling confidence; those alike in it by name."""
    return sorted(answers, key=lambda a: (-a.confidence, a.name))


def load_facts(folder: Path) -> Facts:
    """Read a run folder.

    Raises:
        ClassifierError: It is none, or damaged.
    """
    import pyarrow as pa  # slow to import

    try:
        info, metrics, selection = (
            json.loads((folder / name).read_text(encoding="utf-8"))
            for name in ("run.json", "metrics.json", "selection.json")
        )
        index = {name: i for i, name in enumerate(info["data"]["class_names"])}
        return Facts(
            info=info,
            metrics=metrics,
            selection=selection,
            files=_read_files(folder / "files.parquet"),
            answers=_read_answers(folder / "predictions.parquet", index, scored_part(metrics)),
            history=_read_history(folder, info),
        )
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise ClassifierError(
            f"{folder} is no run folder, or a damaged one",
            expected="a folder that `photograft train` made",
        ) from error


def _columns(path: Path, names: Sequence[str]) -> list[list[Any]]:
    table = read_table(path, names)
    return [table.column(name).to_pylist() for name in names]


def _read_files(path: Path) -> tuple[File, ...]:
    names = ("name", "status", "reason", "detail", "label", "group", "split", "sha256")
    columns = _columns(path, (*names, "width", "height"))
    return tuple(
        File(
            name=name,
            used=status == "used",
            reason=reason or "",
            detail=detail or "",
            label=label or "",
            group=group,
            split=split or "",
            sha256=sha256 or "",
            num_pixels=(width or 0) * (height or 0),
        )
        for name, status, reason, detail, label, group, split, sha256, width, height in zip(
            *columns, strict=True
        )
    )


def _read_answers(path: Path, index: dict[str, int], part: str) -> tuple[Answer, ...]:
    rows = zip(*_columns(path, ("name", "split", "label", "predicted", "probability")), strict=True)
    answers = [
        Answer(name, index[label], index[predicted], probability)
        for name, split, label, predicted, probability in rows
        if split == part
    ]
    return tuple(sorted(answers, key=lambda a: a.name))


def _read_history(folder: Path, info: dict[str, Any]) -> History | None:
    path = folder / "history.csv"
    if not info["history"] or not path.is_file():
        return None
    from photograft.learning.history import History

    return History.from_csv(path.read_text(encoding="utf-8"), info["history"]["kept"])
