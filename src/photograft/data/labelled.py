"""Photos with labels, and an account of every file: what is known of a source once it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import numpy as np

from photograft.core.arrays import Labels
from photograft.core.bars import progress_of
from photograft.core.errors import ImageError
from photograft.core.files import printable
from photograft.core.progress import Watched
from photograft.core.text import classes, count, natural_key
from photograft.data.account import account_rows, photo_frame
from photograft.data.empty_classes import refuse
from photograft.data.images import DEFAULT_MAX_PIXELS
from photograft.data.photo import Photo, Photos, find_faults, part_faulty
from photograft.data.sources.base import SkippedFile
from photograft.data.sources.named_sets import short_name


@dataclass(frozen=True, repr=False)
class LabelledPhotos:
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
        return f"{type(self).__name__}({self.source!r}, {size}, {classes(self.class_names)})"

    @property
    def records(self) -> Photos:
        """The photos, as columns."""
        return cast("Photos", self.photos)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in natural order (``"2"`` before ``"10"``)."""
        return tuple(sorted(self.records.labels.values, key=natural_key))

    @property
    def labels(self) -> Labels:
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

    def without(self, failures: Mapping[bytes, ImageError]) -> Self:
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

    def _less(self, named: set[str]) -> Self:
        """Return the dataset that drops the classes of `named` without a photo, or raise."""
        lost = sorted(named - set(self.records.labels.values) - {""}, key=natural_key)
        # Without any photo at all, it is not about classes; whoever needs photos says so.
        if lost and len(self.photos) and self.empty_classes == "error":
            raise refuse(printable(self.source), lost, self.skipped)
        return replace(self, dropped=(*self.dropped, *lost)) if lost else self

    def verified(self, *, progress: Watched = True) -> Self:
        """Return the dataset less the photos that do not decode, having decoded each one.

        Raises:
            DatasetError: No photo of a class decodes.
        """
        return self.without(find_faults(self.photos, self.max_pixels, progress_of(progress)))

    def account(self) -> list[dict[str, Any]]:
        """Return one row per file, sorted by name: what it is and what became of it."""
        return account_rows(self.photos, self.skipped)
