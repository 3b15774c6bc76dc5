"""Which files are shards of one set, and of which split each is."""

from __future__ import annotations

import errno
import itertools
import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

from photograft.core.addresses import shown_address
from photograft.core.errors import PhotograftError, SourceError, StorageError
from photograft.core.files import printable
from photograft.core.parallel import in_order
from photograft.core.text import count, listed
from photograft.data.sources.base import SkippedFile, split_name
from photograft.data.sources.places import AnyFile
from photograft.data.sources.tree import PHOTO_SUFFIXES, SHARD_SUFFIXES, Tree, is_hidden

T = TypeVar("T")

#: What lies beside shards, and tells of them.
_BESIDE = {".csv", ".html", ".json", ".jsonl", ".md", ".sha256", ".tsv", ".txt", ".yaml", ".yml"}
_BESIDE_NAMES = {"license", "readme", "_success", "_metadata", "_common_metadata"}
_MOST_SHARDS = 100_000
#: Shards at addresses that are looked through at once.
_AT_ONCE = 8
_BRACES = re.compile(r"\{(?:(\d+)\.\.(\d+)|([^{}]*,[^{}]*))\}")


@dataclass(frozen=True)
class Shard:
    """One file of a set.

    Attributes:
        file: The file.
        name: Its path below the set, without its extension; empty where it is the whole set.
        split: That of its photos, where the set has splits.
    """

    file: AnyFile
    name: str
    split: str | None = None

    def called(self, photo: str) -> str:
        """Return what a photo of it is called."""
        return f"{self.name}/{photo}" if self.name else photo


def has_braces(text: str) -> bool:
    """Return whether a text is a pattern such as ``train-{000000..000009}.tar``."""
    return _BRACES.search(text) is not None


def expand_braces(pattern: str) -> list[str]:
    """Return what a pattern stands for, as a shell would write it out.

    Raises:
        SourceError: It stands for too many.

    >>> expand_braces("{train,val}-{08..10}.tar")[1:4]
    ['train-09.tar', 'train-10.tar', 'val-08.tar']
    """
    parts: list[list[str]] = []
    at = 0
    for match in _BRACES.finditer(pattern):
        first, last, words = match.groups()
        choices = (words or "").split(",")
        if words is None:
            step = 1 if int(last) >= int(first) else -1
            numbers = range(int(first), int(last) + step, step)
            if len(numbers) > _MOST_SHARDS:
                raise _too_many(pattern)
            is_padded = "0" in (first[0], last[0])
            width = max(len(first), len(last)) if is_padded else 0
            choices = [f"{number:0{width}}" for number in numbers]
        parts += [[pattern[at : match.start()]], choices]
        at = match.end()
    found = itertools.product(*parts, [pattern[at:]])
    expanded = ["".join(pieces) for pieces in itertools.islice(found, _MOST_SHARDS + 1)]
    if len(expanded) > _MOST_SHARDS:
        raise _too_many(pattern)
    return expanded


def shards_in(tree: Tree) -> list[PurePosixPath]:
    """Return the shards that a folder consists of; none where it holds anything else.

    Args:
        tree: What lies in it.
    """
    files = [path for path in tree.files if not any(map(is_hidden, path.parts))]
    found = [path for path in files if path.suffix.lower() in SHARD_SUFFIXES]
    others = {path for path in files if path.suffix.lower() not in SHARD_SUFFIXES}
    if all(path.suffix.lower() in _BESIDE or path.name.lower() in _BESIDE_NAMES for path in others):
        return sorted(found)
    return []


def is_photo_name(name: str) -> bool:
    """Return whether a file's name is one of a photo.

    >>> is_photo_name("0001.JPG"), is_photo_name("0001.cls")
    (True, False)
    """
    return PurePosixPath(name).suffix.lower() in PHOTO_SUFFIXES


def make_shards(files: Sequence[AnyFile], names: Sequence[str]) -> tuple[list[Shard], list[str]]:
    """Return files as the shards of a set, and notes on what was left out.

    Splits are told by names, such as ``train-00000-of-00004.parquet`` or ``test/0000.tar``, where
    there are several of them.

    Args:
        files: The files.
        names: Their paths below the set.
    """
    stems = [printable(PurePosixPath(name).with_suffix("")) for name in names]
    splits = [_split_of(stem) for stem in stems]
    if len({split for split in splits if split}) < 2:
        splits = [None] * len(splits)
    if len(files) == 1:
        return [Shard(files[0], "")], []
    all_of_them = zip(files, stems, splits, strict=True)
    shards = [Shard(file, stem, split) for file, stem, split in all_of_them]
    if not any(splits):
        return shards, []
    left = [shard.name for shard in shards if shard.split is None]
    notes = [f"files of no split, which were not used: {listed(left)}"] if left else []
    return [shard for shard in shards if shard.split], notes


def each_shard(
    shards: Sequence[Shard], look: Callable[[Shard], T], skipped: list[SkippedFile]
) -> Generator[tuple[Shard, T], None, None]:
    """Look through shards, at addresses several at once, and yield what was found, in order.

    Args:
        shards: The shards.
        look: Looks through one.
        skipped: Where those go that can't be read, unless none can be.

    Raises:
        SourceError: None of them can be read.
        StorageError: Too many files are open, which is no fault of a shard.
    """

    def attempt(shard: Shard) -> T | PhotograftError:
        try:
            return look(shard)
        except SourceError as error:
            if _is_of_too_many_files(error):
                raise StorageError(
                    f"{shard.file.shown} can't be opened",
                    got="too many open files",
                    fix="Raise the limit (`ulimit -n`), or make fewer and larger shards.",
                ) from error
            return error

    threads = _AT_ONCE if any(shard.file.is_far for shard in shards) else 1
    results = in_order(attempt, shards, window=2 * threads, num_threads=threads)
    first, read = None, 0
    for shard, found in zip(shards, results, strict=True):
        if isinstance(found, PhotograftError):
            first = first or found
            skipped.append(SkippedFile(shard.file.name, "unreadable", str(found)))
        else:
            read += 1
            yield shard, found
    if first is not None and not read:
        raise first


def _is_of_too_many_files(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            return True
        error = error.__cause__
    return False


def _split_of(stem: str) -> str | None:
    """Return the split that a shard's name tells; None where it tells none, or several."""
    words = re.split(r"[/\-_.]", stem)
    found = {split for word in words if (split := split_name(word))}
    return found.pop() if len(found) == 1 else None


def _too_many(pattern: str) -> SourceError:
    return SourceError(
        f"{printable(shown_address(pattern))} stands for too many files",
        expected=f"{count(_MOST_SHARDS, 'file')} at most",
    )
