"""What a saved classifier carries to say how sure it is, and the rules that users choose by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from photograft.classifier.uncertainty.abstaining import sureness
from photograft.classifier.uncertainty.conformal import ConformalSets
from photograft.classifier.uncertainty.held_out import HeldOutAnswers
from photograft.classifier.uncertainty.ood_detector import OODDetector
from photograft.core.errors import ClassifierError, InputError
from photograft.core.text import count, percent

#: In a saved classifier's folder.
FILE_NAME = "assurance.safetensors"

UNKNOWN, UNSURE = "unknown", "unsure"

_OOD = "novelty."
#: Logarithms are taken of no less than this.
LEAST_PROBABILITY = 1e-30


@dataclass(frozen=True)
class Rules:
    """When a classifier had better not name a class.

    Attributes:
        ood_threshold: A photo with a higher OOD score is none of the classes; None where that is
            not asked.
        confidence: Below this the answer is left open; None likewise.
        sets: Which classes come into question; None likewise.
        sentences: What can be said of each rule, for users.
    """

    ood_threshold: float | None = None
    confidence: float | None = None
    sets: ConformalSets | None = None
    sentences: tuple[str, ...] = ()

    @property
    def answers(self) -> bool:
        """Whether an answer may be another than the most probable class."""
        return self.ood_threshold is not None or self.confidence is not None

    def is_unknown(self, ood_score: float | None) -> bool:
        """Return whether a photo of that OOD score is none of the classes."""
        threshold = self.ood_threshold
        return threshold is not None and ood_score is not None and ood_score > threshold

    def answer(self, label: str, probability: float, ood_score: float | None) -> str:
        """Return the class, ``"unsure"``, or ``"unknown"``."""
        if self.is_unknown(ood_score):
            return UNKNOWN
        if self.confidence is not None and probability < self.confidence:
            return UNSURE
        return label


@dataclass(frozen=True)
class Uncertainty:
    """What is known of how sure a classifier may be.

    Attributes:
        held_out: How it did on photos that it did not learn from; None where there were none.
        ood_detector: Where its training photos lie; None where nothing showed how new ones would.
        calibration: What `calibration.Calibration` says, as plain JSON types; None where there were
            no photos to calibrate on.
    """

    held_out: HeldOutAnswers | None = None
    ood_detector: OODDetector | None = None
    calibration: dict[str, Any] | None = None

    def __repr__(self) -> str:
        num_held = len(self.held_out.confidence) if self.held_out else 0
        known = "known" if self.ood_detector else "not known"
        return f"Uncertainty({count(num_held, 'held-out answer')}, OOD detector {known})"

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
        threshold = confidence = sets = None
        sentences: list[str] = []
        if kept is not None:
            if self.ood_detector is None:
                raise _lacking("what is unknown to it")
            threshold = self.ood_detector.threshold(kept)
            share, _, known = self.ood_detector.share_kept(threshold)
            sentences.append(
                f"unknown: an OOD score of more than {threshold:.3f}. Of "
                f"{count(known, 'photo')} of its classes that it did not learn from, "
                f"{percent(share)} are below that" + _lets_through(self.ood_detector, threshold)
            )
        held_out = self.held_out
        if (min_accuracy is not None or coverage is not None) and held_out is None:
            raise _lacking("how sure it may be")
        if min_accuracy is not None and held_out is not None:
            found = held_out.abstention(min_accuracy)
            confidence = found.threshold
            sentences.append(
                f"unsure: what it is less than {sureness(confidence)} sure of. {found.sentence}"
            )
        if coverage is not None and held_out is not None:
            sets = held_out.sets(coverage)
            sentences.append(f"classes: {sets.sentence}")
        return Rules(threshold, confidence, sets, tuple(sentences))

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return its numbers by name, for a file."""
        found: dict[str, npt.NDArray[Any]] = {}
        if self.held_out is not None:
            found |= self.held_out.tensors()
        if self.ood_detector is not None:
            found |= {_OOD + name: value for name, value in self.ood_detector.tensors().items()}
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
            name.removeprefix(_OOD): value
            for name, value in tensors.items()
            if name.startswith(_OOD)
        }
        source = data.get("held_out")
        try:
            return cls(
                HeldOutAnswers.from_tensors(tensors, source) if source is not None else None,
                _read_ood_detector(own) if own else None,
                data.get("calibration"),
            )
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise ClassifierError(
                "what this classifier carries of how sure it is is incomplete",
                fix="Copy its folder again, or train again.",
            ) from error


def logs_of(probabilities: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """Return natural logarithms of probabilities, finite."""
    found: npt.NDArray[np.float32] = np.log(np.maximum(probabilities, LEAST_PROBABILITY)).astype(
        np.float32
    )
    return found


def _lets_through(ood_detector: OODDetector, threshold: float) -> str:
    """Return what a threshold lets through, for users, as far as anybody knows."""
    found = ood_detector.let_through(threshold)
    if found is None:
        return "."
    return f"; of a class that is new to it and like them, {percent(found.share)} would be, too."


def _read_ood_detector(tensors: Mapping[str, npt.NDArray[Any]]) -> OODDetector:
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
    ood_detector = OODDetector.from_tensors(tensors)
    n, r = ood_detector.rows.shape
    width = int((ood_detector.bounds[:, 1] - ood_detector.bounds[:, 0]).sum())
    fits = ood_detector.projection.shape == (width, r) and ood_detector.radii.shape == (n,)
    are_lists = ood_detector.held_out.ndim == ood_detector.left_out.ndim == 1
    if not fits or not are_lists or ood_detector.neighbour < 1 or ood_detector.spread <= 0:
        raise ValueError("no such numbers were ever written")
    return ood_detector


def _lacking(what: str) -> InputError:
    return InputError(
        f"this classifier does not know {what}: it was trained without photos set aside, or by an "
        "older version",
        fix="Train again, with a validation part.",
    )
