"""The fitted classifier: from files to classes and probabilities; saved and loaded without pickle.

On disk it is a folder:

    classifier.json         class names, backbone record, layers, how it was trained; checksums
    head.safetensors        weight (d, num_classes) and bias (num_classes,), float32
    assurance.safetensors   held-out answers, and where training photos lie; see `uncertainty`
    reference.safetensors   training photos to compare with; see `reference`
    learned.safetensors     which photos it has learned from; see `learned`
    backbone.safetensors    the backbone's weights, where they were included;
    backbone.onnx           those of an ONNX file; of joined ones backbone-1.safetensors and so on
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Sized
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from photograft.backbones.engines import Engine
from photograft.backbones.registry import Backbone
from photograft.classifier.display import classifier_html, classifier_line
from photograft.classifier.files import find_folder
from photograft.classifier.folder import read_fields, write_fields, write_weights
from photograft.classifier.head import Head
from photograft.classifier.learned import Learned
from photograft.classifier.opening import ClassifierNetwork, Look, find_looks, kept_network
from photograft.classifier.prediction import Prediction, predict_in_order
from photograft.classifier.reference import Reference
from photograft.classifier.uncertainty.uncertainty import Uncertainty, logs_of
from photograft.classifier.views import ScoredBatch, average
from photograft.core.arrays import Floats
from photograft.core.bars import followed
from photograft.core.files import path_of
from photograft.core.progress import Watched
from photograft.data import images
from photograft.data.dataset import Dataset
from photograft.data.inputs import photos_in
from photograft.data.photo import Photo
from photograft.data.photo_inputs import PhotoInput
from photograft.features.layers import named_layers
from photograft.features.looking import Looking, look_at
from photograft.features.looks import JoinedNetwork


@dataclass(frozen=True)
class Classifier:
    """A backbone, the layers of it that are used, and the head on them.

    Attributes:
        class_names: The classes, in the order of the probabilities.
        backbone: The record; decides how photos are prepared.
        engine: What ran the backbone in training. Where it is not installed, torch stands in:
            the same to rounding.
        layers: Names of the layers that the head sees, joined.
        head: From their features to probabilities.
        trained: Where it comes from, as plain JSON types: version, data, seed, scores.
        max_pixels: Photos with more pixels than this get an error.
        weights_path: The backbone's weight file, or the folder of those of joined ones; None until
            located, for random weights, and where joined ones are each in a place of its own.
        views: What the network sees of each photo, their probabilities averaged: ``"plain"``, and
            ``"flip"`` for the mirror image.
        uncertainty: What it carries to say how sure it is; None where it carries nothing.
        reference: Training photos to compare with; None likewise.
        learned: Which photos it has learned from; None where that is not known, as of those that
            older versions wrote.
    """

    class_names: tuple[str, ...]
    backbone: Backbone
    engine: Engine
    layers: tuple[str, ...]
    head: Head
    trained: dict[str, Any] = field(default_factory=dict)
    max_pixels: int = images.DEFAULT_MAX_PIXELS
    weights_path: Path | None = None
    views: tuple[str, ...] = ("plain",)
    uncertainty: Uncertainty | None = None
    reference: Reference | None = None
    learned: Learned | None = None

    def __repr__(self) -> str:
        return classifier_line(self.class_names, self.backbone.name, self.trained)

    def _repr_html_(self) -> str:
        return classifier_html(
            self.class_names, self.backbone.name, self.layers, self.head.num_params, self.trained
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Classifier:
        """Load a classifier.

        Args:
            path: Its folder, or the run folder that holds it.

        Raises:
            ClassifierError: There is none, it was changed since it was written, or it comes from
                a newer version.
        """
        folder = find_folder(path_of(path, "the classifier", "the path of its folder"))
        return cls(**read_fields(folder))

    def save(self, folder: str | os.PathLike[str], *, include_weights: bool = False) -> None:
        """Write the classifier into a folder, which is made.

        Args:
            folder: New or empty.
            include_weights: Also write the backbone's weights. Otherwise loading needs the
                package or the file that they came from, and checks it by its hash.
        """
        folder = path_of(folder, "the folder")
        folder.mkdir(parents=True, exist_ok=True)
        if include_weights or self.is_trained:
            write_weights(folder, self.backbone, self.looks())
        write_fields(folder, vars(self))

    @overload
    def predict(
        self, x: bytes | Image.Image | Photo, *, progress: Watched = True
    ) -> Prediction: ...
    @overload
    def predict(
        self, x: str | os.PathLike[str] | npt.NDArray[Any], *, progress: Watched = True
    ) -> Any: ...
    @overload
    def predict(
        self, x: Dataset | Iterable[Any], *, progress: Watched = True
    ) -> list[Prediction]: ...

    def predict(self, x: Any, *, progress: Watched = True) -> Prediction | list[Prediction]:
        """Classify one photo, or several.

        Args:
            x: One photo: the path of a file, the bytes of one, a Pillow picture, a `Photo`, or an
                array ``(height, width)`` or ``(height, width, channels)`` with 1, 3 or 4 channels,
                whole numbers in [0, 255] or floats in [0, 1]. Or several: the path of a folder,
                whose visible files at every depth are taken in the order of their names; a
                `Dataset`; an array ``(n, height, width)`` or ``(n, height, width, channels)``; or
                any iterable of photos, such as a list, a Series or a generator.
            progress: Told how far it is with several.

        Returns:
            One prediction for one photo, a list of them, in order, for several. A photo that can't
            be read gets one with its `error`.

        Raises:
            InputError: It is none of these.
            WeightsError: The backbone's weights are not here and can't be fetched.
        """
        photos = photos_in(x)
        answers = self._watched(photos, progress)
        return answers[0] if isinstance(photos, PhotoInput) else answers

    def predict_proba(self, x: Any, *, progress: Watched = True) -> Floats:
        """Return the probabilities of the classes: of one photo, or of several.

        Args:
            x: As in `predict`.
            progress: Likewise.

        Returns:
            Float32 in [0, 1]: shape ``(num_classes,)`` for one photo, ``(n, num_classes)`` for
            several. Those of a photo that can't be read are NaN.

        Raises:
            InputError: `x` is neither one photo nor several.
            WeightsError: The backbone's weights are not here and can't be fetched.
        """
        photos = photos_in(x)
        blank = np.full(len(self.class_names), np.nan, np.float32)
        found = (answer.probabilities for answer in self._watched(photos, progress))
        rows = [blank if row is None else row for row in found]
        if isinstance(photos, PhotoInput):
            return rows[0]
        return np.stack(rows) if rows else np.empty((0, len(blank)), np.float32)

    def stream(self, x: Any) -> Generator[Prediction, None, None]:
        """Classify photos one after another, in order, in bounded memory.

        Args:
            x: As in `predict`; a generator is read only a little ahead.

        Yields:
            One prediction per photo, in the same order. A photo that can't be read gets one with
            its `error`.

        Raises:
            InputError: `x`, or what it gives, is no photo.
        """
        return self._answers(photos_in(x))

    def _watched(
        self, photos: PhotoInput | Iterable[PhotoInput], watched: Watched
    ) -> list[Prediction]:
        if isinstance(photos, PhotoInput):
            return list(self._answers(photos))
        total = len(photos) if isinstance(photos, Sized) else 0
        return list(followed(self._answers(photos), watched, "Classifying", total, "photos"))

    def _answers(
        self, photos: PhotoInput | Iterable[PhotoInput]
    ) -> Generator[Prediction, None, None]:
        several = [photos] if isinstance(photos, PhotoInput) else photos
        return predict_in_order(several, self.score_batches, self.ood_scores, self.class_names)

    def score_batches(
        self, reads: Iterable[Callable[[], bytes]]
    ) -> Generator[ScoredBatch, None, None]:
        """Yield features and probabilities batch by batch; see `look_at`.

        Args:
            reads: Each returns one file's bytes.

        Yields:
            Positions, features of the photos as they are ``(n, num_features)``, probabilities
            ``(n, num_classes)``, and the positions and errors of files that failed.
        """
        network = ClassifierNetwork(self.backbone, self.weights_path, self.engine, self.views)
        work = Looking(self.backbone, network, max_pixels=self.max_pixels)
        batches = look_at(reads, work)
        with contextlib.closing(batches):
            for indices, features, failed in batches:
                yield ScoredBatch(indices, *self.score_features(features), failed)

    def score_features(self, features: Floats) -> tuple[Floats, Floats]:
        """Return features and probabilities of photos, from those of all their views.

        Args:
            features: What the network gives by `looking_at`: those of each view side by side.

        Returns:
            Features of the photos as they are ``(n, num_features)``, and probabilities
            ``(n, num_classes)``.
        """
        width = self.backbone.num_features
        parts = [
            self.classify(features[:, i : i + width]) for i in range(0, features.shape[1], width)
        ]
        return features[:, :width], average(parts)

    def ood_scores(self, features: Floats, probabilities: Floats) -> Floats | None:
        """Return how unlike every class photos are, shape ``(n,)``; None where it can't tell.

        Args:
            features: Stored rows, shape ``(n, num_features)``.
            probabilities: What the classifier says of them, shape ``(n, num_classes)``.
        """
        if self.uncertainty is None or self.uncertainty.ood_detector is None:
            return None
        return self.uncertainty.ood_detector.scores(features, logs_of(probabilities))

    def classify(self, features: Floats) -> Floats:
        """Return probabilities ``(n, num_classes)`` for stored rows ``(n, num_features)``."""
        return self.head.predict_proba(features[:, self.columns()])

    @property
    def is_trained(self) -> bool:
        """Whether the backbone's own weights were changed, and so exist nowhere else."""
        return self.backbone.weights == "trained"

    def columns(self) -> npt.NDArray[np.intp]:
        """Return the columns of a stored row that the head sees."""
        return named_layers(self.backbone.layers, self.layers)[1]

    def last_columns(self) -> npt.NDArray[np.intp]:
        """Return the columns of a stored row that are the last layer that the head sees."""
        names, _ = named_layers(self.backbone.layers, self.layers)
        return named_layers(self.backbone.layers, names[-1:])[1]

    def network(self) -> JoinedNetwork:
        """Return the running backbone, opened at the first call and kept."""
        return kept_network(self.backbone, self.looks(), self.engine)

    def looks(self) -> tuple[Look, ...]:
        """Return the backbone's looks, their weight files found and checked.

        Raises:
            WeightsError: One is not on this machine, or not the one that it was trained with.
        """
        return find_looks(self.backbone, self.weights_path)

    def located(self) -> Classifier:
        """Return the classifier with the backbone's weight file found and checked.

        Raises:
            WeightsError: It is not on this machine, or not the one that it was trained with.
        """
        looks = self.looks()
        return self if self.backbone.parts else replace(self, weights_path=looks[0].path)
