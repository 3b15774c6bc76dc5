"""One photo of a dataset: what is known of it, and how its file is read."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np

from photograft.core.columnar import Codes, Column, Numbers, Records, Texts
from photograft.core.digests import DigestColumn, Digests, digest_array
from photograft.core.errors import ImageError
from photograft.core.parallel import in_order
from photograft.core.progress import Progress, Silent, Step
from photograft.data import formats
from photograft.data.images import decode, expected_extension_note, read_header
from photograft.data.known_files import MOST_FILES, FileOnDisk, KnownFiles, Read
from photograft.data.sources.base import Item, SkippedFile
from photograft.data.sources.reads import Reads, num_readers

#: The format of photos that were arrays or pictures in memory.
PIXELS = "pixels"
#: Files that a thread is given at once: to hand over each takes longer than to look it up.
_AT_ONCE = 16


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
        format: Pillow's name of the file format; `PIXELS` of what is no file.
        width: Pixels across, as stored (before EXIF orientation).
        height: Pixels down, as stored.
        note: What is odd about it though it is used, such as a wrong extension; may be empty.
        read: Returns the file's bytes.
        alike: Photos of the same number are near duplicates; None where they were not looked for,
            or it is like no other.
        series: Photos of the same number are of one series, such as views of one thing; None where
            it is in none, or nobody has looked for them.
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
    series: int | None = None


class Photos(Records[Photo]):
    """Photos, a column for each of their fields.

    Args:
        photos: What they begin with.
    """

    def __init__(self, photos: Iterable[Photo] = ()) -> None:
        columns: dict[str, Column] = {
            "name": Texts(),
            "label": Codes(),
            "split": Codes(),
            "group": Codes(),
            "digest": DigestColumn(),
            "num_bytes": Numbers(),
            "format": Codes(),
            "width": Numbers(),
            "height": Numbers(),
            "note": Codes(),
            "read": Reads(),
            "alike": Codes(),
            "series": Codes(),
        }
        super().__init__(Photo, columns, photos)

    @property
    def labels(self) -> Codes:
        """The names of their classes."""
        return cast("Codes", self.columns["label"])

    def fingerprint(self) -> str:
        """Return a SHA-256 over every photo's name, label, split, group and content."""
        total = hashlib.sha256()
        own = ("name", "label", "split", "group", "digest")
        for *told, digest in zip(*(self.columns[name] for name in own), strict=True):
            total.update(repr((*told, digest.hex())).encode())
        return total.hexdigest()

    def having(self, **values: Sequence[Any]) -> Photos:
        """Return the same photos with other values in some fields."""
        found = Photos()
        found.columns = dict(self.columns)
        for name, cells in values.items():
            found.columns[name] = type(self.columns[name])()
            found.columns[name].extend(cells)
        return found


def digests_of(photos: Sequence[Photo]) -> list[bytes]:
    """Return the content digest of each photo."""
    if isinstance(photos, Photos):
        return list(photos.columns["digest"])
    return [photo.digest for photo in photos]


def digest_array_of(photos: Sequence[Photo]) -> Digests:
    """Return the same side by side, shape ``(n,)``; see `core.digests`."""
    if isinstance(photos, Photos):
        return cast("DigestColumn", photos.columns["digest"]).array
    return digest_array([photo.digest for photo in photos])


def examine(
    item: Item, max_pixels: int, *, is_numbered: bool = False, known: KnownFiles | None = None
) -> Photo | SkippedFile:
    """Read one file's bytes and header.

    Args:
        item: The file.
        max_pixels: A photo with more pixels is skipped as ``"too large"``.
        is_numbered: Whether a name without an extension is a number, and nothing odd.
        known: Files that were read before, and are not read again where they have not changed.
    """
    try:
        num_bytes, (digest, header) = _read(item, max_pixels, known)
    except ImageError as error:
        return SkippedFile(item.name, error.reason, error.detail, item.label)
    except OSError as error:
        return SkippedFile(item.name, "unreadable", error.strerror or str(error), item.label)
    note = expected_extension_note(header, item.name)
    has_extension = bool(PurePosixPath(item.name).suffix)
    return Photo(
        name=item.name,
        label=item.label,
        split=item.split,
        group=item.group,
        digest=digest,
        num_bytes=num_bytes,
        format=PIXELS if item.is_pixels else header.format,
        width=header.width,
        height=header.height,
        note="" if item.is_pixels or (is_numbered and not has_extension) else note,
        read=item.read,
    )


def _read(item: Item, max_pixels: int, known: KnownFiles | None) -> tuple[int, Read]:
    """Return the size of a file, and what is read of it, now or before."""
    file = item.read if isinstance(item.read, FileOnDisk) else None
    stamp = file.stamp() if file and known else None  # taken before it is read
    found = known.find(file, stamp) if file and known else None
    if stamp and found and found.header.width * found.header.height <= max_pixels:
        return stamp[0], found
    data = item.read()
    formats.refuse_by_name(data, item.name)
    header = read_header(data, max_pixels=max_pixels)
    read = Read(hashlib.sha256(data).digest(), header)
    if file and known:
        known.keep(file, stamp, read)
    return len(data), read


def examine_all(
    items: Sequence[Item],
    max_pixels: int,
    *,
    is_numbered: bool = False,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Photos, list[SkippedFile]]:
    """Examine files, several at once; return the photos, in order, and what is none.

    Args:
        items: The files.
        max_pixels: As in `examine`.
        is_numbered: Likewise.
        cache: Where it is noted what was read of files on the disk; None for nowhere.
        progress: Told how far it is.
    """
    few = items if len(items) <= MOST_FILES else ()
    known = KnownFiles(cache, [i.read for i in few if isinstance(i.read, FileOnDisk)])
    skipped: list[SkippedFile] = []
    threads = num_readers(items)

    def look(some: Sequence[Item]) -> list[Photo | SkippedFile]:
        return [examine(item, max_pixels, is_numbered=is_numbered, known=known) for item in some]

    def usable(step: Step) -> Iterator[Photo]:
        left = iter(items)
        several = iter(lambda: list(itertools.islice(left, 1 if threads else _AT_ONCE)), [])
        results = in_order(look, several, num_threads=threads)
        for result in itertools.chain.from_iterable(results):
            step.advance()
            if isinstance(result, Photo):
                yield result
            else:
                skipped.append(result)

    with (progress or Silent()).step("Reading files", len(items), "files") as step:
        photos = Photos(usable(step))
    known.write()
    return photos, skipped


def find_faults(
    photos: Sequence[Photo], max_pixels: int, progress: Progress | None = None
) -> dict[bytes, ImageError]:
    """Decode photos, each content once, and return what is wrong with those that do not.

    Args:
        photos: The photos.
        max_pixels: As in `examine`.
        progress: Told how far it is.
    """
    distinct = {digest: i for i, digest in enumerate(digests_of(photos))}
    failures: dict[bytes, ImageError] = {}

    def check(i: int) -> tuple[bytes, ImageError | None]:
        photo = photos[i]
        try:
            decode(photo.read(), max_pixels=max_pixels, at_least=64)
        except ImageError as error:
            return photo.digest, error
        except OSError as error:
            return photo.digest, ImageError("unreadable", str(error))
        return photo.digest, None

    with (progress or Silent()).step("Decoding photos", len(distinct), "photos") as step:
        for digest, failure in in_order(check, distinct.values(), num_threads=num_readers(photos)):
            if failure is not None:
                failures[digest] = failure
            step.advance()
    return failures


def part_faulty(
    photos: Photos, failures: Mapping[bytes, ImageError]
) -> tuple[Photos, list[SkippedFile]]:
    """Return the photos without fault, and an account of the others.

    Args:
        photos: The photos.
        failures: As `find_faults` gives them.
    """
    fails = np.array([digest in failures for digest in digests_of(photos)], np.bool_)
    bad = [(photo, failures[photo.digest]) for photo in photos.take(np.flatnonzero(fails))]
    return photos.take(np.flatnonzero(~fails)), [
        SkippedFile(photo.name, cause.reason, cause.detail, photo.label) for photo, cause in bad
    ]


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
