"""Photos looked at by whatever was chosen to do it: this process, others, or a cluster.

What is sent elsewhere is a photo's address, or its file's bytes, never its pixels: one worker
decodes it, resizes it and runs the network.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from photograft.backbones.registry import Backbone
from photograft.core.arrays import Floats
from photograft.core.errors import ImageError
from photograft.core.executors.base import Dealing, Done, InProcess
from photograft.core.executors.choosing import current
from photograft.data import images
from photograft.data.dataset import Photo, read_as_listed
from photograft.data.known_files import FileOnDisk
from photograft.data.photo_inputs import PhotoFile
from photograft.data.sources.members import Member, is_far
from photograft.features.extraction import PLAIN, FeatureBatch, View, feature_batches
from photograft.features.looks import JoinedNetwork
from photograft.features.networks import SendableNetwork

Read = Callable[[], bytes]

#: Why a photo fails that can't be read; and in detail, one that ends whatever decodes it.
_UNREADABLE, _DIED = "unreadable", "each process that decoded it died"


@dataclass(frozen=True)
class Looking:
    """A network that looks at photos: work for an executor.

    Attributes:
        backbone: Prepares the pixels, for each of its looks.
        network: Opens it, at the first photo that decodes; it is sent only as a `SendableNetwork`.
        view: What it sees of each photo.
        max_pixels: Photos with more pixels fail.
    """

    backbone: Backbone
    network: Callable[[], JoinedNetwork]
    view: View = PLAIN
    max_pixels: int = images.DEFAULT_MAX_PIXELS

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}  # no open network

    def __call__(self, reads: Sequence[Read]) -> FeatureBatch:
        """Return the features of a batch; the network stays open for the next one."""
        found = list(self._batches(reads))
        indices = [i for own, _, _ in found for i in own]
        failed = [failure for _, _, own in found for failure in own]
        rows = [rows for own, rows, _ in found if own]
        return indices, np.concatenate(rows) if rows else self.nothing(), failed

    def nothing(self) -> Floats:
        """Return the features of no photo."""
        return np.empty((0, self.backbone.num_features), np.float32)

    def stream(
        self, reads: Iterable[Read]
    ) -> Generator[tuple[Sequence[int], FeatureBatch], None, None]:
        """Yield features while other photos are decoded; see `feature_batches`."""
        start = 0
        batches = self._batches(reads)
        try:
            for indices, features, failed in batches:
                positions = range(start, start + len(indices) + len(failed))
                own = [i - start for i in indices], features, [(i - start, e) for i, e in failed]
                start = positions.stop
                yield positions, own
        finally:
            batches.close()

    def _batches(self, reads: Iterable[Read]) -> Generator[FeatureBatch, None, None]:
        return feature_batches(
            reads, self.backbone, self._open, view=self.view, max_pixels=self.max_pixels
        )

    def _open(self) -> JoinedNetwork:
        opened: JoinedNetwork | None = self.__dict__.get("_opened")
        if opened is None:
            opened = self.__dict__["_opened"] = self.network()
        return opened


@dataclass(frozen=True)
class ListedPhoto:
    """Reads a photo, if it is still the one that was listed; see `read_as_listed`."""

    photo: Photo

    @property
    def is_far(self) -> bool:
        """Whether its reading waits for another machine."""
        return is_far(self.photo.read)

    def __call__(self) -> bytes:
        """Return its bytes."""
        return read_as_listed(self.photo)


def look_at(
    reads: Iterable[Read], work: Looking, note: Callable[[str], object] = lambda text: None
) -> Generator[FeatureBatch, None, None]:
    """Have photos looked at by what was chosen to do it; see `executors.choosing`.

    Args:
        reads: Each returns one file's bytes; read only a little ahead.
        work: What looks at them.
        note: Told how fast each machine is, where they are others.

    Yields:
        As `feature_batches` does, batches in any order: every position comes up exactly once. What
        ends each worker that is given it fails as ``"unreadable"``.
    """
    network, executor = work.network, current()
    if not (executor.is_remote and isinstance(network, SendableNetwork)):
        done = InProcess().run(work, reads)
        try:
            for batch in done:
                yield _placed(batch, work)
        finally:
            done.close()
        return
    network.prepare()
    dealing = Dealing(num_bytes=_num_bytes, accelerated=network.device != "cpu")
    pace = _Places(note)
    own: dict[int, Read] = {}
    elsewhere: list[tuple[int, Read]] = []

    def sent() -> Iterator[Read]:
        for i, read in enumerate(reads):
            own[i] = read
            yield read if _is_address(read) else _held(read)

    def run(things: Iterable[Read]) -> Iterator[FeatureBatch]:
        results = executor.run(work, things, dealing)
        try:
            for done in results:
                pace.add(done.place, len(done.positions))
                yield _placed(done, work)
        finally:
            results.close()

    for indices, features, failed in run(sent()):
        known = {i: own.pop(i) for i in (*indices, *(i for i, _ in failed))}
        # Another machine may not have the files that are here.
        lost = {i for i, error in failed if _may_be_here(known[i], error)}
        elsewhere += [(i, known[i]) for i in lost]
        yield indices, features, [(i, error) for i, error in failed if i not in lost]
    if not elsewhere:
        return
    places = [i for i, _ in elsewhere]
    for indices, features, failed in run(_held(read) for _, read in elsewhere):
        yield [places[i] for i in indices], features, [(places[i], e) for i, e in failed]


def _placed(done: Done[FeatureBatch], work: Looking) -> FeatureBatch:
    """Return a batch with the positions that its photos have among all."""
    if done.result is None:
        failure = ImageError(_UNREADABLE, _DIED)
        return [], work.nothing(), [(i, failure) for i in done.positions]
    indices, features, failed = done.result
    at = done.positions
    return [at[i] for i in indices], features, [(at[i], error) for i, error in failed]


@dataclass(frozen=True)
class _Held:
    """A file's bytes, or what came of reading them."""

    data: bytes
    error: Exception | None = None

    def __call__(self) -> bytes:
        if self.error is not None:
            raise self.error
        return self.data


def _held(read: Read) -> _Held:
    try:
        return _Held(read())
    except (ImageError, OSError) as error:
        return _Held(b"", error)


def _is_address(read: Read) -> bool:
    if isinstance(read, ListedPhoto):
        read = read.photo.read
    if isinstance(read, Member):
        return read.family.is_address
    return isinstance(read, (FileOnDisk, PhotoFile))


def _may_be_here(read: Read, error: ImageError) -> bool:
    """Return whether a file may be read here though it could not be read elsewhere."""
    return error.reason == _UNREADABLE and error.detail != _DIED and _is_address(read)


def _num_bytes(read: Read) -> int:
    return len(read.data) if isinstance(read, _Held) else 0


class _Places:
    """How fast each machine is, told now and then.

    Args:
        note: Told, in words.
    """

    def __init__(self, note: Callable[[str], object]) -> None:
        self._note = note
        self._began: dict[str, float] = {}
        self._counts: Counter[str] = Counter()

    def add(self, place: str, count: int) -> None:
        """Count photos; what came first from a machine is when it began."""
        if not place:
            return
        now = time.monotonic()
        if place in self._began:
            self._counts[place] += count
        self._began.setdefault(place, now)
        rates = {
            name: self._counts[name] / max(now - since, 1e-9)
            for name, since in self._began.items()
            if self._counts[name]
        }
        self._note(", ".join(f"{name}: {rate:.0f}/s" for name, rate in sorted(rates.items())))
