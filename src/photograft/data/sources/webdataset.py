"""Photos in WebDataset's tar files: members of one key, such as ``0001.jpg`` and ``0001.cls``."""

from __future__ import annotations

import json
import posixpath
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from photograft.core.errors import SourceError
from photograft.core.files import MAX_FILE_BYTES, printable
from photograft.core.text import count
from photograft.data.sources.base import Item, Listing, SkippedFile, make_listing
from photograft.data.sources.places import AnyFile
from photograft.data.sources.shards import Shard, each_shard, is_photo_name
from photograft.data.sources.table_rows import cell_text
from photograft.data.sources.tars import TarFile, TarMembers, is_safe, open_tar
from photograft.data.sources.tree import is_hidden

#: Members among which the first label is to be found, if there is one at all.
_HEAD = 64
#: Larger ones are no labels.
_MOST_BYTES = 2**20
_LABELS = ("label", "cls", "class")

_EXPECTED = (
    "members of one key that are a photo and its label: 0001.jpg beside 0001.cls or 0001.json"
)


@dataclass
class _Sample:
    """The members of one key.

    Attributes:
        photos: The names of photos, and what reads each.
        labels: What ``cls`` and ``json`` say; None where one says nothing.
        fault: Why the photo can't be used, and in detail.
    """

    photos: dict[str, Callable[[], bytes]] = field(default_factory=dict)
    labels: dict[str, str | None] = field(default_factory=dict)
    fault: tuple[str, str] = ("", "")

    @property
    def label(self) -> str:
        """Its label; empty where there is none."""
        return next((label for kind in ("cls", "json") if (label := self.labels.get(kind))), "")


def holds_samples(members: TarMembers) -> bool:
    """Return whether a tar file is WebDataset's: whether one of its first members is a label.

    Raises:
        SourceError: It is damaged.
    """
    for number, info in enumerate(members):
        if number == _HEAD:
            break
        if info.isreg() and _label_in(members, info) is not None:
            return True
    return False


def read_tars(shards: Sequence[Shard], notes: Iterable[str] = ()) -> Listing:
    """List the photos of WebDataset's tar files.

    Args:
        shards: The tar files.
        notes: What the user should know of how they were chosen.

    Returns:
        The listing, of kind ``"webdataset"``. A photo is called by its shard and its name there.

    Raises:
        SourceError: None of them can be read, or they hold no photo with a label.
        StorageError: There is no room to decompress them.
    """
    skipped: list[SkippedFile] = []

    def items() -> Iterator[Item]:
        look = partial(_samples_in, is_one_of_many=len(shards) > 1)
        for shard, found in each_shard(shards, look, skipped):
            for key, sample in found.items():
                yield from _usable(shard, key, sample, skipped)

    return _listed(shards, items(), skipped, notes)


def list_samples(file: AnyFile, members: TarMembers, tar: TarFile | None) -> Listing:
    """List the photos of one tar file that is open; see `read_tars`."""
    skipped: list[SkippedFile] = []
    shard = Shard(file, "")
    found = samples(members, tar)
    items = (item for key in found for item in _usable(shard, key, found[key], skipped))
    return _listed([shard], items, skipped)


def _listed(
    shards: Sequence[Shard],
    items: Iterable[Item],
    skipped: list[SkippedFile],
    notes: Iterable[str] = (),
) -> Listing:
    listing = make_listing("webdataset", items, skipped, notes)  # what is skipped is known then
    if not len(listing.items):
        example = next((f", such as {file.name}: {file.reason}" for file in skipped), "")
        raise SourceError(
            f"{shards[0].file.shown} holds no photo with a label",
            expected=_EXPECTED,
            got=f"{count(len(skipped), 'file')} that can't be used{example}",
        )
    return listing


def photos_in_tar(file: AnyFile) -> list[tuple[str, Callable[[], bytes]]]:
    """Return the photos of any tar file, with labels or without: their names and what reads each.

    Raises:
        SourceError: It can't be read.
    """
    members, tar = _opened(file)
    return [
        (printable(info.name), _reader(members, tar, info))
        for info in members
        if info.isreg() and is_photo_name(info.name) and not _is_hidden(info.name)
    ]


def _usable(shard: Shard, key: str, sample: _Sample, skipped: list[SkippedFile]) -> Iterator[Item]:
    """Yield the photo of a key, or tell why it can't be used."""
    label = sample.label
    if not sample.photos:
        if label or sample.fault[0]:
            reason, detail = sample.fault if sample.fault[0] else ("no photo", "a label only")
            skipped.append(SkippedFile(shard.called(printable(key)), reason, detail, label))
        return
    # Masks and the like, such as 0001.seg.png, are not it where there is a 0001.jpg.
    photos = [name for name in sample.photos if "." not in _parts(name)[1]] or list(sample.photos)
    name = shard.called(printable(photos[0]))
    if len(photos) > 1:
        names = ", ".join(map(printable, photos))
        skipped.append(SkippedFile(name, "several photos", f"one key has {names}", label))
    elif sample.fault[0]:
        skipped.append(SkippedFile(name, *sample.fault, label))
    elif not label:
        detail = f"its {' and '.join(sample.labels)} names none" if sample.labels else ""
        skipped.append(SkippedFile(name, "no label", detail))
    else:
        yield Item(name, label, shard.split, None, sample.photos[photos[0]])


def _samples_in(shard: Shard, *, is_one_of_many: bool) -> dict[str, _Sample]:
    members, tar = _opened(shard.file, is_one_of_many=is_one_of_many)
    return samples(members, tar)


def samples(members: TarMembers, tar: TarFile | None) -> dict[str, _Sample]:
    """Return the samples of a tar file by key.

    Args:
        members: Its members.
        tar: What reads them from the file itself, if it can be.

    Raises:
        SourceError: It is damaged.
    """
    found: dict[str, _Sample] = {}
    for info in members:
        key, kind = _parts(info.name)
        if info.isdir() or _is_hidden(info.name):
            continue
        is_photo = is_photo_name(f"x.{kind}")
        if not is_photo and kind not in ("cls", "json"):
            continue
        sample = found.setdefault(key, _Sample())
        if not is_safe(info.name):  # nothing is written by it, but for whoever reads the account
            sample.fault = "unsafe path", ""
        elif not info.isreg():
            sample.fault = "not a regular file", "a link, or a device"
        elif not is_photo:
            sample.labels[kind] = _label_in(members, info)
        elif info.size > MAX_FILE_BYTES:
            sample.photos[info.name] = bytes
            detail = f"{info.size:,} bytes, and {MAX_FILE_BYTES:,} is the most"
            sample.fault = "too large", detail
        else:
            if info.name in sample.photos:
                sample.fault = "listed twice", f"{printable(info.name)} is there twice"
            sample.photos[info.name] = _reader(members, tar, info)
    return found


def _opened(file: AnyFile, *, is_one_of_many: bool = False) -> tuple[TarMembers, TarFile | None]:
    try:
        return open_tar(file, is_one_of_many=is_one_of_many)
    except OSError as error:
        raise SourceError(
            f"{file.shown} can't be read", got=error.strerror or str(error)
        ) from error


def _reader(members: TarMembers, tar: TarFile | None, info: tarfile.TarInfo) -> Callable[[], bytes]:
    if tar is not None and not info.issparse():
        return tar.member(info)
    return partial(members.read, info)


def _parts(name: str) -> tuple[str, str]:
    """Return a member's key and kind: what stands before the first dot of its name, and behind.

    >>> _parts("a.b/0001.seg.png"), _parts("0001.JPG")
    (('a.b/0001', 'seg.png'), ('0001', 'jpg'))
    """
    folder, base = posixpath.split(name.removeprefix("./"))
    stem, _, kind = base.partition(".")
    return posixpath.join(folder, stem), kind.lower()


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part != ".." and is_hidden(part) for part in parts)


def _label_in(members: TarMembers, info: tarfile.TarInfo) -> str | None:
    """Return the label that a member gives; None where it gives none."""
    kind = _parts(info.name)[1]
    if kind not in ("cls", "json") or info.size > _MOST_BYTES:
        return None
    try:
        text = members.read(info).decode("utf-8-sig")
        said: Any = json.loads(text) if kind == "json" else text
    except (OSError, ValueError, RecursionError):
        return None
    if isinstance(said, dict):
        said = next((said[name] for name in _LABELS if said.get(name) is not None), None)
    if kind == "json" and (isinstance(said, (bool, list, dict)) or said is None):
        return None
    return cell_text(said) or None
