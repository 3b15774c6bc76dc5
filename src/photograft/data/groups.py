"""Photos that belong together: same content, near duplicates, series, or by the user's word."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.core.errors import InputError, as_typed
from photograft.core.text import count
from photograft.data.dataset import Dataset
from photograft.data.joining import Joining
from photograft.data.photo import digests_of


def content_groups(dataset: Dataset, *, with_series: bool | None = None) -> npt.NDArray[np.int64]:
    """Return each photo's group, shape ``(n,)``: photos that must fall on one side of a split.

    Two photos are in one group where they have the same content, are near duplicates or of one
    series (as far as these were looked for), have the same group in the source, or are joined by a
    chain of such pairs. Groups are numbered by their first photo.

    Args:
        dataset: The photos.
        with_series: Whether photos of a series that nobody named are one group; as the dataset has
            it where not given.
    """
    are_kept = dataset.keeps_series if with_series is None else with_series
    columns = dataset.records.columns
    joining = Joining(len(dataset.photos))
    first: dict[object, int] = {}
    fields: list[Iterable[Any]] = [columns[name] for name in ("digest", "group", "alike")]
    if are_kept:
        fields.append([None if s is None else ("series", s) for s in columns["series"]])
    for i, keys in enumerate(zip(*fields, strict=True)):
        for key in keys:
            if key is not None:
                joining.join(first.setdefault(key, i), i)
    return joining.groups()


def same_content(dataset: Dataset) -> list[list[int]]:
    """Return the indices of the photos of each content that occurs more than once."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for i, digest in enumerate(digests_of(dataset.photos)):
        found[digest].append(i)
    return [indices for indices in found.values() if len(indices) > 1]


def conflicting_labels(dataset: Dataset) -> list[list[int]]:
    """Return the indices of the photos of each content that occurs under more than one label."""
    return [
        indices
        for indices in same_content(dataset)
        if len({dataset.photos[i].label for i in indices}) > 1
    ]


def across_given_splits(dataset: Dataset) -> list[list[int]]:
    """Return the indices of the photos of each group that the source puts in several splits.

    Series that nobody named are not counted.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for i, group in enumerate(content_groups(dataset, with_series=False).tolist()):
        members[group].append(i)
    return [
        indices
        for indices in members.values()
        if len({dataset.photos[i].split for i in indices}) > 1
    ]


def parted_series(dataset: Dataset) -> list[int]:
    """Return the numbers of the series that the source itself puts in several splits."""
    sides: dict[int, set[str]] = defaultdict(set)
    for photo in dataset.photos:
        if photo.series is not None and photo.split is not None:
            sides[photo.series].add(photo.split)
    return [number for number, splits in sides.items() if len(splits) > 1]


def group_by(dataset: Dataset, pattern: str) -> Dataset:
    """Return a dataset whose photos are grouped by a part of their names.

    Args:
        dataset: The photos; groups that the source gives are replaced.
        pattern: A regular expression that is searched for in each name. Photos of which its
            parentheses (or all of it, where it has none) hold the same text are a group; one in
            which it does not occur is a group of its own.

    Raises:
        InputError: The pattern is not well-formed, or occurs in no name.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(
            "the pattern to group by is no regular expression",
            expected=r"one such as 'person(\d+)'",
            got=f"{as_typed(pattern)}: {error}",
        ) from error
    found = [compiled.search(name) for name in dataset.records.columns["name"]]
    if len(dataset.photos) and not any(found):
        raise InputError(
            f"the pattern to group by, {as_typed(pattern)}, occurs in no photo's name",
            expected=f"one that occurs in names such as {dataset.photos[0].name}",
        )
    groups = [
        None if match is None else "/".join(part or "" for part in match.groups() or (match[0],))
        for match in found
    ]
    sizes = Counter(group for group in groups if group is not None)
    alone = groups.count(None)
    note = (
        f"grouped by {as_typed(pattern)}: {count(sum(sizes.values()), 'photo')} in "
        f"{count(len(sizes), 'group')}"
    )
    if alone:
        note += f"; {alone:,} without it, each on its own"
    photos = dataset.records.having(group=groups)
    return replace(dataset, photos=photos, notes=(*dataset.notes, note))
