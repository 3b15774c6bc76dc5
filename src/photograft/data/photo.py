"""One photo of a dataset: what is known of it, and how its file is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from photograft.core.errors import ImageError
from photograft.data.images import expected_extension_note, read_header
from photograft.data.sources.base import Item, SkippedFile


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
    digest: bytes = field(repr=False)
    num_bytes: int
    format: str
    width: int
    height: int
    note: str
    read: Callable[[], bytes] = field(repr=False)
    alike: int | None = None


def examine(item: Item, max_pixels: int, *, is_numbered: bool = False) -> Photo | SkippedFile:
    """Read one file's bytes and header.

    Args:
        item: The file.
        max_pixels: A photo with more pixels is skipped as ``"too large"``.
        is_numbered: Whether a name without an extension is a number, and nothing odd.
    """
    try:
        data = item.read()
        header = read_header(data, max_pixels=max_pixels)
    except ImageError as error:
        return SkippedFile(item.name, error.reason, error.detail)
    except OSError as error:
        return SkippedFile(item.name, "unreadable", error.strerror or str(error))
    note = expected_extension_note(header, item.name)
    has_extension = bool(PurePosixPath(item.name).suffix)
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
        note="" if is_numbered and not has_extension else note,
        read=item.read,
    )


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
