"""scikit-learn's estimator that classifies photos.

    from photograft import PhotoClassifier

    cross_val_score(PhotoClassifier(), paths, labels)

Imported only by those who want it: it takes scikit-learn, an extra.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from photograft.core.choices import LINEAR_HEADS
from photograft.core.errors import InputError
from photograft.core.files import new_folder
from photograft.core.schema import check_choice
from photograft.interfaces.sklearn.base import SETTINGS, CacheFolder, PhotoEstimator, Settings
from photograft.workflows.photos import fit_photos, score_photos, understand
from photograft.workflows.predict import load_classifier
from photograft.workflows.settings import Augmentation, TrainConfig
from photograft.workflows.types import Classifier

# After what says how to install it where it is missing.
# isort: off
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)
# isort: on

#: The strategies that leave the network as it is, so that an estimator is small and quick to fit.
STRATEGIES = ("features", "features+augment")


class PhotoClassifier(ClassifierMixin, PhotoEstimator):  # type: ignore[misc]
    """A classifier of photos: a pretrained network, left as it is, and a head on its features.

    ``X`` may be paths, arrays of pixels, or Pillow's pictures: see `understand`.
    Each photo is looked at once, whatever is fitted on it afterwards: its features are stored.
    A photo that can't be read is an error that names it.

    Args:
        backbone: Name of an embedded backbone or of any timm model, or the path of an ONNX file;
            ``"auto"`` is `DEFAULT_BACKBONE`. Several looks are joined by ``+``, such as
            ``"efficientnet_lite0+efficientnet_lite2@320"``; none is searched for.
        strategy: ``"features"``, or ``"features+augment"``: several views of each photo, where
            that helps. Those that train the network are commands, not estimators.
        layer: Which depths of the backbone the head sees: ``"last"``, ``"joined"``, names with
            commas between, or ``"auto"``, chosen by cross-validation on what is fitted.
        head: ``"logistic"`` regression, a linear ``"discriminant"``, or ``"auto"``: a blend of
            both, weighed by cross-validation on what is fitted.
        views: Augmented views of each photo; 0 for as many as their number suggests.
        augmentation: What ``"features+augment"`` changes; None for mild changes.
        class_weight: None, or ``"balanced"``: every class has the same say, whatever its size.
        random_state: Decides the folds of the choice within, and the augmented views.
        cache: The cache folder; None for the user's.
        settings: Further settings of `TrainConfig` by name: `SETTINGS` and ``"test_views"``.

    Attributes:
        classes_: The classes, sorted, of the type that ``y`` had; shape ``(num_classes,)``.
        classifier_: The same as an ordinary `Classifier`.
        selection_: What was tried, and how it did, as plain JSON types.
        n_features_in_: 1, where ``X`` was a table of one column.
    """

    classes_: npt.NDArray[Any]
    classifier_: Classifier
    selection_: dict[str, Any]

    def __init__(
        self,
        backbone: str | os.PathLike[str] = "auto",
        *,
        strategy: str = "features",
        layer: str = "auto",
        head: str = "auto",
        views: int = 0,
        augmentation: Augmentation | None = None,
        class_weight: str | None = None,
        random_state: int = 0,
        cache: CacheFolder = None,
        settings: Settings = None,
    ) -> None:
        self.backbone = backbone
        self.strategy = strategy
        self.layer = layer
        self.head = head
        self.views = views
        self.augmentation = augmentation
        self.class_weight = class_weight
        self.random_state = random_state
        self.cache = cache
        self.settings = settings

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learn from labelled photos: all of them, none are held back.

        Args:
            X: The photos.
            y: Their classes, shape ``(n,)``: text, whole numbers, or bools.
            groups: Photos of one group stay on one side of the folds of the choice within; shape
                ``(n,)``. Photos of the same content always do.

        Returns:
            The estimator itself.

        Raises:
            InputError: A photo or a parameter can't be used, or a class has fewer than two photos.
            WeightsError: The backbone's weights are not here and can't be fetched.
            StorageError: The cache can't be written.
        """
        config = self._train_config()
        classes, names = _read_labels(y)
        check_consistent_length(understand(X), names, groups)
        fitted = fit_photos(
            X,
            names,
            None if groups is None else [str(group) for group in groups],
            config,
            self._store(),
            name=type(self).__name__,
        )
        self.classes_ = classes
        self.classifier_ = fitted.classifier
        self.selection_ = fitted.selection
        self._note_columns(X)
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the most probable class of each photo, shape ``(n,)``, of the type of ``y``.

        Raises:
            InputError: A photo can't be read.
            NotFittedError: There was no `fit`.
        """
        found = self.predict_proba(X)
        predicted: npt.NDArray[Any] = self.classes_[found.argmax(axis=1)]
        return predicted

    def predict_proba(self, X: Any) -> npt.NDArray[np.float32]:
        """Return the probabilities of `classes_`, float32, shape ``(n, num_classes)``.

        Raises:
            InputError: A photo can't be read.
            NotFittedError: There was no `fit`.
        """
        check_is_fitted(self)
        classifier = self.classifier_
        found = score_photos(classifier, X, self._store())
        # A classifier has its classes in natural order, scikit-learn in that of `np.unique`.
        return found[:, [classifier.class_names.index(n) for n in _names(self.classes_)]]

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Return log probabilities ``(n, num_classes)``; of two classes, log-odds ``(n,)``.

        The log-odds are those of ``classes_[1]``: positive where it is predicted.

        Raises:
            InputError: A photo can't be read.
            NotFittedError: There was no `fit`.
        """
        found = self.predict_proba(X)
        logs = np.log(np.maximum(found, np.finfo(np.float32).tiny).astype(np.float64))
        return logs[:, 1] - logs[:, 0] if logs.shape[1] == 2 else logs

    def save(self, path: str | os.PathLike[str], *, include_weights: bool = False) -> None:
        """Write the fitted classifier into a new folder, for `photograft predict` and `Classifier`.

        Args:
            path: It must not exist yet, or be empty.
            include_weights: Also write the backbone's weights.

        Raises:
            StorageError: It can't be written.
            NotFittedError: There was no `fit`.
        """
        check_is_fitted(self)
        with new_folder(Path(path), fix="Choose another folder.") as partial:
            self.classifier_.save(partial, include_weights=include_weights)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, cache: CacheFolder = None) -> Self:
        """Return a fitted estimator for a saved classifier.

        Args:
            path: The folder of the classifier, or of its run.
            cache: As for the class.

        Returns:
            One whose `classes_` are the names of the classes, as text.

        Raises:
            ClassifierError: There is no classifier, or it is damaged.
            WeightsError: Its backbone's weights are not here.
        """
        classifier = load_classifier(path)
        loaded = cls(classifier.backbone.name, layer=",".join(classifier.layers), cache=cache)
        loaded.classes_ = np.unique(np.array(classifier.class_names))
        loaded.classifier_, loaded.selection_ = classifier, {}
        return loaded

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        return tags

    def _train_config(self) -> TrainConfig:
        check_choice("strategy", self.strategy, STRATEGIES)
        check_choice("head", self.head, LINEAR_HEADS)
        if self.class_weight not in (None, "balanced"):
            raise InputError(
                f"class_weight can't be {self.class_weight!r}", expected="None or 'balanced'"
            )
        if isinstance(self.views, (int, np.integer)) and self.views < 0:
            raise InputError(f"views can't be {self.views}", expected="0 or more")
        return self._config(
            (*SETTINGS, "test_views"),
            backbone=self.backbone,
            strategy=self.strategy,
            layer=self.layer,
            head=self.head,
            views=self.views,
            augmentation=self.augmentation,
            class_weight=self.class_weight or "none",
            seed=self.random_state,
            effort="quick",
            validation=0.0,
            test=0.0,
        )


def _read_labels(y: Any) -> tuple[npt.NDArray[Any], list[str]]:
    """Return the classes, sorted, and for each photo the name of its own."""
    if y is None:
        raise InputError("fit requires y to be passed, but the target y is None")
    array = check_array(y, ensure_2d=False, dtype=None, input_name="y")
    array = column_or_1d(array, warn=True)
    check_classification_targets(array)
    try:
        classes, codes = np.unique(array, return_inverse=True)
    except TypeError as error:
        raise InputError(
            "the classes in y can't be sorted", expected="all of one type", got=str(error)
        ) from error
    if len(classes) < 2:
        raise InputError(
            "there is one class only in y", expected="at least two", got=repr(classes.tolist()[0])
        )
    names = _names(classes)
    if len(set(names)) < len(names):
        raise InputError("classes in y differ, but not in how they are written")
    return classes, [names[code] for code in codes]


def _names(classes: npt.NDArray[Any]) -> list[str]:
    return [str(value) for value in classes.tolist()]
