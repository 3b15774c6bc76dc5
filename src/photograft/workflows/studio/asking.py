"""A classifier that is kept open and asked of one photo after another."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from photograft.classifier.classifier import Classifier
from photograft.classifier.heat_maps import HeatMaps
from photograft.classifier.uncertainty.ood_detector import DEFAULT_KEPT
from photograft.classifier.uncertainty.uncertainty import Rules, Uncertainty
from photograft.core.errors import InputError
from photograft.data.images import decode
from photograft.report.plots.overlays import overlay, where
from photograft.workflows.serving.limits import Limits

#: How often answers are to be right; surer ones are given, the others are "unsure".
MIN_ACCURACY = 0.95
#: The longer side of a heat map over its photo, in pixels; and neighbours.
_SIDE, _NUM_NEIGHBOURS = 480, 5


@dataclass(frozen=True)
class Thought:
    """What a classifier says of a photo.

    Attributes:
        probabilities: Of the classes by name, falling.
        answer: The class, ``"unknown"`` or ``"unsure"``.
        ood_score: How unlike every class it is; None where that is not known.
        ood_threshold: Above it a photo is unknown; None likewise.
        neighbours: Names of the training photos most like it, their classes, and how alike they
            are, in [-1, 1], the nearest first; empty where that was not asked.
        heat_map: Where the evidence is, over the photo, a PNG; None where that was not asked, or
            the network gives none.
        why: What can be said in words; why there is no heat map, where it was asked for.
    """

    probabilities: tuple[tuple[str, float], ...]
    answer: str
    ood_score: float | None
    ood_threshold: float | None
    neighbours: tuple[tuple[str, str, float], ...] = ()
    heat_map: bytes | None = None
    why: str = ""


class Asked:
    """A classifier, open.

    Args:
        classifier: Any.

    Raises:
        WeightsError: Its network's weights are not here.
    """

    def __init__(self, classifier: Classifier) -> None:
        most = min(classifier.max_pixels, Limits().max_pixels)
        self.classifier = replace(classifier.located(), max_pixels=most)
        self.rules = _rules(classifier.uncertainty or Uncertainty())
        self._maps: HeatMaps | None = None

    def think(
        self, data: bytes, *, heat: bool = False, neighbours: bool = False, about: str = ""
    ) -> Thought:
        """Return what the classifier says of a photo.

        Args:
            data: Its file's bytes.
            heat: Also draw where the evidence is.
            about: The class that it is evidence for; the most probable one where empty.
            neighbours: Also find the training photos that are most like it.

        Raises:
            ImageError: It is no photo that can be read.
        """
        classifier = self.classifier
        reads: list[Callable[[], bytes]] = [lambda: data]
        (batch,) = classifier.score_batches(reads)
        for _, error in batch.failures:
            raise error
        scores = classifier.ood_scores(batch.features, batch.probabilities)
        score = None if scores is None else float(scores[0])
        row = batch.probabilities[0]
        order = row.argsort(kind="stable")[::-1].tolist()
        names = classifier.class_names
        found = Thought(
            tuple((names[c], float(row[c])) for c in order),
            self.rules.answer(names[order[0]], float(row[order[0]]), score),
            score,
            self.rules.ood_threshold,
        )
        if neighbours and classifier.reference is not None:
            own = batch.features[0, classifier.last_columns()]
            near = classifier.reference.neighbours(own, names, _NUM_NEIGHBOURS)
            found = replace(
                found, neighbours=tuple((n.name, n.label, 1 - n.distance) for n in near)
            )
        about_index = names.index(about) if about else order[0]
        return replace(found, **self._heat(data, about_index)) if heat else found

    def _heat(self, data: bytes, class_index: int) -> dict[str, Any]:
        """Return heat map and words for `Thought`."""
        backbone = self.classifier.backbone
        try:
            self._maps = self._maps or HeatMaps(self.classifier)
            look = self._maps.evidence_in(data, class_index)
        except InputError as error:
            return {"why": f"There is no heat map: {error}"}
        photo = decode(data, max_pixels=self.classifier.max_pixels, at_least=_SIDE)
        photo.thumbnail((_SIDE, _SIDE), reducing_gap=2.0)
        stream = io.BytesIO()
        overlay(photo, look.heat, backbone).save(stream, "PNG", compress_level=3)
        place = where(look.heat, backbone, photo.size)
        name = self.classifier.class_names[class_index]
        why = f"Most of the evidence for {name} is at the {place}." if place else ""
        return {"heat_map": stream.getvalue(), "why": why or f"Nothing speaks for {name}."}


def _rules(known: Uncertainty) -> Rules:
    """Return by what a photo is unknown, and below which confidence an answer is left open.

    That is the lowest one which reached the accuracy on held-out photos, be it shown or not.
    """
    kept = DEFAULT_KEPT if known.ood_detector is not None else None
    rules = known.rules(kept=kept)
    if known.held_out is None or not len(known.held_out.confidence):
        return rules
    found = known.held_out.abstention(MIN_ACCURACY)
    reached = found.reached_threshold
    return replace(rules, confidence=found.threshold if reached is None else reached)
