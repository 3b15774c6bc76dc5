"""What `predict` says at its end, for two classes and for two hundred."""

from __future__ import annotations

import os

import numpy as np
import pytest

from photograft.classifier.prediction import Prediction
from photograft.classifier.uncertainty.uncertainty import Rules
from photograft.workflows.prediction_counts import Counts
from photograft.workflows.prediction_rows import write_rows


def counted(labels: list[str], names: list[str], rules: Rules | None = None) -> Counts:
    predictions = [
        Prediction(f"{i}.jpg", label, p, np.full(len(names), p, np.float32), ood_score=score)
        for i, label in enumerate(labels)
        for p, score in [(0.9 if i % 2 else 0.4, float(i))]
    ]
    failed = [Prediction("x.jpg", error="cut"), Prediction(f"sub{os.sep}", error="denied")]
    return write_rows([*predictions, *failed], lambda row: None, names, 1, rules=rules)


def test_two_classes() -> None:
    assert counted(["cat", "dog", "dog"], ["cat", "dog"]).sentence() == (
        "3 photos: dog 2, cat 1; 1 file and 1 folder could not be read"
    )
    assert counted(["cat"], ["cat", "dog"]).sentence().startswith("1 photo: cat 1, dog 0; ")


def test_rules_that_were_asked_for() -> None:
    labels, names = ["cat", "cat", "dog", "dog", "dog"], ["cat", "dog"]
    both = counted(labels, names, Rules(ood_threshold=3.5, confidence=0.5))
    assert both.sentence().startswith("5 photos: cat 1, dog 1, unknown 1, unsure 2; ")
    none = counted(labels, names, Rules(confidence=0.1))
    assert none.sentence().startswith("5 photos: dog 3, cat 2, unsure 0; ")


def test_two_hundred_classes_fit_in_a_line() -> None:
    names = [f"class {i}" for i in range(200)]
    labels = [name for i, name in enumerate(names[:100]) for _ in range(1 + (i < 10))]
    found = counted(labels, names).sentence()
    assert found.startswith("110 photos: class 0 2, class 1 2, ")
    assert "class 9 2, 90 other classes 90; " in found
    assert len(found) < 250


@pytest.mark.parametrize(("failed", "folders"), [(0, 0), (1, 0), (1, 1), (3, 1)])
def test_unread_is_counted_in_words(failed: int, folders: int) -> None:
    words = {
        (0, 0): "",
        (1, 0): "; 1 file could not be read",
        (1, 1): "; 1 folder could not be read",
        (3, 1): "; 2 files and 1 folder could not be read",
    }
    counts = Counts(failed + 1, failed, folders, {"cat": 1})
    assert counts.sentence() == "1 photo: cat 1" + words[failed, folders]
