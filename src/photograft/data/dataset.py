"""A source, read into labelled photos: from its address, a table, or what is in memory."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from photograft.core import choices
from photograft.core.addresses import shown_address
from photograft.core.bars import progress_of
from photograft.core.progress import Watched
from photograft.core.schema import check_choice
from photograft.data.images import DEFAULT_MAX_PIXELS
from photograft.data.labelled import LabelledPhotos
from photograft.data.photo import Photo as Photo
from photograft.data.photo import examine_all
from photograft.data.photo import read_as_listed as read_as_listed
from photograft.data.settings import check_max_pixels
from photograft.data.sources.base import Listing
from photograft.data.sources.frames import read_frame
from photograft.data.sources.in_memory import read_in_memory
from photograft.data.sources.open import open_source

#: Kinds of sources whose photos are called by numbers.
_NUMBERED = ("arrays", "memory", "parquet", "tfds", "hf")


class Dataset(LabelledPhotos):
    """Photos, labels, class names, and what became of every file; read from a source.

    Its attributes are those of `LabelledPhotos`.
    """

    @classmethod
    def load(
        cls,
        source: str | os.PathLike[str] | Dataset,
        *,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        empty_classes: str = "error",
        cache: Path | None = None,
        progress: Watched = True,
    ) -> Dataset:
        """Read a source: every file's bytes and header, but no pixels yet.

        Args:
            source: A folder of class folders, a CSV or Parquet manifest, an ``.npz``, a ``.zip``
                or ``.tar`` of class folders, Parquet files or WebDataset's tars of photos, an
                address of one of these, or the name of a set: ``mnist``, ``tfds:NAME``,
                ``hf:NAME``. A dataset is returned as it is, so that either may be handed on.
            max_pixels: Photos with more pixels are skipped as ``"too large"``.
            empty_classes: Where no photo of a class can be used: ``"error"``, or ``"drop"`` it.
            cache: A folder where it is noted what was read: a file whose size and times are as they
                were is not read again. None to read every file.
            progress: Told how far it is.

        Raises:
            SourceError: The source can't be read as labelled photos.
            DatasetError: No photo of a class can be used.
        """
        check_max_pixels(max_pixels)
        check_choice("empty_classes", empty_classes, choices.EMPTY_CLASSES)
        if isinstance(source, Dataset):
            drops = empty_classes == "drop" and source.empty_classes != "drop"
            return replace(source, empty_classes="drop") if drops else source
        return cls.from_listing(
            source,
            open_source(source),
            max_pixels=max_pixels,
            empty_classes=empty_classes,
            cache=cache,
            progress=progress,
        )

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        path: str = "path",
        label: str = "label",
        split: str | None = "split",
        group: str | None = "group",
        root: str | os.PathLike[str] | None = None,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        empty_classes: str = "error",
        progress: Watched = True,
    ) -> Dataset:
        """Read the photos that a table names, as those of a manifest are read.

        Args:
            frame: A pandas DataFrame, a PyArrow table, or a mapping of names to columns.
            path: The name of its column of paths.
            label: That of the names of classes. A row without one is skipped.
            split: That of splits, in every row or in none; without such a column, or None, there
                are none.
            group: That of groups, likewise, but some rows may have none.
            root: What paths are relative to; the current folder where not given.
            max_pixels: As in `load`.
            empty_classes: As in `load`.
            progress: As in `load`.

        Raises:
            SourceError: It is no such table, or names no photo that is there.

        >>> Dataset.from_frame({"path": ["gone.jpg"], "label": ["cat"]}, root="/photos")
        Traceback (most recent call last):
        ...
        photograft.core.errors.SourceError: none of the 1 row of the table gives a photo and its \
label; expected paths of files that are there, each with a label, got 'missing': row 1: there is \
no /photos/gone.jpg. Paths are taken relative to root, /photos.
        """
        columns = {"path": path, "label": label, "split": split, "group": group}
        return cls.from_listing(
            Path(root or "").expanduser().absolute(),
            read_frame(frame, columns, root),
            max_pixels=max_pixels,
            empty_classes=empty_classes,
            progress=progress,
        )

    @classmethod
    def from_arrays(
        cls,
        X: Any,
        y: Any,
        *,
        class_names: Any = None,
        groups: Any = None,
        splits: Any = None,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        empty_classes: str = "error",
        progress: Watched = True,
    ) -> Dataset:
        """Read photos in memory, which must not change from now on; they keep their order.

        Args:
            X: The photos: an array ``(n, height, width)`` or ``(n, height, width, channels)`` with
                1, 3 or 4 channels; or a sequence of arrays, Pillow pictures or paths. Whole numbers
                lie in [0, 255], floats in [0, 1].
            y: Their labels: text, whole numbers or bools, shape ``(n,)``. A photo whose label is
                empty is skipped.
            class_names: What whole numbers stand for, the first that of 0; themselves where not
                given.
            groups: Photos with the same group stay on one side of a split; shape ``(n,)``.
            splits: ``"train"``, ``"validation"`` or ``"test"`` of each; shape ``(n,)``.
            max_pixels: As in `load`.
            empty_classes: As in `load`.
            progress: As in `load`.

        Raises:
            InputError: `X` holds no photos, or the others do not fit it.

        >>> import numpy as np
        >>> photos = np.zeros((2, 20, 30, 3), np.uint8)
        >>> Dataset.from_arrays(photos, [0, 1], class_names=["cat", "dog"]).class_counts()
        {'cat': 1, 'dog': 1}
        """
        listing = read_in_memory(X, y, class_names=class_names, groups=groups, splits=splits)
        return cls.from_listing(
            "arrays",
            listing,
            max_pixels=max_pixels,
            empty_classes=empty_classes,
            progress=progress,
        )

    @classmethod
    def from_listing(
        cls,
        source: str | os.PathLike[str],
        listing: Listing,
        *,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        empty_classes: str = "error",
        cache: Path | None = None,
        progress: Watched = True,
    ) -> Dataset:
        """Read the files of a listing: every file's bytes and header, but no pixels yet.

        Args:
            source: Where the listing is from.
            listing: The files.
            max_pixels: Photos with more pixels are skipped as ``"too large"``.
            empty_classes: As in `load`.
            cache: Likewise.
            progress: Told how far it is.

        Raises:
            DatasetError: No photo of a class can be used.
        """
        check_max_pixels(max_pixels)
        check_choice("empty_classes", empty_classes, choices.EMPTY_CLASSES)
        photos, skipped = examine_all(
            listing.items,
            max_pixels,
            is_numbered=listing.kind in _NUMBERED,
            cache=cache,
            progress=progress_of(progress),
        )
        skipped += listing.skipped
        found = cls(
            source=shown_address(os.fspath(source)),
            kind=listing.kind,
            photos=photos,
            skipped=tuple(sorted(skipped, key=lambda file: file.name)),
            notes=listing.notes,
            max_pixels=max_pixels,
            empty_classes=empty_classes,
        )
        return found._less({*listing.empty, *(file.label for file in skipped)})
