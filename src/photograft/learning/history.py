"""What happened in each epoch of a training."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Protocol

from photograft.core.text import count


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training photos.

    Attributes:
        epoch: From 1.
        loss: Mean over the epoch's photos, as training saw them: augmented, with dropout.
        accuracy: Likewise, in [0, 1].
        val_loss: On validation after the epoch; None where there is no validation.
        val_accuracy: Likewise.
        learning_rate: Of the head, at the epoch's last step.
        seconds: What the epoch took, validation included.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float
    seconds: float

    def line(self) -> str:
        """Return the epoch's losses and accuracies as words."""
        text = f"loss {self.loss:.4f} accuracy {self.accuracy:.3f}"
        if self.val_loss is None or self.val_accuracy is None:
            return text
        return f"{text} | validation: loss {self.val_loss:.4f} accuracy {self.val_accuracy:.3f}"


@dataclass(frozen=True)
class History:
    """All epochs of a training, and which of them it kept.

    Attributes:
        epochs: In their order.
        kept: The number of the epoch whose weights are the result, from 1.
        notes: What the user should know of how it went.
    """

    epochs: tuple[Epoch, ...]
    kept: int
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"History({count(len(self.epochs), 'epoch')}, epoch {self.kept} kept)"

    def to_csv(self) -> str:
        """Return a table with a row per epoch."""
        names = [field.name for field in fields(Epoch)]
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(epoch) for epoch in self.rounded().epochs)
        return text.getvalue()

    def rounded(self) -> History:
        """Return the history to six digits, as its table has it."""
        return replace(self, epochs=tuple(Epoch(**_rounded(epoch)) for epoch in self.epochs))

    @classmethod
    def from_csv(cls, text: str, kept: int = 0) -> History:
        """Return the history that a table from `to_csv` tells.

        A spreadsheet may have saved it since, with semicolons, and commas in its numbers.

        Raises:
            ValueError: It is no such table.
        """
        epochs = []
        text = text.removeprefix("\ufeff")
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        for row in csv.DictReader(io.StringIO(text), delimiter=delimiter):
            try:
                values = {name: _number(value) for name, value in row.items()}
                number = int(float(row["epoch"]))
                epochs.append(Epoch(**{**values, "epoch": number}))  # type: ignore[arg-type]
            except (TypeError, KeyError, AttributeError) as error:
                raise ValueError(f"the row {row} is no epoch") from error
        return cls(tuple(epochs), kept or len(epochs))


class Follower(Protocol):
    """Told of each epoch as it ends."""

    def epoch(self, epoch: Epoch) -> None:
        """Take note of an epoch."""


def smoothed(values: Sequence[float], factor: float) -> list[float]:
    """Return an exponential moving average that begins at the first value.

    Args:
        values: In order.
        factor: How much of the average stays at each step, in [0, 1).

    >>> smoothed([1.0, 0.0, 0.0], 0.5)
    [1.0, 0.5, 0.25]
    """
    result: list[float] = []
    for value in values:
        result.append(factor * result[-1] + (1 - factor) * value if result else value)
    return result


def _number(text: str) -> float | None:
    return float(text.replace(",", ".")) if text else None


def _rounded(epoch: Epoch) -> dict[str, Any]:
    return {
        name: float(f"{value:.6g}") if isinstance(value, float) else value
        for name, value in asdict(epoch).items()
    }
