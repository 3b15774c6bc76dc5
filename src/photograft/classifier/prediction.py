"""What a classifier says of photos, one after another in their order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field

from photograft.classifier.views import ScoredBatch
from photograft.core.arrays import Floats
from photograft.data.photo_inputs import PhotoInput


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one photo.

    Attributes:
        name: The file, as it was given; of what is no file, its place, such as ``"x[3]"``.
        label: The most probable class; None where the file can't be read.
        probability: Of that class, in [0, 1]; None likewise.
        probabilities: Of every class, float32, shape ``(num_classes,)``; None likewise.
        error: Why the file can't be read; empty where it can.
        ood_score: How unlike every class the photo is: higher is less like them (see
            `ood_detector`); None where the file can't be read or the classifier can't tell.
        answer: The class, ``"unknown"`` or ``"unsure"``, by rules; None where there are none.
        classes: The classes that may be right, by rules; None likewise.
    """

    name: str
    label: str | None = None
    probability: float | None = None
    probabilities: Floats | None = field(default=None, repr=False)
    error: str = ""
    ood_score: float | None = None
    answer: str | None = None
    classes: tuple[str, ...] | None = None


def predict_in_order(
    photos: Iterable[PhotoInput],
    score_batches: Callable[[Iterable[Callable[[], bytes]]], Generator[ScoredBatch, None, None]],
    ood_scores: Callable[[Floats, Floats], Floats | None],
    class_names: Sequence[str],
) -> Generator[Prediction, None, None]:
    """Yield a prediction for each photo, in their order, in bounded memory.

    Args:
        photos: Read only a little ahead.
        score_batches: As `Classifier.score_batches`: batches may come in any order.
        ood_scores: As `Classifier.ood_scores`.
        class_names: The classes, in the order of the probabilities.
    """
    # The names of what is under way; every position comes up exactly once.
    names: dict[int, str] = {}
    rows: dict[int, Prediction] = {}
    turn = 0

    def reads() -> Iterable[Callable[[], bytes]]:
        for i, photo in enumerate(photos):
            names[i] = photo.name
            yield photo.read

    batches = score_batches(reads())
    try:
        for indices, features, probabilities, failed in batches:
            scores = ood_scores(features, probabilities)
            rows |= {
                i: Prediction(
                    names[i],
                    class_names[int(row.argmax())],
                    float(row.max()),
                    row,
                    ood_score=None if scores is None else float(scores[k]),
                )
                for k, (i, row) in enumerate(zip(indices, probabilities, strict=True))
            }
            rows |= {i: Prediction(names[i], error=str(error)) for i, error in failed}
            while turn in rows:  # batches that others did come in any order
                del names[turn]
                yield rows.pop(turn)
                turn += 1
    finally:
        batches.close()
