"""Predictions as rows: for a terminal, CSV, JSON lines or Parquet, written as they come."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from photograft.classifier.answering import answered
from photograft.classifier.prediction import Prediction
from photograft.classifier.uncertainty.uncertainty import UNKNOWN, Rules
from photograft.core.errors import InputError, as_typed, either
from photograft.core.files import new_file
from photograft.core.spreadsheets import WriteRow, csv_rows, new_csv, no_table
from photograft.core.text import percent
from photograft.workflows.prediction_counts import Counts, sent_away

FORMATS = ("table", "csv", "jsonl", "parquet")

_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_PARQUET_ROWS = 4096
#: Probabilities and OOD scores in rows have so many digits after the point.
_DIGITS = 6
_LEAST = 0.1**_DIGITS / 2


def output_format(wanted: str | None, output: Path | None, *, to_terminal: bool) -> str:
    """Return the format to write: as asked for, else by the file's name, else by where it goes.

    Raises:
        InputError: The format is unknown, can't be told, or does not fit where it goes.
    """
    if wanted is not None and wanted not in FORMATS:
        raise InputError(f"there is no format {as_typed(wanted)}", expected=either(FORMATS))
    chosen = wanted
    if chosen is None and output is not None:
        chosen = _SUFFIXES.get(output.suffix.lower())
        if chosen is None:
            raise no_table(output, list(_SUFFIXES), fix="Rename it, or say --format.")
    chosen = chosen or ("table" if to_terminal else "csv")
    if chosen == "parquet" and output is None:
        raise InputError("Parquet can't be written to the terminal", fix="Give --output FILE.")
    return chosen


def is_folder(output: str) -> bool:
    """Return whether rows go to a folder of several files: it is there, or is written as one."""
    return os.path.isdir(output) or output.endswith(os.sep)


def row_of(
    prediction: Prediction, class_names: Sequence[str], top: int, rules: Rules | None = None
) -> dict[str, Any]:
    """Return a prediction as a flat row: file, error, the `top` classes, its OOD score.

    Where rules were asked for: the answer by them, and the classes that come into question.
    """
    row: dict[str, Any] = {"file": _text(prediction.name), "error": prediction.error or None}
    order: list[int] = []
    if prediction.probabilities is not None:
        order = np.argsort(-prediction.probabilities, kind="stable")[:top].tolist()
    for rank in range(min(top, len(class_names))):
        suffix = "" if rank == 0 else f"_{rank + 1}"
        known = rank < len(order) and prediction.probabilities is not None
        row[f"label{suffix}"] = class_names[order[rank]] if known else None
        row[f"probability{suffix}"] = (
            round(float(prediction.probabilities[order[rank]]), _DIGITS)
            if known and prediction.probabilities is not None
            else None
        )
    score = prediction.ood_score
    row["ood_score"] = None if score is None else round(score, _DIGITS)
    if rules is not None and rules.answers:
        row["answer"] = prediction.answer
    if rules is not None and rules.sets is not None:
        row["classes"] = None if prediction.classes is None else " | ".join(prediction.classes)
    return row


def write_rows(
    predictions: Iterable[Prediction],
    write: Callable[[dict[str, Any]], object],
    class_names: Sequence[str],
    top: int,
    advance: Callable[[], None] = lambda: None,
    rules: Rules | None = None,
) -> Counts:
    """Write predictions as they come.

    Args:
        predictions: Such as `Classifier.stream` yields.
        write: From `open_writer`.
        class_names: The classifier's.
        top: Classes per row.
        advance: Called after each row.
        rules: When no class is to be named; None where nobody asked.

    Raises:
        InputError: There is no prediction at all: a folder without files, or an empty list.
    """
    counts = no_counts(class_names, rules)
    for prediction in predictions:
        if rules is not None:
            prediction = answered(prediction, rules, class_names)
        write(row_of(prediction, class_names, top, rules))
        counts.add(prediction)
        advance()
    if not counts.rows:
        raise InputError("there is nothing to classify", expected="at least one file", got="none")
    return counts


def no_counts(class_names: Sequence[str], rules: Rules | None) -> Counts:
    """Return the counts of no row yet."""
    counts = Counts(0, 0, 0, dict.fromkeys(class_names, 0))
    if rules is not None:
        counts.unknown = None if rules.ood_threshold is None else 0
        counts.unsure = None if rules.confidence is None else 0
    return counts


def open_writer(
    format_: str,
    output: Path | None,
    stdout: IO[str],
    num_ranks: int,
    rules: Rules | None = None,
) -> AbstractContextManager[Callable[[dict[str, Any]], object]]:
    """Open a writer of rows: it streams, and an output file appears whole or not at all.

    Args:
        format_: ``"table"``, ``"csv"``, ``"jsonl"`` or ``"parquet"``.
        output: The file to write; None for standard output.
        stdout: Standard output.
        num_ranks: Classes per row.
        rules: As in `write_rows`.
    """
    if output is None:
        return _text_writer(format_, stdout)
    return _file_writer(format_, output, num_ranks, rules)


@contextmanager
def _file_writer(
    format_: str, output: Path, num_ranks: int, rules: Rules | None
) -> Iterator[Callable[[dict[str, Any]], object]]:
    columns, fix = _columns(num_ranks, rules), "Choose another file with --output."
    if format_ == "csv":
        with new_csv(output, list(columns), fix=fix, keys=("file",)) as write:
            yield write
        return
    with new_file(output, fix=fix) as partial:
        if format_ == "parquet":
            with partial.open("wb") as raw, _parquet_writer(raw, columns) as write:
                yield write
        else:
            with (
                partial.open("w", encoding="utf-8", newline="") as file,
                _text_writer(format_, file) as write,
            ):
                yield write


@contextmanager
def _text_writer(format_: str, file: IO[str]) -> Iterator[Callable[[dict[str, Any]], object]]:
    if format_ == "jsonl":
        yield lambda row: print(json.dumps(row, ensure_ascii=False), file=file)
    elif format_ == "csv":
        yield _CsvForPrograms(file)
    else:
        yield lambda row: print(_line(row), file=file)


class _CsvForPrograms:
    """Writes rows as they are, and the header with the first."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._write: WriteRow | None = None

    def __call__(self, row: dict[str, Any]) -> None:
        self._write = self._write or csv_rows(self._file, list(row))
        self._write(row)


def _columns(num_ranks: int, rules: Rules | None) -> dict[str, str]:
    """Return the columns that `row_of` makes, and their types."""
    columns = {"file": "string", "error": "string"}
    for rank in range(num_ranks):
        suffix = "" if rank == 0 else f"_{rank + 1}"
        columns |= {f"label{suffix}": "string", f"probability{suffix}": "float64"}
    columns["ood_score"] = "float64"
    if rules is not None and rules.answers:
        columns["answer"] = "string"
    if rules is not None and rules.sets is not None:
        columns["classes"] = "string"
    return columns


@contextmanager
def _parquet_writer(
    file: IO[bytes], columns: Mapping[str, str]
) -> Iterator[Callable[[dict[str, Any]], object]]:
    import pyarrow as pa  # slow to import
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in columns.items()])
    rows: list[dict[str, Any]] = []
    with pq.ParquetWriter(file, schema) as writer:

        def write(row: dict[str, Any]) -> None:
            rows.append(row)
            if len(rows) == _PARQUET_ROWS:
                flush()

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(rows, schema))
            rows.clear()

        yield write
        if rows:
            flush()


def _line(row: dict[str, Any]) -> str:
    """Return a row as a line for people: ``photo.jpg  cat 98.1%  dog 1.9%``."""
    if row["error"]:
        return f"{row['file']}  can't be read: {row['error']}"
    cells = []
    for key, label in row.items():
        if key.startswith("label"):
            # Rows are rounded, but no head is ever certain.
            probability = min(max(row["probability" + key[5:]], _LEAST), 1 - _LEAST)
            cells.append(f"{label} {percent(probability)}")
    instead = sent_away(row.get("answer"), row["label"])
    if instead:
        score = f", OOD score {row['ood_score']:.2f}" if instead == UNKNOWN else ""
        cells = [instead, f"(nearest {cells[0]}{score})", *cells[1:]]
    if row.get("classes"):
        cells.append(f"[{row['classes']}]")
    return "  ".join([row["file"], *cells])


def _text(name: str) -> str:
    """Return a file's name as valid UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
