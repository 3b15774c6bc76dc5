"""Cross-validating heads on the features of one look, or of each of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from photograft.backbones.registry import Backbone, Layer
from photograft.core.arrays import Floats
from photograft.core.blas import one_thread
from photograft.core.progress import Progress
from photograft.learning.head.candidates import KINDS, Gather, HeadCandidate, Question, try_heads
from photograft.learning.head.out_of_fold import repeated_folds
from photograft.learning.head.sampling import sample_photos
from photograft.learning.head.solver import photo_weights

NUM_FOLDS = 5
NUM_REPEATS = 2

#: The choice is made on at most this many photos (and ten a class), the head fitted on all.
SELECTION_PHOTOS = 5000
#: And on at most this many rows, where photos have several views.
SELECTION_ROWS = 15_000


class Asked(NamedTuple):
    """Which photos a choice is made on, and how they are held out.

    Attributes:
        rows: Of all training photos, shape ``(n,)``.
        num_photos: How many training photos there are.
        labels: Class indices of the chosen ones, shape ``(n,)``.
        folds: Theirs in each repeat, shape ``(n, r)``.
        photo_weights: What each counts, float32, shape ``(n,)``.
        num_views: Views of each photo.
    """

    rows: npt.NDArray[np.intp]
    num_photos: int
    labels: npt.NDArray[np.int64]
    folds: npt.NDArray[np.int64]
    photo_weights: Floats
    num_views: int


class LookHeads(NamedTuple):
    """What was tried on the features of one look.

    Attributes:
        layers: Of its stored rows, under the names that they have among all looks.
        candidates: What was tried, its columns and layers those of this look alone.
    """

    layers: tuple[Layer, ...]
    candidates: tuple[HeadCandidate, ...]


def ask(
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    keys: Sequence[bytes],
    *,
    balanced: bool,
    seed: int,
    num_views: int = 1,
) -> Asked:
    """Return which training photos a choice is made on, and their folds; see `select`."""
    most = min(SELECTION_PHOTOS, max(SELECTION_ROWS // num_views, 1))
    rows = sample_photos(labels, groups, keys, seed, most)
    own = labels[rows]
    folds = repeated_folds(
        own,
        groups[rows],
        [keys[i] for i in rows],
        num_folds=NUM_FOLDS,
        num_repeats=NUM_REPEATS,
        seed=seed,
    )
    weights = photo_weights(own, balanced=balanced)
    return Asked(rows, len(labels), own, folds, weights, num_views)


@one_thread()
def try_look(
    asked: Asked,
    gather: Gather,
    layers: Sequence[Layer],
    *,
    wanted: str,
    head: str,
    progress: Progress,
    names: Sequence[str] = (),
) -> LookHeads:
    """Cross-validate heads on the features of one look.

    Args:
        asked: Which photos, and how.
        gather: Gives this look's features of the training photos.
        layers: That its stored rows consist of.
        wanted: Which of them; see `select`.
        head: Likewise.
        progress: Told how far it is.
        names: Of the layers among all looks; their own where not given.
    """
    rows = with_views(asked.rows, asked.num_photos, asked.num_views)
    question = Question(gather, rows, asked.labels, asked.folds, asked.photo_weights)
    candidates = try_heads(question, layers, wanted, KINDS[head], progress)
    known = names or [layer.name for layer in layers]
    renamed = tuple(replace(layer, name=name) for layer, name in zip(layers, known, strict=True))
    return LookHeads(renamed, tuple(candidates))


def try_looks(
    asked: Asked,
    gather: Gather,
    backbone: Backbone,
    *,
    wanted: str,
    head: str,
    progress: Progress,
) -> list[LookHeads]:
    """Cross-validate heads on the features of each of a backbone's looks; see `try_look`.

    Args:
        asked: Which photos, and how.
        gather: Gives the features of all looks, side by side.
        backbone: Of one look or of several.
        wanted: As in `try_look`, as are the others.
        head: Likewise.
        progress: Likewise.
    """
    found, start, first = [], 0, 0
    for look in backbone.looks:

        def gather_own(
            rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], start: int = start
        ) -> Floats:
            return gather(rows, start + columns)

        names = [layer.name for layer in backbone.layers[first : first + len(look.layers)]]
        tried = try_look(
            asked, gather_own, look.layers, wanted=wanted, head=head, progress=progress, names=names
        )
        found.append(tried)
        first += len(look.layers)
        start += look.num_features
    return found


def with_views(
    photos: npt.NDArray[np.intp], num_photos: int, num_views: int
) -> npt.NDArray[np.intp]:
    """Return the rows of all views of some photos, those of the first view first."""
    return (np.arange(num_views)[:, None] * num_photos + photos).ravel()
