"""A source, read: the photos that can be used, and an account of every file that can't."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from photograft.core import choices
from photograft.core.addresses import shown_address
from photograft.core.bars import progress_of
from photograft.core.errors import ImageError
from photograft.core.files import printable
from photograft.core.progress import Watched
from photograft.core.schema import check_choice
from photograft.core.text import classes, count, natural_key
from photograft.data.account import account_rows, photo_frame
from photograft.data.empty_classes import refuse
from photograft.data.images import DEFAULT_MAX_PIXELS
from photograft.data.photo import Photo as Photo
from photograft.data.photo import Photos, examine_all, find_faults, part_faulty
from photograft.data.photo import read_as_listed as read_as_listed
from photograft.data.settings import check_max_pixels
from photograft.data.sources.base import Listing, SkippedFile
from photograft.data.sources.frames import read_frame
from photograft.data.sources.in_memory import read_in_memory
from photograft.data.sources.named_sets import short_name
from photograft.data.sources.open import open_source

#: Kinds of sources whose photos are called by numbers.
_NUMBERED = ("arrays", "memory", "parquet", "tfds", "hf")


@dataclass(frozen=True)
class Dataset:
    """Photos, labels, class names, and what became of every file.

    Attributes:
        source: Where it was read from, as the user gave it.
        kind: ``"folder"``, ``"manifest"``, ``"arrays"``, ``"archive"``, ``"parquet"``,
            ``"webdataset"``, ``"tfds"``, ``"hf"``, ``"table"`` or ``"memory"``.
        photos: The usable photos, sorted by name; a `Photo` is made as it is asked for.
        skipped: The other files, sorted by name.
        notes: How the source was understood, where that is not plain.
        max_pixels: Photos with more pixels were skipped.
        right: Names of photos that the user called right as they are: no label of theirs is
            suspected.
        empty_classes: What happens where no photo of a class can be used: ``"error"``, or
            ``"drop"`` to go on without the class.
        dropped: The classes that the source names, and that were dropped so.
        keeps_series: Whether photos of a series are kept on one side: not where the source's own
            split parts them.
    """

    source: str
    kind: str
    photos: Sequence[Photo]
    skipped: tuple[SkippedFile, ...]
    notes: tuple[str, ...]
    max_pixels: int = DEFAULT_MAX_PIXELS
    right: frozenset[str] = frozenset()
    empty_classes: str = "error"
    dropped: tuple[str, ...] = ()
    keeps_series: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.photos, Photos):  # such as a tuple of them
            object.__setattr__(self, "photos", Photos(self.photos))

    def __repr__(self) -> str:
        skipped = f", {count(len(self.skipped), 'file')} skipped" if self.skipped else ""
        size = f"{count(len(self.photos), 'photo')}{skipped}"
        return f"Dataset({self.source!r}, {size}, {classes(self.class_names)})"

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

    @property
    def records(self) -> Photos:
        """The photos, as columns."""
        return cast("Photos", self.photos)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in natural order (``"2"`` before ``"10"``)."""
        return tuple(sorted(self.records.labels.values, key=natural_key))

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """The index of each photo's class in `class_names`, shape ``(n,)``."""
        index = {name: i for i, name in enumerate(self.class_names)}
        labels = self.records.labels
        numbers = np.array([index[name] for name in labels.values], np.int64)
        return numbers[labels.codes]

    @property
    def name(self) -> str:
        """A short name for it: the last part of the source, without its extension.

        Of a set that goes by a name, that name without owner, version and parts.
        """
        return short_name(self.source)

    def fingerprint(self) -> str:
        """Return a SHA-256 over every photo's name, label, split, group and content."""
        return self.records.fingerprint()

    def class_counts(self) -> dict[str, int]:
        """Return the number of photos of each class."""
        counts = Counter(self.records.labels)
        return {name: counts[name] for name in self.class_names}

    def skipped_counts(self) -> dict[str, int]:
        """Return how many files were skipped for each reason, as told, the commonest first."""
        return dict(Counter(file.told for file in self.skipped).most_common())

    def to_frame(self) -> Any:
        """Return the photos as a pandas DataFrame: a row for each, in their order.

        Its columns: ``name``, ``label``, ``split``, ``group`` (None where there is none), ``width``
        and ``height`` in pixels, ``format``, ``sha256`` in hexadecimal, and ``note``.

        Raises:
            InputError: pandas is not installed.
        """
        return photo_frame(self.photos)

    def without(self, failures: Mapping[bytes, ImageError]) -> Dataset:
        """Return the dataset less the photos whose pixels turned out not to decode.

        Args:
            failures: For each such content digest, what was wrong with it.

        Raises:
            DatasetError: No photo of a class can be used any more.
        """
        if not failures:
            return self
        left, bad = part_faulty(self.records, failures)
        skipped = tuple(sorted([*self.skipped, *bad], key=lambda file: file.name))
        return replace(self, photos=left, skipped=skipped)._less({file.label for file in bad})

    def _less(self, named: set[str]) -> Dataset:
        """Return the dataset that drops the classes of `named` without a photo, or raise."""
        lost = sorted(named - set(self.records.labels.values) - {""}, key=natural_key)
        # Without any photo at all, it is not about classes; whoever needs photos says so.
        if lost and len(self.photos) and self.empty_classes == "error":
            raise refuse(printable(self.source), lost, self.skipped)
        return replace(self, dropped=(*self.dropped, *lost)) if lost else self

    def verified(self, *, progress: Watched = True) -> Dataset:
        """Return the dataset less the photos that do not decode, having decoded each one.

        Raises:
            DatasetError: No photo of a class decodes.
        """
        return self.without(find_faults(self.photos, self.max_pixels, progress_of(progress)))

    def account(self) -> list[dict[str, Any]]:
        """Return one row per file, sorted by name: what it is and what became of it."""
        return account_rows(self.photos, self.skipped)
