"""From a folder of labelled photos to an image classifier you can trust.

    import photograft

    run = photograft.train("photos")
    run.classifier.predict(["new/a.jpg"])

Importing this imports nothing heavy: each name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from photograft._version import __version__ as __version__

if TYPE_CHECKING:
    from photograft.backbones.registry import Backbone as Backbone
    from photograft.classifier.classifier import Classifier as Classifier
    from photograft.classifier.classifier import Prediction as Prediction
    from photograft.core.errors import PhotograftError as PhotograftError
    from photograft.core.progress import Progress as Progress
    from photograft.core.store import FeatureStore as FeatureStore
    from photograft.data.dataset import Dataset as Dataset
    from photograft.evaluation.metrics import Evaluation as Evaluation
    from photograft.interfaces.sklearn.estimators import BackboneFeatures as BackboneFeatures
    from photograft.interfaces.sklearn.estimators import PhotoClassifier as PhotoClassifier
    from photograft.learning.settings import TrainConfig as TrainConfig
    from photograft.runs.comparison import Comparison as Comparison
    from photograft.runs.run import Run as Run
    from photograft.workflows.compare import compare as compare
    from photograft.workflows.evaluate import evaluate as evaluate
    from photograft.workflows.inspect import inspect as inspect
    from photograft.workflows.train import train as train

_HOMES = {
    "Backbone": "backbones.registry",
    "BackboneFeatures": "interfaces.sklearn.estimators",
    "Classifier": "classifier.classifier",
    "Comparison": "runs.comparison",
    "Dataset": "data.dataset",
    "Evaluation": "evaluation.metrics",
    "FeatureStore": "core.store",
    "PhotoClassifier": "interfaces.sklearn.estimators",
    "PhotograftError": "core.errors",
    "Prediction": "classifier.classifier",
    "Progress": "core.progress",
    "Run": "runs.run",
    "TrainConfig": "learning.settings",
    "compare": "workflows.compare",
    "evaluate": "workflows.evaluate",
    "inspect": "workflows.inspect",
    "train": "workflows.train",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'photograft' has no attribute {name!r}")
    return getattr(importlib.import_module(f"photograft.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
