"""What both estimators share: parameters as settings, and tags."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from photograft.core.errors import InputError
from photograft.core.store import FeatureStore
from photograft.workflows.photos import is_column
from photograft.workflows.settings import TrainConfig

try:
    from sklearn.base import BaseEstimator
    from sklearn.utils import Tags
except ImportError as missing:
    raise InputError(
        "the estimators need scikit-learn 1.6 or later",
        got=str(missing),
        fix="Run: pip install 'photograft[sklearn]'.",
    ) from missing

#: Settings of `TrainConfig` that are no parameters of an estimator, and mean something to both.
SETTINGS = ("weights", "engine", "precision", "device", "pooling", "max_pixels", "preprocessing")

Settings = Mapping[str, Any] | None
CacheFolder = str | os.PathLike[str] | None


class PhotoEstimator(BaseEstimator):  # type: ignore[misc]
    """An estimator whose ``X`` is photos; its parameters include ``cache`` and ``settings``."""

    cache: CacheFolder
    settings: Settings

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = True  # a table of one column
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags

    def _config(self, allowed: tuple[str, ...], **values: Any) -> TrainConfig:
        """Return the settings that the parameters give.

        Args:
            allowed: What may be in the parameter ``settings``.
            values: The other parameters.

        Raises:
            InputError: A parameter has a value that it can't have.
        """
        settings = dict(self.settings or {})
        unknown = sorted(set(settings) - set(allowed))
        if unknown:
            raise InputError(
                f"{unknown[0]!r} can't be among the settings of an estimator",
                expected=", ".join(allowed),
            )
        # A grid is often made of NumPy's numbers.
        plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}
        # A path is no network's name.
        paths = {k: v for k, v in plain.items() if isinstance(v, os.PathLike)}
        plain |= {k: os.path.join(os.curdir, v) for k, v in paths.items()}
        # Who splits here is scikit-learn: what belongs together is for its caller to say.
        return TrainConfig.from_json({"near_duplicates": "ignore", **settings, **plain})

    def _store(self) -> FeatureStore:
        return FeatureStore(None if self.cache is None else Path(self.cache))

    def _note_columns(self, X: Any) -> None:
        """Set ``n_features_in_`` where ``X`` has columns, and only there."""
        self.__dict__.pop("n_features_in_", None)
        if is_column(X):
            self.n_features_in_ = 1
