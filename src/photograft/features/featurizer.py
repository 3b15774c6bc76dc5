"""Features of photos, a batch in and a batch out, for programs that deal out batches themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from photograft.backbones.settings import DEFAULT_BACKBONE
from photograft.core.errors import InputError
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore, default_cache_dir
from photograft.data.photo_inputs import PhotoFile
from photograft.features.looking import Looking
from photograft.features.networks import JoinedStoredNetwork, StoredNetwork
from photograft.features.opening import extractor_for, find_layers
from photograft.features.settings import ExtractionSettings

#: The columns that a batch may have its photos in.
_BYTES, _PATH = "bytes", "path"


class Featurizer:
    """From a batch of photos to a batch of features, wherever it is sent.

    It is picklable and small; what it is sent to opens the network at the first batch, and keeps
    it.
    Which engine computes, and in which precision, is decided where it is made, so that all that it
    is sent to give the same features, bit for bit: those that Photograft keeps itself.

    Args:
        backbone: As `train` takes it, several looks included.
        layer: ``"last"``, ``"joined"``, or names with commas between.
        options: Other settings of `ExtractionSettings` by name, such as ``engine``.

    Attributes:
        num_features: How many there are of each photo.

    Raises:
        InputError: The settings ask for what is not there, or for what goes by training photos.
        WeightsError: The weights are not here and can't be fetched.

    >>> featurizer = Featurizer()
    >>> batch = featurizer({"path": ["nowhere.jpg"]})
    >>> batch["features"].shape, batch["error"]
    ((1, 1280), ['unreadable: No such file or directory'])
    """

    def __init__(
        self, backbone: str = DEFAULT_BACKBONE, *, layer: str = "last", **options: Any
    ) -> None:
        settings = ExtractionSettings(backbone=backbone, layer=layer, **options)
        record, self._columns = find_layers(settings)
        extractor = extractor_for(
            record, settings, store=FeatureStore(default_cache_dir()), progress=Silent()
        )
        parts = extractor.parts or (extractor,)
        stored = [
            StoredNetwork(part.backbone, part.path, part.engine, part.folder()) for part in parts
        ]
        network = JoinedStoredNetwork(record, tuple(stored))
        self._work = Looking(record, network, max_pixels=settings.max_pixels)
        self.num_features = len(self._columns)

    def __repr__(self) -> str:
        return f"Featurizer({self._work.backbone.name!r}, num_features={self.num_features})"

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return a batch with the features of its photos.

        Args:
            batch: Columns of the same length. One is ``"bytes"``, whole files, or ``"path"``; where
                both are there, the former counts.

        Returns:
            Its other columns, ``"path"`` included; ``"features"``, float32, shape
            ``(n, num_features)``, NaN for a photo that can't be used; and ``"error"``, why not, for
            the others empty.

        Raises:
            InputError: There is neither column.
        """
        if _BYTES in batch:
            reads: list[Callable[[], bytes]] = [bytes(data).__bytes__ for data in batch[_BYTES]]
        elif _PATH in batch:
            reads = [PhotoFile(os.fsdecode(path)) for path in batch[_PATH]]
        else:
            raise InputError(
                "the batch has no photos",
                expected=f"a column {_BYTES} or {_PATH}",
                got=", ".join(map(str, batch)),
            )
        indices, rows, failed = self._work(reads)
        features = np.full((len(reads), self.num_features), np.nan, np.float32)
        features[indices] = rows[:, self._columns]
        errors = [""] * len(reads)
        for i, error in failed:
            errors[i] = str(error)
        own = {name: values for name, values in batch.items() if name != _BYTES}
        return {**own, "features": features, "error": errors}
