"""What a classifier answers by rules: a class, or that it had better not name one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from photograft.classifier.prediction import Prediction
from photograft.classifier.uncertainty.uncertainty import Rules


def answered(prediction: Prediction, rules: Rules, class_names: Sequence[str]) -> Prediction:
    """Return a prediction with the answer that rules give, and the classes that may be right.

    Args:
        prediction: Any.
        rules: Of its classifier.
        class_names: The classifier's.
    """
    probabilities, label = prediction.probabilities, prediction.label
    if probabilities is None or label is None:
        return prediction
    answer = classes = None
    if rules.answers:
        answer = rules.answer(label, prediction.probability or 0.0, prediction.ood_score)
    if rules.sets is not None:
        chosen = np.flatnonzero(rules.sets.sets(probabilities[None])[0])
        classes = tuple(class_names[c] for c in chosen.tolist())
    return replace(prediction, answer=answer, classes=classes)
