"""The pictures of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from photograft.core.text import count, short_text
from photograft.data.dataset import Dataset
from photograft.evaluation.metrics import Scored
from photograft.learning.history import History
from photograft.report.plots import figures
from photograft.runs import plot

_MAX_MISTAKES = 12


def draw_run_pictures(
    folder: Path, dataset: Dataset, scored: dict[str, Scored | None], history: History | None
) -> None:
    """Draw a run's curves by epoch, confusion matrix and most confident mistakes.

    Args:
        folder: Gets the pictures; it is made.
        dataset: The photos.
        scored: Validation and test, each where it has photos.
        history: Of the training loop; None where none ran.
    """
    folder.mkdir()
    if history and len(history.epochs) > 1:
        for suffix in ("png", "svg"):
            plot.plot_epochs({dataset.name: history}, folder / f"curves.{suffix}")
    name = "test" if scored["test"] else "validation"
    part = scored[name]
    if part is None:
        return
    scores = part.evaluation
    low, high = scores.accuracy_interval
    about = short_text(dataset.name, 40)
    figures.confusion_matrix(
        scores.confusion,
        dataset.class_names,
        f"{about}: {scores.accuracy:.1%} of {count(scores.num_photos, f'{name} photo')} right\n"
        f"(95% interval {low:.1%} to {high:.1%})",
        folder / "confusion_matrix.png",
    )
    wrong = _mistakes(dataset, part)
    if wrong:
        figures.mistakes(
            wrong,
            f"{about}: the most confident mistakes on {name}",
            folder / "most_confident_mistakes.png",
        )


def _mistakes(dataset: Dataset, part: Scored) -> list[figures.Mistake]:
    """Return the photos that were classified wrongly with most confidence."""
    predicted = part.probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != part.labels)
    confidence = part.probabilities[wrong, predicted[wrong]]
    names = dataset.class_names
    rows = []
    for i in wrong[np.argsort(-confidence, kind="stable")][:_MAX_MISTAKES].tolist():
        photo = dataset.photos[part.indices[i]]
        rows.append(
            figures.Mistake(
                name=photo.name,
                label=photo.label,
                predicted=names[predicted[i]],
                probability=float(part.probabilities[i, predicted[i]]),
                read=photo.read,
            )
        )
    return rows
