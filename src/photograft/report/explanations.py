"""Why a run's most confident mistakes were made: heat maps and nearest training photos."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from photograft.classifier.classifier import Classifier
from photograft.classifier.reference import Neighbour
from photograft.classifier.scoring import extractor_of, score_with_features
from photograft.classifier.uncertainty.ood_detector import DEFAULT_KEPT
from photograft.core.progress import Progress
from photograft.core.store import FeatureStore
from photograft.data.images import decode
from photograft.data.photo import Photo, examine
from photograft.data.sources.base import Item
from photograft.runs.folder import Answer

MAX_EXPLAINED = 8
_NUM_NEIGHBOURS = 4
#: The longer side of a heat map over its photo, in pixels.
_SIDE = 160
_QUALITY = 70

Reads = Mapping[str, Callable[[], bytes]]


@dataclass(frozen=True)
class ExplainedMistake:
    """Why a photo was taken for another class than its own.

    Attributes:
        overlay: The heat map of the class that was said, over the photo: a JPEG in a ``data:`` URI.
        where: Where it is warmest, in words; empty where nothing speaks for that class.
        neighbours: The training photos that are most like it, the nearest first; none where the
            classifier carries none.
        is_unknown: Whether it is like none of the classes, as ``predict --unknown`` says.
    """

    overlay: str
    where: str
    neighbours: tuple[Neighbour, ...]
    is_unknown: bool = False


def explain_mistakes(
    classifier: Classifier,
    answers: Sequence[Answer],
    reads: Reads,
    *,
    store: FeatureStore | None = None,
    progress: Progress,
) -> dict[str, ExplainedMistake]:
    """Return why wrong answers were given, by the name of the photo.

    A page is not worth failing for: what can't be explained is left out.

    Args:
        classifier: That gave them.
        answers: The most confident first; the first `MAX_EXPLAINED` are explained.
        reads: By name, what returns a photo's bytes.
        store: Where features are kept; the user's cache where not given.
        progress: Told how far it is.
    """
    wanted = [answer for answer in answers[:MAX_EXPLAINED] if answer.name in reads]
    found: dict[str, ExplainedMistake] = {}
    if not wanted:
        return found
    with progress.step("Explaining mistakes", len(wanted), "photos") as step:
        try:
            found = _explain(classifier, wanted, reads, store or FeatureStore(), step.advance)
        except Exception:
            return found  # no weights, no grid, no torch: the page does without
    return found


def _explain(
    classifier: Classifier,
    answers: Sequence[Answer],
    reads: Reads,
    store: FeatureStore,
    advance: Callable[[], None],
) -> dict[str, ExplainedMistake]:
    from photograft.classifier.heat_maps import HeatMaps
    from photograft.report.plots.overlays import overlay, where

    maps, reference = HeatMaps(classifier, store), classifier.reference
    unknown: set[str] = set()
    with contextlib.suppress(Exception):  # the page does without
        unknown = _unknown(classifier, answers, reads, store)
    found = {}
    for answer in answers:
        try:
            data = reads[answer.name]()
            look = maps.evidence_in(data, answer.predicted)
            photo = decode(data, max_pixels=classifier.max_pixels, at_least=_SIDE)
            photo.thumbnail((_SIDE, _SIDE), reducing_gap=2.0)
            stream = io.BytesIO()
            picture = overlay(photo, look.heat, classifier.backbone)
            picture.save(stream, "JPEG", quality=_QUALITY, optimize=True)
            near = (
                reference.neighbours(look.features, classifier.class_names, _NUM_NEIGHBOURS)
                if reference is not None
                else ()
            )
        except Exception:  # noqa: S112 - gone, changed, damaged: the others are still explained
            continue
        finally:
            advance()
        found[answer.name] = ExplainedMistake(
            "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii"),
            where(look.heat, classifier.backbone, photo.size),
            near,
            answer.name in unknown,
        )
    return found


def _unknown(
    classifier: Classifier, answers: Sequence[Answer], reads: Reads, store: FeatureStore
) -> set[str]:
    """Return the names of the photos that are like none of the classes.

    A frozen network's features are in the store since the photos were scored.
    """
    known = classifier.uncertainty
    if known is None or known.ood_detector is None:
        return set()
    items = [Item(a.name, label="", split=None, group=None, read=reads[a.name]) for a in answers]
    looked_at = [examine(item, classifier.max_pixels) for item in items]
    photos = [photo for photo in looked_at if isinstance(photo, Photo)]
    extractor = extractor_of(classifier, store)
    scores = classifier.ood_scores(*score_with_features(classifier, photos, extractor))
    rules = known.rules(kept=DEFAULT_KEPT)
    return {
        photo.name
        for photo, score in zip(photos, [] if scores is None else scores.tolist(), strict=True)
        if rules.is_unknown(score)
    }
