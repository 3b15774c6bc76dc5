"""A source, read: the photos that can be used, and an account of every file that can't."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.core.errors import ImageError
from photograft.core.files import printable
from photograft.core.parallel import in_order
from photograft.core.progress import Progress, Silent
from photograft.data.images import DEFAULT_MAX_PIXELS, decode, expected_extension_note, read_header
from photograft.data.sources.base import Item, Listing, SkippedFile
from photograft.data.sources.named_sets import named_set
from photograft.data.sources.open import open_source


@dataclass(frozen=True)
class Photo:
    """One usable photo.

    Attributes:
        name: As in `sources.base.Item`.
        label: The name of its class.
        split: The split that the source gives it, or None.
        group: The group that the source gives it, or None.
        digest: SHA-256 of the file's bytes: its identity in the feature store.
        num_bytes: The file's size.
        format: Pillow's name of the file format.
        width: Pixels across, as stored (before EXIF orientation).
        height: Pixels down, as stored.
        note: What is odd about it though it is used, such as a wrong extension; may be empty.
        read: Returns the file's bytes.
        alike: Photos of the same number are near duplicates; None where they were not looked for,
            or it is like no other.
    """

    name: str
    label: str
    split: str | None
    group: str | None
    digest: bytes
    num_bytes: int
    format: str
    width: int
    height: int
    note: str
    read: Callable[[], bytes]
    alike: int | None = None


@dataclass(frozen=True)
class Dataset:
    """Photos, labels, class names, and what became of every file.

    Attributes:
        source: Where it was read from, as the user gave it.
        kind: ``"folder"``, ``"manifest"``, ``"arrays"``, ``"archive"``, ``"tfds"`` or ``"hf"``.
        photos: The usable photos, sorted by name.
        skipped: The other files, sorted by name.
        notes: How the source was understood, where that is not plain.
        max_pixels: Photos with more pixels were skipped.
        right: Names of photos that the user called right as they are: no label of theirs is
            suspected.
    """

    source: str
    kind: str
    photos: tuple[Photo, ...]
    skipped: tuple[SkippedFile, ...]
    notes: tuple[str, ...]
    max_pixels: int = DEFAULT_MAX_PIXELS
    right: frozenset[str] = frozenset()

    @classmethod
    def load(
        cls,
        source: str | os.PathLike[str],
        *,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        progress: Progress | None = None,
    ) -> Dataset:
        """Read a source: every file's bytes and header, but no pixels yet.

        Args:
            source: A folder of class folders, a CSV or Parquet manifest, an ``.npz``, a ``.zip``
                or ``.tar`` of class folders, or the name of a set: ``mnist``, ``tfds:NAME``,
                ``hf:NAME``.
            max_pixels: Photos with more pixels are skipped as ``"too large"``.
            progress: Told how far it is.

        Raises:
            SourceError: The source can't be read as labelled photos.
        """
        listing = open_source(source)
        return cls.from_listing(source, listing, max_pixels=max_pixels, progress=progress)

    @classmethod
    def from_listing(
        cls,
        source: str | os.PathLike[str],
        listing: Listing,
        *,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        progress: Progress | None = None,
    ) -> Dataset:
        """Read the files of a listing: every file's bytes and header, but no pixels yet.

        Args:
            source: Where the listing is from.
            listing: The files.
            max_pixels: Photos with more pixels are skipped as ``"too large"``.
            progress: Told how far it is.
        """
        photos: list[Photo] = []
        skipped = list(listing.skipped)
        with (progress or Silent()).step("Reading files", len(listing.items), "files") as step:
            for result in in_order(lambda item: _examine(item, max_pixels), listing.items):
                if isinstance(result, Photo):
                    photos.append(result)
                else:
                    skipped.append(result)
                step.advance()
        return cls(
            source=os.fspath(source),
            kind=listing.kind,
            photos=tuple(photos),
            skipped=tuple(sorted(skipped, key=lambda file: file.name)),
            notes=listing.notes,
            max_pixels=max_pixels,
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in natural order (``"2"`` before ``"10"``)."""
        return tuple(sorted({photo.label for photo in self.photos}, key=natural_key))

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """The index of each photo's class in `class_names`, shape ``(n,)``."""
        index = {name: i for i, name in enumerate(self.class_names)}
        return np.array([index[photo.label] for photo in self.photos], dtype=np.int64)

    @property
    def name(self) -> str:
        """A short name for it: the last part of the source, without its extension.

        Of a set that goes by a name, that name without owner, version and parts.
        """
        named = named_set(self.source)
        if named is not None:
            return printable(named.short_name)
        path = Path(self.source).resolve()
        name = path.name if path.is_dir() else path.name.split(".")[0]
        return printable(name)

    def fingerprint(self) -> str:
        """Return a SHA-256 over every photo's name, label, split, group and content."""
        total = hashlib.sha256()
        for photo in self.photos:
            fields = (photo.name, photo.label, photo.split, photo.group, photo.digest.hex())
            total.update(repr(fields).encode())
        return total.hexdigest()

    def class_counts(self) -> dict[str, int]:
        """Return the number of photos of each class."""
        counts = Counter(photo.label for photo in self.photos)
        return {name: counts[name] for name in self.class_names}

    def skipped_counts(self) -> dict[str, int]:
        """Return how many files were skipped for each reason, the commonest first."""
        return dict(Counter(file.reason for file in self.skipped).most_common())

    def without(self, failures: Mapping[bytes, ImageError]) -> Dataset:
        """Return the dataset less the photos whose pixels turned out not to decode.

        Args:
            failures: For each such content digest, what was wrong with it.
        """
        if not failures:
            return self
        bad = [photo for photo in self.photos if photo.digest in failures]
        more = [
            SkippedFile(photo.name, failures[photo.digest].reason, failures[photo.digest].detail)
            for photo in bad
        ]
        return replace(
            self,
            photos=tuple(photo for photo in self.photos if photo.digest not in failures),
            skipped=tuple(sorted([*self.skipped, *more], key=lambda file: file.name)),
        )

    def verified(self, *, progress: Progress | None = None) -> Dataset:
        """Return the dataset less the photos that do not decode, having decoded each one."""
        distinct = {photo.digest: photo for photo in self.photos}
        failures: dict[bytes, ImageError] = {}

        def check(photo: Photo) -> tuple[bytes, ImageError | None]:
            try:
                decode(photo.read(), max_pixels=self.max_pixels, at_least=64)
            except ImageError as error:
                return photo.digest, error
            except OSError as error:
                return photo.digest, ImageError("unreadable", str(error))
            return photo.digest, None

        with (progress or Silent()).step("Decoding photos", len(distinct), "photos") as step:
            for digest, failure in in_order(check, distinct.values()):
                if failure is not None:
                    failures[digest] = failure
                step.advance()
        return self.without(failures)

    def account(self) -> list[dict[str, Any]]:
        """Return one row per file, sorted by name: what it is and what became of it."""
        rows = [
            {
                "name": photo.name,
                "status": "used",
                "reason": "",
                "detail": photo.note,
                "label": photo.label,
                "group": photo.group,
                "sha256": photo.digest.hex(),
                "num_bytes": photo.num_bytes,
                "format": photo.format,
                "width": photo.width,
                "height": photo.height,
            }
            for photo in self.photos
        ]
        rows += [
            {"name": file.name, "status": "skipped", "reason": file.reason, "detail": file.detail}
            for file in self.skipped
        ]
        return sorted(rows, key=lambda row: str(row["name"]))


def _examine(item: Item, max_pixels: int) -> Photo | SkippedFile:
    """Read one file's bytes and header."""
    try:
        data = item.read()
        header = read_header(data, max_pixels=max_pixels)
    except ImageError as error:
        return SkippedFile(item.name, error.reason, error.detail)
    except OSError as error:
        return SkippedFile(item.name, "unreadable", error.strerror or str(error))
    return Photo(
        name=item.name,
        label=item.label,
        split=item.split,
        group=item.group,
        digest=hashlib.sha256(data).digest(),
        num_bytes=len(data),
        format=header.format,
        width=header.width,
        height=header.height,
        note=expected_extension_note(header, item.name),
        read=item.read,
    )


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a sort key that puts numbers within names in the order of their size.

    The name itself tells ``"1"`` from ``"01"``, which would else come in any order.
    """
    parts = re.split(r"(\d+)", name)
    numbers = (part.lstrip("0") if part.isdecimal() else None for part in parts)
    return [
        (-1, part) if number is None else (len(number), number)
        for part, number in zip(parts, numbers, strict=True)
    ], name


def read_as_listed(photo: Photo) -> bytes:
    """Return a photo's bytes, if they are still those under whose hash its features are kept.

    Raises:
        ImageError: They are not.
        OSError: The file can't be read.
    """
    data = photo.read()
    if hashlib.sha256(data).digest() != photo.digest:
        raise ImageError("unreadable", "the file has changed since it was listed")
    return data
