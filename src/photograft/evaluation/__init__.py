"""How good is it, and which is best? Metrics, paired tests, comparisons, learning curves.

May import `learning`, `classifier`, `features`, `data`, `backbones` and `core`; it knows no
`diagnosis`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photograft.core.lazy import hand_out

if TYPE_CHECKING:
    from photograft.evaluation.learning_curve.curve import LearningCurve as LearningCurve
    from photograft.evaluation.learning_curve.measuring import (
        measure_learning_curve as measure_learning_curve,
    )
    from photograft.evaluation.metrics import Evaluation as Evaluation
    from photograft.evaluation.metrics import Scored as Scored
    from photograft.evaluation.metrics import evaluate_probabilities as evaluate_probabilities
    from photograft.evaluation.uncertainty import fit_uncertainty as fit_uncertainty

__getattr__, __dir__, __all__ = hand_out(
    __name__,
    {
        "Evaluation": "metrics",
        "LearningCurve": "learning_curve.curve",
        "Scored": "metrics",
        "evaluate_probabilities": "metrics",
        "fit_uncertainty": "uncertainty",
        "measure_learning_curve": "learning_curve.measuring",
    },
)
