"""What a run leaves behind: its account, its warnings, its tables, pictures and page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from photograft.classifier.classifier import Classifier
from photograft.core.files import new_folder, printable, write_json, write_table
from photograft.core.progress import Silent
from photograft.data.dataset import Dataset
from photograft.data.sources.named_sets import named_set
from photograft.data.splits import Split
from photograft.doctor.examine import Diagnosis
from photograft.doctor.tables import write_findings
from photograft.evaluation.metrics import Scored
from photograft.learning.job import Fitted
from photograft.report.plots.run_pictures import _draw
from photograft.report.run_page import write_run_report


def describe_data(dataset: Dataset, split: Split) -> dict[str, Any]:
    """Return what a run says of its data, as plain JSON types."""
    labels = dataset.labels
    is_named = named_set(dataset.source) is not None
    counts = {
        part: np.bincount(labels[indices], minlength=len(dataset.class_names)).tolist()
        for part, indices in split.parts().items()
    }
    return {
        "source": printable(dataset.source if is_named else Path(dataset.source).resolve()),
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


def provenance(info: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    """Return what a classifier carries of where it comes from."""
    data = info["data"]
    train_counts = data["class_counts"]["train"]
    keep = ("accuracy", "accuracy_interval", "num_photos", "expected_calibration_error")
    return {
        "name": info["name"],
        "data_fingerprint": data["fingerprint"],
        "seed": info["seed"],
        "versions": info["versions"],
        "num_train": sum(train_counts),
        "majority_class": data["class_names"][int(np.argmax(train_counts))],
        **{part: scores and {k: scores[k] for k in keep} for part, scores in metrics.items()},
    }


def write(
    folder: Path,
    dataset: Dataset,
    split: Split,
    scored: dict[str, Scored | None],
    fitted: Fitted,
    info: dict[str, Any],
    metrics: dict[str, Any],
    diagnosis: Diagnosis | None = None,
) -> None:
    """Write the run folder, whole or not at all.

    Args:
        folder: Where; it must not exist yet, or be empty.
        dataset: The photos.
        split: Their parts.
        scored: Validation and test, each where it has photos.
        fitted: Its classifier is saved with the run.
        info: For ``run.json``.
        metrics: For ``metrics.json``.
        diagnosis: For ``findings.csv`` and ``findings.parquet``; without one there are none.
    """
    inclusion, classifier = info["config"]["include_weights"], fitted.classifier
    with new_folder(folder) as partial:
        write_json(partial / "run.json", info)
        write_json(partial / "metrics.json", metrics)
        write_json(partial / "selection.json", fitted.selection)
        if fitted.history:
            (partial / "history.csv").write_text(fitted.history.to_csv(), encoding="utf-8")
        write_table(partial / "files.parquet", _file_columns(dataset, split))
        write_table(
            partial / "predictions.parquet", _prediction_columns(dataset, scored, classifier)
        )
        classifier.save(
            partial / "classifier",
            include_weights=inclusion == "always"
            or (inclusion == "auto" and not classifier.backbone.weights.startswith("package:")),
        )
        if diagnosis is not None:
            write_findings(partial, diagnosis.findings)
        _draw(partial / "pictures", dataset, scored, fitted)
        reads = {photo.name: photo.read for photo in dataset.photos}
        write_run_report(partial, reads, partial / "report.html", progress=Silent())


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
