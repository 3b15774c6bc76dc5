"""A dataset that knows the series among its photos, told by a backbone's features."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from photograft.core.memo import remembered
from photograft.core.progress import Progress
from photograft.core.segments import Table
from photograft.core.text import count
from photograft.data import series
from photograft.data.dataset import Dataset
from photograft.data.groups import content_groups, parted_series
from photograft.data.settings import DataSettings
from photograft.data.thumbnails import load_thumbnails
from photograft.features.extractor import Extractor
from photograft.features.layers import last_columns

#: Wider features are pixels rather than what is seen in them.
_MOST_FEATURES = 10_000
#: A given split that has more than this share of the series on several sides does not know of them.
_PARTED = 0.1


def with_series(
    dataset: Dataset, extractor: Extractor, table: Table, settings: DataSettings, progress: Progress
) -> Dataset:
    """Return a dataset that knows its series, if it has any that nobody has named.

    They are not looked for where the user says what belongs together, or that near duplicates are
    to be ignored.

    Args:
        dataset: The photos, near duplicates marked; all of them decode.
        extractor: What looked at them.
        table: Their features.
        settings: The settings.
        progress: Told how far it is.

    Raises:
        StorageError: The cache can't be written.
    """
    photos = dataset.photos
    columns = last_columns(extractor.backbone.layers)
    if (
        settings.near_duplicates == "ignore"
        or any(photo.group is not None for photo in photos)
        or len(columns) > _MOST_FEATURES
    ):
        return dataset
    key = {
        "what": "series",
        "code": series.CODE_VERSION,
        "data": dataset.fingerprint(),
        "features": extractor.space_key(),
    }

    def make() -> Any:
        thumbnails, _ = load_thumbnails(
            photos, extractor.store, max_pixels=dataset.max_pixels, progress=progress
        )
        digests = [photo.digest for photo in photos]
        with progress.step("Looking for series", 1, "sets") as step:
            found = series.find_series(
                # Numbers may run on from one side of a given split to the other.
                [p.name.partition("/")[2] or p.name if p.split else p.name for p in photos],
                dataset.labels,
                content_groups(dataset),
                lambda rows: table.rows([digests[i] for i in rows.tolist()], columns),
                taken=thumbnails.taken,
                places=thumbnails.places,
            )
            step.advance()
        return found and {"numbers": found.numbers.tolist(), "told_by": list(found.told_by)}

    answer = remembered(extractor.store.cache, key, make)
    if answer is None:
        return dataset
    numbers = np.array(answer["numbers"])
    marked = tuple(
        replace(photo, series=number) if number >= 0 else photo
        for photo, number in zip(photos, numbers.tolist(), strict=True)
    )
    found = replace(dataset, photos=marked)
    parted = len(parted_series(found)) > _PARTED * (numbers.max() + 1)
    note = (
        f"{count(int((numbers >= 0).sum()), 'photo')} are in "
        f"{numbers.max() + 1:,} series of the same thing or scene, told by their "
        f"{' and '.join(answer['told_by'])}: "
    ) + (
        "the given split has them on several sides, and folds are like it"
        if parted
        else "what is split here keeps each series on one side"
    )
    return replace(found, keeps_series=not parted, notes=(*dataset.notes, note))
