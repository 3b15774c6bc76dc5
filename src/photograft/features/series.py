"""A dataset that knows the series among its photos, told by a backbone's features."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from photograft.core.feature_table import Table
from photograft.core.memo import remembered
from photograft.core.progress import Progress
from photograft.core.text import count
from photograft.data import series
from photograft.data.dataset import Dataset
from photograft.data.groups import content_groups, parted_series
from photograft.data.likeness import MOST_PHOTOS
from photograft.data.photo import digests_of
from photograft.data.settings import DataSettings
from photograft.data.thumbnails import load_thumbnails
from photograft.features.extractor import Extractor
from photograft.features.layers import last_columns

#: Wider features are pixels rather than what is seen in them.
_MOST_FEATURES = 10_000
#: A given split that has more than this share of the series on several sides does not know of them.
_PARTED = 0.1


def with_series(
    dataset: Dataset,
    extractor: Extractor,
    table: Table,
    settings: DataSettings,
    progress: Progress,
    most_photos: int = MOST_PHOTOS,
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
        most_photos: In classes of more, likeness alone is not asked, and a note says so.

    Raises:
        StorageError: The cache can't be written.
    """
    photos = dataset.records
    columns = last_columns(extractor.backbone.layers)
    if (
        settings.near_duplicates == "ignore"
        or any(group is not None for group in photos.columns["group"])
        or len(columns) > _MOST_FEATURES
    ):
        return dataset
    key = {
        "what": "series",
        "code": series.CODE_VERSION,
        "data": dataset.fingerprint(),
        "features": extractor.space_key(),
        "most_photos": most_photos,
    }

    def make() -> Any:
        thumbnails, _ = load_thumbnails(
            photos, extractor.store, max_pixels=dataset.max_pixels, progress=progress
        )
        digests = digests_of(photos)
        with progress.step("Looking for series", 1, "sets") as step:
            found = series.find_series(
                # Numbers may run on from one side of a given split to the other.
                [
                    name.partition("/")[2] or name if part else name
                    for name, part in zip(
                        photos.columns["name"], photos.columns["split"], strict=True
                    )
                ],
                dataset.labels,
                content_groups(dataset),
                lambda rows: table.rows([digests[i] for i in rows.tolist()], columns),
                taken=thumbnails.taken,
                places=thumbnails.places,
                most_photos=most_photos,
            )
            step.advance()
        return found and {"numbers": found.numbers.tolist(), "told_by": list(found.told_by)}

    answer = remembered(extractor.store.cache, key, make)
    if np.bincount(dataset.labels).max() > most_photos:
        bound = (
            f"in classes of more than {count(most_photos, 'photo')}, series were looked for by "
            "file names, times and places, not by likeness"
        )
        dataset = replace(dataset, notes=(*dataset.notes, bound))
    if answer is None:
        return dataset
    numbers = np.array(answer["numbers"])
    marked = [number if number >= 0 else None for number in numbers.tolist()]
    found = replace(dataset, photos=photos.having(series=marked))
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
