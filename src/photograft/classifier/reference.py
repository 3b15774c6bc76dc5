"""The training photos that are most like a photo, to the network's eye.

A classifier carries a few thousand of its training photos along, each as a short row of numbers:
the features of the last layer that the head sees, scaled to length 1 and projected to their main
axes. Near is what has a small cosine distance. Standardising or whitening the features first was
tried, and made neighbours less alike.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from photograft.core.arrays import Floats
from photograft.core.blas import one_thread
from photograft.core.errors import ClassifierError, InputError
from photograft.core.text import count
from photograft.features.similarity import (
    choose_rows,
    chunks,
    half,
    main_axes,
    unit_rows,
    usual_distance,
)

Tensors = Mapping[str, npt.NDArray[Any]]

#: In a saved classifier's folder.
FILE_NAME = "reference.safetensors"

#: Training photos that are carried along, numbers for each, and numbers in the projection at most.
MAX_ROWS = 3000
_RANK = 128
_MAX_ELEMENTS = 2_000_000

#: Photos nearer than this share of the usual distance to a neighbour are near-identical. All of 271
#: photos of insects, cats and dogs are that were saved anew as JPEGs, and none of 1,053 others; of
#: steel surfaces, which are much alike, two thirds, and 1 % of others.
_SAME_PICTURE = 0.15
_USUAL_NEIGHBOUR = 10


@dataclass(frozen=True)
class Neighbour:
    """A training photo that is like some photo.

    Attributes:
        name: As in the run's ``files.parquet``.
        label: The name of its class.
        distance: Cosine distance, in [0, 2]; 0 for the very same photo, to rounding.
    """

    name: str
    label: str
    distance: float


@dataclass(frozen=True)
class Reference:
    """Training photos to compare with.

    Attributes:
        names: Of the photos, as in the run's ``files.parquet``.
        labels: Indices into the classifier's class names, int64, shape ``(n,)``.
        projection: From features scaled to length 1, float32, shape ``(d, r)``.
        rows: The photos, projected, of length 1, float32, shape ``(n, r)``.
    """

    names: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    projection: Floats
    rows: Floats

    def __repr__(self) -> str:
        return f"Reference({count(len(self.names), 'photo')}, {self.rows.shape[1]} numbers each)"

    @classmethod
    def fit(
        cls,
        features: Floats,
        labels: npt.NDArray[np.int64],
        names: Sequence[str],
        *,
        rng: np.random.Generator,
    ) -> Self:
        """Take training photos as a reference.

        Args:
            features: The last layer that the head sees, pooled (see `Classifier.last_columns`),
                float32, shape ``(n, d)``, n at least 1.
            labels: Their class indices, shape ``(n,)``.
            names: Of the photos.
            rng: Decides which are carried along where there are more than `MAX_ROWS`: as many of
                each class as there is room for.

        Raises:
            InputError: There are none, or their numbers differ.
        """
        if not len(names) or not len(names) == len(features) == len(labels):
            raise InputError(
                "there are no training photos to compare with",
                expected="features, labels and names of the same photos, one at least",
                got=f"{len(features)}, {len(labels)} and {len(names)}",
            )
        chosen = choose_rows(labels, rng, MAX_ROWS)
        units = unit_rows(features[chosen])
        rank = max(16, min(_RANK, _MAX_ELEMENTS // features.shape[1]))
        # At once as it will be read back: the same neighbours before and after saving.
        projection = half(main_axes(units, rank, rng))
        rows = half(unit_rows(units @ projection))
        return cls(tuple(names[i] for i in chosen), labels[chosen], projection, rows)

    @one_thread()
    def nearest(self, features: Floats, k: int = 5) -> tuple[npt.NDArray[np.intp], Floats]:
        """Return the training photos that are most like some photos.

        Args:
            features: As in `fit`, shape ``(m, d)``.
            k: How many of each; where fewer are carried along, all of those.

        Returns:
            Indices into `names`, shape ``(m, k)``, the nearest first, those alike in distance in
            their order; and cosine distances, float32, in [0, 2], of that shape.
        """
        k = min(k, len(self.rows))
        which = np.empty((len(features), k), np.intp)
        distances = np.empty((len(features), k), np.float32)
        for part in chunks(len(features)):
            found = unit_rows(unit_rows(features[part]) @ self.projection)
            apart = np.clip(1 - found @ self.rows.T, 0, 2).astype(np.float32)
            which[part] = np.argsort(apart, axis=1, kind="stable")[:, :k]
            distances[part] = np.take_along_axis(apart, which[part], axis=1)
        return which, distances

    @functools.cached_property
    def same_distance(self) -> float:
        """The cosine distance below which two photos are near-identical, to the network's eye."""
        alone = np.arange(len(self.rows), dtype=np.int64)
        return _SAME_PICTURE * usual_distance(self.rows, alone, _USUAL_NEIGHBOUR) / 2

    def has_like(self, features: Floats) -> npt.NDArray[np.bool_]:
        """Return whether photos are near-identical to one of these, as copies saved anew are.

        Args:
            features: As in `fit`, shape ``(m, d)``.

        Returns:
            Shape ``(m,)``.
        """
        found: npt.NDArray[np.bool_] = self.nearest(features, 1)[1][:, 0] < self.same_distance
        return found

    def neighbours(
        self, features: Floats, class_names: Sequence[str], k: int = 5
    ) -> tuple[Neighbour, ...]:
        """Return the training photos that are most like one photo, the nearest first.

        Args:
            features: As in `fit`, of the photo, shape ``(d,)``.
            class_names: The classifier's.
            k: How many.
        """
        which, distances = self.nearest(features[None], k)
        return tuple(
            Neighbour(self.names[i], class_names[self.labels[i]], float(distance))
            for i, distance in zip(which[0].tolist(), distances[0], strict=True)
        )

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return it by name, for a file; the names of the photos as UTF-8 of a JSON list."""
        text = json.dumps(list(self.names)).encode()
        return {
            "names": np.frombuffer(text, np.uint8).copy(),
            "labels": self.labels.astype(np.int32),
            "projection": np.ascontiguousarray(self.projection, np.float16),
            "rows": np.ascontiguousarray(self.rows, np.float16),
        }

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        """Return the reference that `tensors` gave, to the bit.

        Raises:
            KeyError: A tensor is missing.
            ValueError: They do not fit each other, or are not numbers.
        """
        names = json.loads(tensors["names"].tobytes())
        labels = tensors["labels"].astype(np.int64)
        projection = tensors["projection"].astype(np.float32)
        rows = tensors["rows"].astype(np.float32)
        n = len(names) if isinstance(names, list) else -1
        fits = labels.shape == (n,) and projection.ndim == 2
        if not (fits and n > 0 and rows.shape == (n, projection.shape[1]) and labels.min() >= 0):
            raise ValueError("names, labels, projection and rows do not fit each other")
        if not (np.isfinite(projection).all() and np.isfinite(rows).all()):
            raise ValueError("the projection or the rows hold what is no number")
        return cls(tuple(map(str, names)), labels, projection, rows)


def write_reference(folder: Path, reference: Reference) -> None:
    """Write a reference into the folder of a saved classifier."""
    # As bytes: written by safetensors itself, a full disk would be no OSError.
    (folder / FILE_NAME).write_bytes(save(reference.tensors()))


def read_reference(folder: Path, num_classes: int) -> Reference | None:
    """Return the reference in the folder of a saved classifier; None where it carries none.

    Args:
        folder: Of the classifier.
        num_classes: That it knows.

    Raises:
        ClassifierError: It is damaged.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        found = Reference.from_tensors(load(path.read_bytes()))
        if found.labels.max() >= num_classes:
            raise ValueError("a label is of no class")
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ClassifierError(
            f"{path} is not as it was written",
            fix="It was changed or damaged: copy the folder again, or train again.",
        ) from error
    return found
