"""From a folder of labelled photos to an image classifier you can trust.

    import photograft

    run = photograft.train("photos")
    run.classifier.predict("new/a.jpg")

Importing this imports nothing heavy: each name below is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photograft._version import __version__ as __version__
from photograft.core.lazy import hand_out

if TYPE_CHECKING:
    from photograft.backbones.registry import Backbone as Backbone
    from photograft.backbones.settings import Preprocessing as Preprocessing
    from photograft.classifier.classifier import Classifier as Classifier
    from photograft.classifier.prediction import Prediction as Prediction
    from photograft.core.errors import PhotograftError as PhotograftError
    from photograft.core.progress import Progress as Progress
    from photograft.core.store import FeatureStore as FeatureStore
    from photograft.data.dataset import Dataset as Dataset
    from photograft.evaluation.learning_curve.curve import LearningCurve as LearningCurve
    from photograft.evaluation.metrics import Evaluation as Evaluation
    from photograft.features.settings import Augmentation as Augmentation
    from photograft.interfaces.sklearn.estimators import PhotoClassifier as PhotoClassifier
    from photograft.interfaces.sklearn.transformer import BackboneFeatures as BackboneFeatures
    from photograft.learning.settings import TrainConfig as TrainConfig
    from photograft.learning.settings import Training as Training
    from photograft.report.plots.explanation import Explanation as Explanation
    from photograft.runs.comparison import Comparison as Comparison
    from photograft.runs.run import Run as Run
    from photograft.workflows.compare import compare as compare
    from photograft.workflows.doctor import Checkup as Checkup
    from photograft.workflows.doctor import doctor as doctor
    from photograft.workflows.evaluate import Evaluated as Evaluated
    from photograft.workflows.evaluate import evaluate as evaluate
    from photograft.workflows.explain import explain as explain
    from photograft.workflows.inspect import inspect as inspect
    from photograft.workflows.learning_curve import learning_curve as learning_curve
    from photograft.workflows.predict import predict as predict
    from photograft.workflows.suggest import Suggestions as Suggestions
    from photograft.workflows.suggest import suggest as suggest
    from photograft.workflows.train import train as train

_HOMES = {
    "Augmentation": "features.settings",
    "Backbone": "backbones.registry",
    "BackboneFeatures": "interfaces.sklearn.transformer",
    "Checkup": "workflows.doctor",
    "Classifier": "classifier.classifier",
    "Comparison": "runs.comparison",
    "Dataset": "data.dataset",
    "Evaluated": "workflows.evaluate",
    "Evaluation": "evaluation.metrics",
    "Explanation": "report.plots.explanation",
    "FeatureStore": "core.store",
    "LearningCurve": "evaluation.learning_curve.curve",
    "PhotoClassifier": "interfaces.sklearn.estimators",
    "PhotograftError": "core.errors",
    "Prediction": "classifier.prediction",
    "Preprocessing": "backbones.settings",
    "Progress": "core.progress",
    "Run": "runs.run",
    "Suggestions": "workflows.suggest",
    "TrainConfig": "learning.settings",
    "Training": "learning.settings",
    "compare": "workflows.compare",
    "doctor": "workflows.doctor",
    "evaluate": "workflows.evaluate",
    "explain": "workflows.explain",
    "inspect": "workflows.inspect",
    "learning_curve": "workflows.learning_curve",
    "predict": "workflows.predict",
    "suggest": "workflows.suggest",
    "train": "workflows.train",
}

__getattr__, _, _names = hand_out(__name__, _HOMES)
__all__ = sorted([*_names, "__version__"])


def __dir__() -> list[str]:
    return list(__all__)
