"""What a run leaves behind, put together and written; `folder` reads it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from photograft.classifier.classifier import Classifier
from photograft.core.files import printable, write_json, write_table
from photograft.data.dataset import Dataset
from photograft.data.sources.named_sets import named_set
from photograft.data.splits import Split
from photograft.diagnosis.examine import Diagnosis
from photograft.diagnosis.findings import Finding
from photograft.diagnosis.tables import write_findings
from photograft.evaluation.metrics import Scored
from photograft.learning.history import History
from photograft.learning.job import Fitted
from photograft.learning.settings import TrainConfig
from photograft.runs.folder import (
    FILES,
    HISTORY,
    METRICS,
    PREDICTIONS,
    RUN,
    SELECTION,
    Columns,
    Facts,
)
from photograft.runs.run import environment


def describe_data(dataset: Dataset, split: Split) -> dict[str, Any]:
    """Return what a run says of its data, as plain JSON types."""
    labels = dataset.labels
    place = Path(dataset.source).expanduser()
    # A set's name is no path; nor is what photos in memory are called.
    is_path = named_set(dataset.source) is None and place.exists()
    counts = {
        part: np.bincount(labels[indices], minlength=len(dataset.class_names)).tolist()
        for part, indices in split.parts().items()
    }
    return {
        "source": printable(place.resolve() if is_path else dataset.source),
        "kind": dataset.kind,
        "fingerprint": dataset.fingerprint(),
        "num_photos": len(dataset.photos),
        "num_skipped": len(dataset.skipped),
        "skipped": dataset.skipped_counts(),
        "num_noted": sum(1 for photo in dataset.photos if photo.note),
        "class_names": list(dataset.class_names),
        "class_counts": counts,
        "notes": [*dataset.notes, *split.notes],
    }


def run_info(
    dataset: Dataset,
    split: Split,
    config: TrainConfig,
    fitted: Fitted,
    *,
    started: datetime.datetime,
    seconds: float,
    certainty: dict[str, Any],
    warnings: list[str],
    diagnosis: Diagnosis | None = None,
    recipe: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what ``run.json`` says, as plain JSON types.

    Args:
        dataset: The photos.
        split: Their parts.
        config: The settings.
        fitted: What the strategy gave back.
        started: When the work began.
        seconds: How long it took.
        certainty: How sure the classifier may be.
        warnings: What the user should be warned of, a sentence each.
        diagnosis: What the doctor found; None where nobody looked.
        recipe: What the settings come from; None where from no recipe.
    """
    classifier, history = fitted.classifier, fitted.history
    return {
        "name": dataset.name,
        "started": started.isoformat(),
        "seconds": round(seconds, 2),
        "config": {**config.to_json(), "training": config.loop.to_json() if history else None},
        "strategy": fitted.strategy,
        "seed": config.seed,
        "data": describe_data(dataset, split),
        "backbone": classifier.backbone.to_json(),
        "engine": replace(classifier.engine, ranges=()).to_json(),
        "layers": list(classifier.layers),
        "params": fitted.params,
        "notes": list(fitted.notes),
        "certainty": certainty,
        "history": {"kept": history.kept} if history else None,
        "recipe": recipe,
        "doctor": diagnosis.figures if diagnosis else None,
        "warnings": warnings,
        **environment(),
    }


def provenance(
    info: dict[str, Any], metrics: dict[str, Any], *, has_learned_validation: bool
) -> dict[str, Any]:
    """Return what a classifier carries of where it comes from.

    Args:
        info: What ``run.json`` holds.
        metrics: What ``metrics.json`` holds.
        has_learned_validation: Whether it has learned from the validation photos, too, in the end.
    """
    data = info["data"]
    counts = data["class_counts"]
    train_counts = counts["train"]
    others = sum(counts.get("validation", ())) if has_learned_validation else 0
    keep = ("accuracy", "accuracy_interval", "num_photos", "expected_calibration_error")
    return {
        "name": info["name"],
        "data_fingerprint": data["fingerprint"],
        "seed": info["seed"],
        "versions": info["versions"],
        "num_train": sum(train_counts),
        "num_learned": sum(train_counts) + others,
        "majority_class": data["class_names"][int(np.argmax(train_counts))],
        **{part: scores and {k: scores[k] for k in keep} for part, scores in metrics.items()},
    }


@dataclass(frozen=True)
class Record:
    """All that a run folder holds but for its classifier, pictures and page.

    Attributes:
        info: For ``run.json``.
        metrics: For ``metrics.json``.
        selection: For ``selection.json``.
        files: For ``files.parquet``.
        predictions: For ``predictions.parquet``.
        history: For ``history.csv``; None where no training loop ran.
        findings: For ``findings.csv`` and ``findings.parquet``; None where nobody looked.
    """

    info: dict[str, Any]
    metrics: dict[str, Any]
    selection: dict[str, Any]
    files: Columns
    predictions: Columns
    history: History | None
    findings: tuple[Finding, ...] | None

    def facts(self) -> Facts:
        """Return what the folder would be read as."""
        return Facts.of(
            self.info,
            self.metrics,
            self.selection,
            self.files,
            self.predictions,
            self.history.rounded() if self.history else None,
            self.findings,
        )


def make_record(
    dataset: Dataset,
    split: Split,
    scored: dict[str, Scored | None],
    fitted: Fitted,
    info: dict[str, Any],
    diagnosis: Diagnosis | None = None,
) -> Record:
    """Return what a run folder is to hold.

    Args:
        dataset: The photos.
        split: Their parts.
        scored: Validation and test, each where it has photos.
        fitted: What the strategy gave back.
        info: For ``run.json``.
        diagnosis: What the doctor found; None where nobody looked.
    """
    return Record(
        info=info,
        metrics=metrics_of(scored),
        selection=fitted.selection,
        files=_file_columns(dataset, split),
        predictions=_prediction_columns(dataset, scored, fitted.classifier),
        history=fitted.history,
        findings=diagnosis.findings if diagnosis else None,
    )


def metrics_of(scored: dict[str, Scored | None]) -> dict[str, Any]:
    """Return the scores of each part as plain JSON types."""
    return {name: part.evaluation.to_json() if part else None for name, part in scored.items()}


def write_record(folder: Path, record: Record) -> None:
    """Write a record's files into an existing folder."""
    write_json(folder / RUN, record.info)
    write_json(folder / METRICS, record.metrics)
    write_json(folder / SELECTION, record.selection)
    if record.history:
        (folder / HISTORY).write_text(record.history.to_csv(), encoding="utf-8")
    write_table(folder / FILES, record.files)
    write_table(folder / PREDICTIONS, record.predictions)
    if record.findings is not None:
        write_findings(folder, record.findings)


def _file_columns(dataset: Dataset, split: Split) -> dict[str, list[Any]]:
    part_of = {
        dataset.photos[i].name: part for part, rows in split.parts().items() for i in rows.tolist()
    }
    rows = dataset.account()
    keys = ("name", "status", "reason", "detail", "label", "group", "sha256", "num_bytes", "format")
    columns = {key: [row.get(key) for row in rows] for key in (*keys, "width", "height")}
    return {**columns, "split": [part_of.get(row["name"]) for row in rows]}


def _prediction_columns(
    dataset: Dataset, scored: dict[str, Scored | None], classifier: Classifier
) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {
        key: [] for key in ("name", "split", "label", "predicted", "probability", "probabilities")
    }
    for name, part in scored.items():
        if part is None:
            continue
        predicted = part.probabilities.argmax(axis=1)
        columns["name"] += [dataset.photos[i].name for i in part.indices]
        columns["split"] += [name] * len(part.indices)
        columns["label"] += [dataset.photos[i].label for i in part.indices]
        columns["predicted"] += [classifier.class_names[c] for c in predicted]
        columns["probability"] += part.probabilities.max(axis=1).tolist()
        columns["probabilities"] += list(part.probabilities)
    return columns
