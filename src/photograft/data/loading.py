"""A source as the settings say: read, corrected, grouped, split."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from photograft.core.addresses import is_address
from photograft.core.errors import InputError, StorageError
from photograft.core.files import check_free, printable
from photograft.core.memo import remembered
from photograft.core.progress import Progress
from photograft.core.store import FeatureStore
from photograft.core.text import count
from photograft.data import near_duplicates
from photograft.data.corrections import Corrections
from photograft.data.dataset import Dataset
from photograft.data.groups import group_by
from photograft.data.photo import digests_of
from photograft.data.settings import DataSettings
from photograft.data.sources.folder import refuse_our_own
from photograft.data.sources.named_sets import short_name
from photograft.data.sources.open import source_path
from photograft.data.splits import DEFAULT_SHARE, Split, make_split
from photograft.data.thumbnails import load_thumbnails

#: What is read, or what was read already.
Source = str | os.PathLike[str] | Dataset


def read_dataset(
    source: Source, settings: DataSettings, *, cache: Path | None = None, progress: Progress
) -> Dataset:
    """Read a source as the settings say: corrected, and grouped by name.

    Args:
        source: As in `open_source`; or a dataset, whose photos are taken as they are.
        settings: The settings.
        cache: As in `Dataset.load`.
        progress: Told how far it is.

    Raises:
        InputError: The source, or a setting, can't be used.
    """
    # First what may be wrong with the user's own file: that is soon said.
    if settings.new_class and not settings.corrections:
        raise InputError(
            "new_class is for photos that corrections relabel", fix="Give --corrections, too."
        )
    corrections = Corrections.read(settings.corrections) if settings.corrections else Corrections()
    dataset = Dataset.load(
        source,
        max_pixels=settings.max_pixels,
        empty_classes=settings.empty_classes,
        cache=cache,
        progress=progress,
    )
    if settings.group_by:
        dataset = group_by(dataset, settings.group_by)
    return corrections.apply(dataset, settings.new_class)


def with_near_duplicates(
    dataset: Dataset, settings: DataSettings, *, store: FeatureStore, progress: Progress
) -> Dataset:
    """Return a dataset that knows its near duplicates, unless the settings say to ignore them.

    Photos that turn out not to decode are skipped in it.

    Args:
        dataset: The photos.
        settings: The settings.
        store: Where thumbnails of the photos are kept.
        progress: Told how far it is.

    Raises:
        StorageError: The cache can't be written.
    """
    if settings.near_duplicates == "ignore":
        return dataset
    thumbnails, failures = load_thumbnails(
        dataset.photos, store, max_pixels=dataset.max_pixels, progress=progress
    )
    dataset = dataset.without(failures)
    digests = hashlib.sha256(b"".join(digests_of(dataset.photos))).hexdigest()
    pairs = remembered(
        store.cache,
        {"what": "near duplicates", "code": near_duplicates.CODE_VERSION, "photos": digests},
        lambda: [
            [pair.first, pair.second, pair.score, pair.why]
            for pair in near_duplicates.find_near_duplicates(thumbnails, progress=progress)
        ],
    )
    groups = near_duplicates.near_groups(
        [near_duplicates.Pair(*pair) for pair in pairs], len(thumbnails)
    )
    counts = np.bincount(groups, minlength=1)
    shared = counts[groups] > 1 if len(groups) else np.zeros(0, np.bool_)
    if not shared.any():
        return dataset
    alike = [
        group if own else None for group, own in zip(groups.tolist(), shared.tolist(), strict=True)
    ]
    photos = dataset.records.having(alike=alike)
    note = (
        f"{count(int(shared.sum()), 'photo')} are near duplicates of others, in "
        f"{count(int((counts > 1).sum()), 'group')}: what is split here keeps each group on one "
        "side"
    )
    return replace(dataset, photos=photos, notes=(*dataset.notes, note))


def split_of(dataset: Dataset, settings: DataSettings) -> Split:
    """Return the split that the settings ask for."""
    share = settings.validation
    return make_split(
        dataset,
        validation=DEFAULT_SHARE if share is None else share,
        test=settings.test,
        seed=settings.seed,
        sets_aside=share is not None or settings.sets_aside,
    )


def name_of(source: Source) -> str:
    """Return what a source is called, before it is read; see `Dataset.name`."""
    if isinstance(source, Dataset):
        return source.name
    text = os.fspath(source) if isinstance(source, (str, os.PathLike)) else ""
    return short_name(text if is_address(text) else source_path(source))


def check_out(folder: Path, source: Source) -> None:
    """Make sure, before any work, that a folder can be written, and not among the photos.

    Raises:
        StorageError: Something is there already, or it can't be written.
    """
    check_free(folder)
    check_outside(folder, source)


def check_outside(folder: Path, source: Source, *, option: str = "--out") -> None:
    """Make sure that a folder, or a file, will not lie among the photos.

    Of a dataset only where it was read from a folder: a table's photos may lie anywhere.

    Args:
        folder: Its path.
        source: The photos.
        option: By which users name another place.

    Raises:
        StorageError: It does.
        SourceError: It does, and the photos are none but what Photograft wrote.
    """
    if isinstance(source, Dataset):
        if source.kind != "folder":
            return
        source = source.source
    root = source_path(source).expanduser().resolve()
    if root.is_dir() and folder.resolve().is_relative_to(root):
        refuse_our_own(root)  # such as the folder of all runs, where the next one would lie, too
        raise StorageError(
            f"{folder} would lie in {printable(root)}, among the photos",
            fix=f"Choose a place elsewhere with {option}: nothing in the source is ever changed.",
        )
