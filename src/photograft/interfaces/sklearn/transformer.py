"""scikit-learn's transformer from photos to features.

Imported only by those who want it: it takes scikit-learn, an extra.
"""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from photograft.interfaces.sklearn.base import SETTINGS, CacheFolder, PhotoEstimator, Settings
from photograft.workflows.photos import extract_photos, find_layers, understand
from photograft.workflows.settings import TrainConfig

# After what says how to install it where it is missing.
# isort: off
from sklearn.base import TransformerMixin
from sklearn.utils import Tags
# isort: on


class BackboneFeatures(TransformerMixin, PhotoEstimator):  # type: ignore[misc]
    """What a pretrained network makes of each photo; there is nothing to fit.

    ``X`` is as for `PhotoClassifier`, and both keep features in the same store.

    Args:
        backbone: As for `PhotoClassifier`.
        layer: ``"last"``, ``"joined"`` (the last and up to four earlier ones), or names with commas
            between.
        cache: The cache folder; None for the user's.
        settings: Further settings of `TrainConfig` by name: `SETTINGS`.
    """

    def __init__(
        self,
        backbone: str | os.PathLike[str] = "auto",
        *,
        layer: str = "last",
        cache: CacheFolder = None,
        settings: Settings = None,
    ) -> None:
        self.backbone = backbone
        self.layer = layer
        self.cache = cache
        self.settings = settings

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters and the kind of ``X``; no photo is read.

        Raises:
            InputError: ``X`` holds no photos, or a parameter can't be used.
        """
        del y
        find_layers(self._settings())
        understand(X)
        self._note_columns(X)
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float32]:
        """Return the features of photos, float32, shape ``(n, num_features)``.

        Raises:
            InputError: A photo or a parameter can't be used.
            WeightsError: The backbone's weights are not here and can't be fetched.
            StorageError: The cache can't be written.
        """
        return extract_photos(X, self._settings(), self._store())

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the features, layer and number, such as ``last_0``.

        Args:
            input_features: Taken since scikit-learn gives it; it says nothing about the features.
        """
        del input_features
        backbone, columns = find_layers(self._settings())
        names = [
            f"{layer.name}_{i}" for layer in backbone.layers for i in range(layer.num_features)
        ]
        return np.array(names, dtype=object)[columns]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _settings(self) -> TrainConfig:
        return self._config(SETTINGS, backbone=self.backbone, layer=self.layer)
