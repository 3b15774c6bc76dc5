"""What a saved classifier carries to say how sure it is, and the rules that users choose by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from photograft.classifier.uncertainty.conformal import ConformalSets
from photograft.classifier.uncertainty.held_out import HeldOutAnswers
from photograft.classifier.uncertainty.novelty import Novelty
from photograft.core.errors import ClassifierError, InputError
from photograft.core.text import count

#: In a saved classifier's folder.
FILE_NAME = "assurance.safetensors"

UNKNOWN, UNSURE = "unknown", "unsure"

_NOVELTY = "novelty."


@dataclass(frozen=True)
class Rules:
    """When a classifier had better not name a class.

    Attributes:
        novelty: A photo with a higher score is none of the classes; None where that is not asked.
        confidence: Below this the answer is left open; None likewise.
        sets: Which classes come into question; None likewise.
        sentences: What can be said of each rule, for users.
    """

    novelty: float | None = None
    confidence: float | None = None
    sets: ConformalSets | None = None
    sentences: tuple[str, ...] = ()

    @property
    def answers(self) -> bool:
        """Whether an answer may be another than the most probable class."""
        return self.novelty is not None or self.confidence is not None

    def answer(self, label: str, probability: float, novelty: float | None) -> str:
        """Return the class, ``"unsure"``, or ``"unknown"``."""
        if self.novelty is not None and novelty is not None and novelty > self.novelty:
            return UNKNOWN
        if self.confidence is not None and probability < self.confidence:
            return UNSURE
        return label


@dataclass(frozen=True)
class Assurance:
    """What is known of how sure a classifier may be.

    Attributes:
        held_out: How it did on photos that it did not learn from; None where there were none.
        novelty: Where its training photos lie; None where nothing showed how new ones would.
        calibration: What `calibration.Calibration` says, as plain JSON types; None where there were
            no photos to calibrate on.
    """

    held_out: HeldOutAnswers | None = None
    novelty: Novelty | None = None
    calibration: dict[str, Any] | None = None

    def __repr__(self) -> str:
        num_held = len(self.held_out.confidence) if self.held_out else 0
        known = "known" if self.novelty else "not known"
        return f"Assurance({count(num_held, 'held-out answer')}, novelty {known})"

    def rules(
        self,
        *,
        kept: float | None = None,
        min_accuracy: float | None = None,
        coverage: float | None = None,
    ) -> Rules:
        """Return the rules for what a user asks.

        Args:
            kept: Share of one's own photos that are not to be called unknown.
            min_accuracy: How many of the answers are to be right.
            coverage: How often sets of classes are to hold the right one.

        Raises:
            InputError: A share is none, or the classifier carries nothing to tell by.
        """
        novelty = confidence = sets = None
        sentences: list[str] = []
        if kept is not None:
            if self.novelty is None:
                raise _lacking("what is unknown to it")
            novelty = self.novelty.threshold(kept)
            share, (low, high), count = self.novelty.share_kept(novelty)
            sentences.append(
                f"unknown: a novelty of more than {novelty:.3f}; {share:.1%} of {count:,} photos "
                f"that it did not learn from are below (95% interval {low:.1%} to {high:.1%})"
                + _lets_through(self.novelty, novelty)
            )
        held_out = self.held_out
        if (min_accuracy is not None or coverage is not None) and held_out is None:
            raise _lacking("how sure it may be")
        if min_accuracy is not None and held_out is not None:
            found = held_out.abstention(min_accuracy)
            confidence = found.threshold
            sentences.append(f"unsure: {found.sentence}")
        if coverage is not None and held_out is not None:
            sets = held_out.sets(coverage)
            sentences.append(f"classes: {sets.sentence}")
        return Rules(novelty, confidence, sets, tuple(sentences))

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return its numbers by name, for a file."""
        found: dict[str, npt.NDArray[Any]] = {}
        if self.held_out is not None:
            found |= self.held_out.tensors()
        if self.novelty is not None:
            found |= {_NOVELTY + name: value for name, value in self.novelty.tensors().items()}
        return found

    def to_json(self) -> dict[str, Any]:
        """Return what is no number among it, as plain JSON types."""
        return {
            "held_out": self.held_out.source if self.held_out else None,
            "calibration": self.calibration,
        }

    @classmethod
    def from_parts(cls, tensors: Mapping[str, npt.NDArray[Any]], data: Mapping[str, Any]) -> Self:
        """Return what `tensors` and `to_json` gave.

        Raises:
            ClassifierError: A part is missing, or not as it was written.
        """
        own = {
            name.removeprefix(_NOVELTY): value
            for name, value in tensors.items()
            if name.startswith(_NOVELTY)
        }
        source = data.get("held_out")
        try:
            return cls(
                HeldOutAnswers.from_tensors(tensors, source) if source is not None else None,
                _read_novelty(own) if own else None,
                data.get("calibration"),
            )
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise ClassifierError(
                "what this classifier carries of how sure it is is incomplete",
                fix="Copy its folder again, or train again.",
            ) from error


def logs_of(probabilities: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """Return natural logarithms of probabilities, finite."""
    found: npt.NDArray[np.float32] = np.log(np.maximum(probabilities, 1e-30)).astype(np.float32)
    return found


def _lets_through(novelty: Novelty, threshold: float) -> str:
    """Return what a threshold lets through, for users; empty where nobody knows."""
    found = novelty.let_through(threshold)
    if found is None:
        return ""
    return (
        f"; were one of its classes new to it, {found.share:.1%} of that class's photos would be, "
        "too"
    )


def _read_novelty(tensors: Mapping[str, npt.NDArray[Any]]) -> Novelty:
    """Return what was read of a file, where it can answer.

    Raises:
        KeyError: A tensor is missing.
        ValueError: It would fail later, or answer with no number.
    """
    # Of a single class, none could be left out.
    is_finite = all(
        np.isfinite(part).all() and (part.size or name == "left_out")
        for name, part in tensors.items()
    )
    if not is_finite:
        raise ValueError("no such numbers were ever written")
    novelty = Novelty.from_tensors(tensors)
    n, r = novelty.rows.shape
    width = int((novelty.bounds[:, 1] - novelty.bounds[:, 0]).sum())
    fits = novelty.projection.shape == (width, r) and novelty.radii.shape == (n,)
    are_lists = novelty.held_out.ndim == novelty.left_out.ndim == 1
    if not fits or not are_lists or novelty.neighbour < 1 or novelty.spread <= 0:
        raise ValueError("no such novelty was ever written")
    return novelty


def _lacking(what: str) -> InputError:
    return InputError(
        f"this classifier does not know {what}: it was trained without photos set aside, or by an "
        "older version",
        fix="Train again, with a validation part.",
    )
