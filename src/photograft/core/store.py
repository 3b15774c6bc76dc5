"""The feature store: what a frozen backbone made of each photo, kept for every later question.

One folder (a *space*) per backbone, weights, preprocessing, engine, precision and version:

    <cache>/features/<space>/space.json       the key in plain words
    <cache>/features/<space>/network.*        the network as converted for an engine
    <cache>/features/<space>/<id>.*           segments; see `segments`
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from photograft.core.errors import InputError
from photograft.core.files import path_of
from photograft.core.segments import Space
from photograft.core.upkeep import remove_segment, segment_stat

#: Bytes that the store may take before the least recently used segments are dropped, where the
#: environment variable PHOTOGRAFT_CACHE_SIZE gives no other size.
DEFAULT_MAX_BYTES = 10 * 2**30


def default_cache_dir() -> Path:
    """Return the user's cache folder: ``$PHOTOGRAFT_CACHE``, or where the system keeps caches."""
    chosen = os.environ.get("PHOTOGRAFT_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("photograft"))


def parse_size(text: str) -> int:
    """Return the bytes that a size such as ``"500MB"`` or ``"2 GiB"`` stands for.

    >>> parse_size("2GB"), parse_size("1 KiB"), parse_size("0")
    (2000000000, 1024, 0)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:([kmgt]?)(i?)b?)?\s*", text, re.IGNORECASE)
    if match is None:
        raise InputError(f"{text!r} is no size", expected="one such as 500MB or 2GB")
    number, prefix, binary = match.groups()
    base = 1024 if binary else 1000
    return int(float(number) * base ** " kmgt".index((prefix or " ").lower()))


@dataclass(frozen=True)
class Usage:
    """What one space of the store takes.

    Attributes:
        space: Its folder's name.
        title: Its backbone, engine and precision.
        num_photos: Rows that it holds.
        num_segments: Files that these lie in.
        largest_bytes: Of the largest one.
        network_bytes: Of its converted networks.
        num_bytes: Bytes on disk, of segments and networks.
        last_used: Seconds since the epoch.
    """

    space: str
    title: str
    num_photos: int
    num_segments: int
    largest_bytes: int
    network_bytes: int
    num_bytes: int
    last_used: float


class FeatureStore:
    """All spaces under one cache folder.

    Args:
        cache: The cache folder; made when first written to.
        max_bytes: What the store may take; beyond that, `prune` drops the least recently used.
            ``$PHOTOGRAFT_CACHE_SIZE``, or `DEFAULT_MAX_BYTES`, where not given.
    """

    def __init__(
        self, cache: str | os.PathLike[str] | None = None, *, max_bytes: int | None = None
    ) -> None:
        self.cache = default_cache_dir() if cache is None else path_of(cache, "the cache folder")
        chosen = os.environ.get("PHOTOGRAFT_CACHE_SIZE")
        usual = parse_size(chosen) if chosen else DEFAULT_MAX_BYTES
        self.max_bytes = usual if max_bytes is None else max_bytes

    def __repr__(self) -> str:
        return f"FeatureStore({str(self.cache)!r})"

    @property
    def root(self) -> Path:
        """The folder of all spaces."""
        return self.cache / "features"

    def space(self, key: dict[str, Any], num_features: int) -> Space:
        """Return the space of one key.

        Args:
            key: Everything that decides the features but the photo, as JSON types.
            num_features: Length of a row.
        """
        text = json.dumps({**key, "num_features": num_features}, sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        return Space(self.root / name, key, num_features)

    def usage(self) -> list[Usage]:
        """Return what each space takes, the most recently used first."""
        found = []
        for folder in self._spaces():
            segments = [segment_stat(keys) for keys in folder.glob("*.keys")]
            others = _network_bytes(folder)
            found.append(
                Usage(
                    space=folder.name,
                    title=_title(folder),
                    num_photos=sum(rows for _, rows, _ in segments),
                    num_segments=len(segments),
                    largest_bytes=max((size for size, _, _ in segments), default=0),
                    network_bytes=others,
                    num_bytes=sum(size for size, _, _ in segments) + others,
                    last_used=max((used for _, _, used in segments), default=0.0),
                )
            )
        return sorted(found, key=lambda u: -u.last_used)

    def prune(self, max_bytes: int | None = None) -> int:
        """Drop the least recently used segments until the store is within its limit.

        A space's converted networks count, and go with its last segment.

        Args:
            max_bytes: The limit in bytes, in place of the store's own.

        Returns:
            The bytes that were freed. A segment that a process is writing to stays.
        """
        limit = self.max_bytes if max_bytes is None else max_bytes
        if limit < 0:
            raise InputError("the store's size limit can't be negative", got=str(limit))
        segments = [
            (segment_stat(keys), keys)
            for folder in self._spaces()
            for keys in folder.glob("*.keys")
        ]
        left = Counter(keys.parent for _, keys in segments)
        networks = {folder: _network_bytes(folder) for folder in left}
        total = sum(size for (size, _, _), _ in segments) + sum(networks.values())
        freed = 0
        for (size, _, _), keys in sorted(segments, key=lambda s: s[0][2]):
            if total - freed <= limit:
                break
            if remove_segment(keys):
                freed += size
                left[keys.parent] -= 1
                if not left[keys.parent]:
                    freed += networks[keys.parent]
        for folder in self._spaces():
            # What a process that was killed before its first key, or while deleting, left behind.
            for half in (*folder.glob("*.rows"), *folder.glob("*.lock")):
                if not half.with_suffix(".keys").exists():
                    remove_segment(half.with_suffix(".keys"))
            if not any(folder.glob("*.keys")) and not any(folder.glob("*.lock")):
                shutil.rmtree(folder, ignore_errors=True)
        return freed

    def clear(self) -> int:
        """Drop all that no process is writing to, unfinished trainings included.

        Returns:
            The bytes that were freed. A training that is under way only loses the way back.
        """
        freed = self.unfinished()[1]
        for folder in ("training", "answers", "listed", "thumbnails"):
            shutil.rmtree(self.cache / folder, ignore_errors=True)
        return freed + self.prune(0)

    def unfinished(self) -> tuple[int, int]:
        """Return how many interrupted trainings are kept, and their bytes."""
        folders = [path for path in self.cache.glob("training/*") if path.is_dir()]
        sizes = [
            file.stat().st_size for folder in folders for file in folder.iterdir() if file.is_file()
        ]
        return len(folders), sum(sizes)

    def _spaces(self) -> list[Path]:
        try:
            # By their names: a folder that someone else put there is none of ours to prune.
            folders = [p for p in self.root.iterdir() if re.fullmatch(r"[0-9a-f]{32}", p.name)]
            return sorted(p for p in folders if p.is_dir())
        except OSError:
            return []


def _network_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("network.*"))


def _title(folder: Path) -> str:
    try:
        key = json.loads((folder / "space.json").read_text())
        return f"{key['backbone']}, {key['engine']}, {key['precision']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"
