"""Accounting for every file of a source; nothing is trained."""

from __future__ import annotations

from photograft.core.progress import Watched
from photograft.data.dataset import Dataset
from photograft.data.empty_classes import of_classes as of_classes
from photograft.data.empty_classes import told as told
from photograft.data.groups import across_given_splits as across_given_splits
from photograft.data.groups import conflicting_labels as conflicting_labels
from photograft.data.groups import same_content as same_content
from photograft.data.images import DEFAULT_MAX_PIXELS
from photograft.data.loading import Source
from photograft.data.sources.base import HIDDEN as HIDDEN


def inspect(
    source: Source,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Watched = True,
) -> Dataset:
    """Read a source, decode every photo, and account for every file; nothing is trained.

    Classes of which no photo can be used are in `Dataset.dropped`.

    Args:
        source: As in `train`.
        max_pixels: Photos with more pixels are skipped.
        progress: Told how far it is.

    Raises:
        SourceError: The source can't be read as labelled photos.
    """
    dataset = Dataset.load(source, max_pixels=max_pixels, empty_classes="drop", progress=progress)
    return dataset.verified(progress=progress)
