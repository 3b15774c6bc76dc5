"""The run folder: the names of its files, and what they hold, read once for all who need it.

    run.json                what was asked, of which data, with which versions and seed
    metrics.json            scores on validation and test
    selection.json          what cross-validation said of each candidate
    history.csv             the epochs of the training loop, where one ran
    files.parquet           every file of the source: used or skipped, why, and in which part
    predictions.parquet     every validation and test photo with its probabilities
    findings.parquet, .csv  what the doctor found
    pictures/               confusion matrix and most confident mistakes, as PNG
    report.html             all of it on one page, with the photos behind the figures
    classifier/             the fitted classifier; see `photograft.classifier`

`record` writes what `load_facts` reads here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograft.core.errors import ClassifierError, InputError
from photograft.core.files import read_table
from photograft.diagnosis.findings import Finding
from photograft.diagnosis.tables import PARQUET_NAME, read_findings
from photograft.learning.history import History

RUN, METRICS, SELECTION = "run.json", "metrics.json", "selection.json"
HISTORY, FILES, PREDICTIONS = "history.csv", "files.parquet", "predictions.parquet"
PICTURES, PAGE, CLASSIFIER = "pictures", "report.html", "classifier"

#: A table as columns of equal length.
Columns = Mapping[str, Sequence[Any]]

_FILE_COLUMNS = (
    *("name", "status", "reason", "detail", "label", "group", "split", "sha256"),
    *("width", "height"),
)
_ANSWER_COLUMNS = ("name", "split", "label", "predicted", "probability")


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
        history: Of the training loop, to six digits; None where none ran.
        findings: What the doctor found; None where nobody looked.
    """

    info: dict[str, Any]
    metrics: dict[str, Any]
    selection: dict[str, Any]
    files: tuple[File, ...]
    answers: tuple[Answer, ...]
    history: History | None
    findings: tuple[Finding, ...] | None

    @classmethod
    def of(
        cls,
        info: dict[str, Any],
        metrics: dict[str, Any],
        selection: dict[str, Any],
        files: Columns,
        predictions: Columns,
        history: History | None,
        findings: Sequence[Finding] | None,
    ) -> Facts:
        """Return the facts that a folder's files hold, tables given as columns."""
        index = {name: i for i, name in enumerate(info["data"]["class_names"])}
        return cls(
            info=info,
            metrics=metrics,
            selection=selection,
            files=_files(files),
            answers=_answers(predictions, index, scored_part(metrics)),
            history=history,
            findings=None if findings is None else tuple(findings),
        )

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
            for name in (RUN, METRICS, SELECTION)
        )
        has_findings = (folder / PARQUET_NAME).is_file()
        return Facts.of(
            info,
            metrics,
            selection,
            _read_columns(folder / FILES, _FILE_COLUMNS),
            _read_columns(folder / PREDICTIONS, _ANSWER_COLUMNS),
            _read_history(folder, info),
            read_findings(folder / PARQUET_NAME) if has_findings else None,
        )
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise damaged(folder) from error


def read_run_json(folder: Path, *names: str) -> list[dict[str, Any]]:
    """Return what some of a run folder's JSON files hold.

    Raises:
        ClassifierError: It is no run folder, or damaged.
    """
    try:
        return [json.loads((folder / name).read_text(encoding="utf-8")) for name in names]
    except (OSError, ValueError) as error:
        raise ClassifierError(
            f"{folder} is no run folder", expected="a folder that `photograft train` made"
        ) from error


def read_run_rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the rows of one of a run folder's tables.

    Args:
        folder: Of the run.
        name: `FILES` or `PREDICTIONS`.

    Raises:
        ClassifierError: It is no run folder, or damaged.
    """
    import pyarrow as pa  # slow to import

    try:
        rows: list[dict[str, Any]] = read_table(folder / name).to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise damaged(folder) from error
    return rows


def read_run_findings(folder: Path) -> list[Finding]:
    """Return what the doctor found, the most severe first; nothing where nobody looked.

    Raises:
        ClassifierError: The folder is damaged.
    """
    path = folder / PARQUET_NAME
    if not path.is_file():
        return []
    try:
        return read_findings(path)
    except InputError as error:
        raise damaged(folder) from error


def damaged(folder: Path) -> ClassifierError:
    """Return the error of a folder that is no run's, or not as it was written."""
    return ClassifierError(
        f"{folder} is no run folder, or a damaged one",
        expected="a folder that `photograft train` made",
    )


def _read_columns(path: Path, names: Sequence[str]) -> Columns:
    table = read_table(path, names)
    return {name: table.column(name).to_pylist() for name in names}


def _files(columns: Columns) -> tuple[File, ...]:
    rows = zip(*(columns[name] for name in _FILE_COLUMNS), strict=True)
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
        for name, status, reason, detail, label, group, split, sha256, width, height in rows
    )


def _answers(columns: Columns, index: dict[str, int], part: str) -> tuple[Answer, ...]:
    rows = zip(*(columns[name] for name in _ANSWER_COLUMNS), strict=True)
    answers = [
        Answer(name, index[label], index[predicted], probability)
        for name, split, label, predicted, probability in rows
        if split == part
    ]
    return tuple(sorted(answers, key=lambda a: a.name))


def _read_history(folder: Path, info: dict[str, Any]) -> History | None:
    path = folder / HISTORY
    if not info["history"] or not path.is_file():
        return None
    return History.from_csv(path.read_text(encoding="utf-8"), info["history"]["kept"])
