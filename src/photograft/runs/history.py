"""The history of a run's training loop."""

from __future__ import annotations

from pathlib import Path

from photograft.core.errors import ClassifierError
from photograft.learning.history import History
from photograft.runs.folder import HISTORY, RUN, read_run_json


def load_history(run: Path) -> History:
    """Return the history of the training that a run folder tells of.

    Args:
        run: The folder.

    Raises:
        ClassifierError: It is no run folder, or damaged, or no training loop ran.
    """
    (info,) = read_run_json(run, RUN)
    try:
        text = (run / HISTORY).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ClassifierError(
            f"{run} has no history: its head was solved at once, not trained by epochs",
            fix="--head mlp and the strategies features+augment, finetune and scratch train by "
            "epochs.",
        ) from error
    except (OSError, ValueError) as error:
        raise ClassifierError(f"{run / 'history.csv'} can't be read ({error})") from error
    try:
        kept = (info.get("history") or {}).get("kept", 0)
        history = History.from_csv(text, kept)
        numbers = [epoch.epoch for epoch in history.epochs]
        if numbers != list(range(1, len(numbers) + 1)) or history.kept not in numbers:
            raise ValueError(f"epoch {history.kept} is kept of {len(numbers)}")
        if any(epoch.loss is None or epoch.accuracy is None for epoch in history.epochs):
            raise ValueError("a loss or an accuracy is left out")
    except (ValueError, AttributeError) as error:
        raise ClassifierError(
            f"the history of {run} is damaged ({error})", fix="Train again."
        ) from error
    return history
