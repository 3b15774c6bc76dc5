"""Findings as tables: one for people and their spreadsheets to fill in, one to be read again.

The CSV is handed back as corrections, so a name stands in it exactly as it is: it is the key by
which an answer finds its photo, and another spelling would lose the answer. A name that begins like
a formula (a class folder called ``=1``, say) is therefore left alone; other cells are guarded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from photograft.core.columns import arrow_column
from photograft.core.errors import InputError, StorageError
from photograft.core.files import new_file, read_table, write_table
from photograft.core.spreadsheets import new_csv
from photograft.data.corrections import Corrections
from photograft.diagnosis.findings import SEVERITIES, Finding, Flagged, columns

CSV_NAME, PARQUET_NAME = "findings.csv", "findings.parquet"

_FIX = "Choose another folder with --out."
_NUMBERS = {"finding": "int64", "group": "int64", "score": "float64", "cost": "float64"}


def write_findings(folder: Path, findings: Sequence[Finding]) -> None:
    """Write ``findings.csv`` and ``findings.parquet``, each whole or not at all.

    A row per photo and finding: the columns of `findings.columns`, ``action`` and ``value`` after
    ``name``, left empty for the user's answers, and the finding's ``cost`` at the end.

    Args:
        folder: An existing folder. Older tables in it are replaced.
        findings: In the order in which they are numbered.

    Raises:
        StorageError: They can't be written, or the user's answers are in the old table.
    """
    check_unanswered(folder)
    table = _table(findings)
    with new_file(folder / PARQUET_NAME, fix=_FIX) as partial:
        write_table(partial, _typed(table))
    with new_csv(folder / CSV_NAME, list(table), fix=_FIX, keys=("name",)) as write:
        for cells in zip(*table.values(), strict=True):
            write(dict(zip(table, cells, strict=True)))


def read_findings(path: Path) -> list[Finding]:
    """Return the findings of a ``findings.parquet``, as they were written.

    Raises:
        InputError: The file is missing, damaged or no table of findings.
    """
    import pyarrow as pa  # slow to import

    try:
        rows = read_table(path).to_pylist()
        found: dict[int, Finding] = {}
        photos: dict[int, list[Flagged]] = {}
        for row in rows:
            number = row["finding"]
            found.setdefault(number, _finding(row))
            photos.setdefault(number, []).extend(_flagged(row))
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} holds no findings, or is damaged",
            expected=f"the {PARQUET_NAME} that `photograft doctor --out` wrote",
            got=_reason(error),
        ) from error
    return [Finding(**{**vars(found[number]), "photos": tuple(photos[number])}) for number in found]


def check_unanswered(folder: Path) -> None:
    """Make sure that no answers of the user's are in the way: to be asked before any long work.

    Raises:
        StorageError: In the folder's ``findings.csv`` somebody has filled in the column ``action``,
            or it is no longer such a table.
    """
    path = folder / CSV_NAME
    if not path.exists():
        return
    try:
        said = Corrections.read(path)
        is_answered = bool(said.labels or said.excluded or said.groups or said.right)
    except InputError:
        is_answered = True  # somebody has changed it
    if is_answered:
        raise StorageError(
            f"{path} has been filled in, and would be replaced",
            fix="Choose another folder with --out, or move this file away first.",
        )


def _table(findings: Sequence[Finding]) -> dict[str, list[Any]]:
    found = columns(findings)
    table: dict[str, list[Any]] = {}
    for key, cells in found.items():
        table[key] = cells
        if key == "name":
            table["action"] = [""] * len(cells)
            table["value"] = [""] * len(cells)
    table["cost"] = [findings[number].cost for number in found["finding"]]
    return table


def _typed(table: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Return Arrow columns whose types do not hang on what happens to stand in them."""
    return {key: arrow_column(cells, _NUMBERS.get(key, "string")) for key, cells in table.items()}


def _finding(row: Mapping[str, Any]) -> Finding:
    if row["severity"] not in SEVERITIES:
        raise ValueError(f"the severity {row['severity']!r}")
    kind, title, fix = (str(row[key]) for key in ("kind", "title", "fix"))
    return Finding(kind, row["severity"], float(row["cost"]), title, fix)


def _flagged(row: Mapping[str, Any]) -> list[Flagged]:
    """Return the photo of a row, or none where the finding is of no photo in particular."""
    if not row["name"]:
        return []
    texts = {key: str(row[key]) for key in ("name", "label", "suggestion", "detail")}
    score = None if row["score"] is None else float(row["score"])
    return [Flagged(group=int(row["group"]), score=score, **texts)]


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"no column {error.args[0]}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:120]
