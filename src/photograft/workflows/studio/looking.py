"""What the network sees of a project's photos: looked at once, kept, and brought to few numbers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from photograft.core.arrays import Floats
from photograft.core.progress import Silent, Step
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset, Photo
from photograft.data.images import DEFAULT_MAX_PIXELS
from photograft.data.known_files import FileOnDisk
from photograft.data.loading import with_near_duplicates
from photograft.data.photo import examine_all
from photograft.data.sources.base import Item
from photograft.features.extraction import open_space
from photograft.features.extractor import Extractor
from photograft.features.opening import open_extractor
from photograft.features.settings import ExtractionSettings
from photograft.learning.head.refitting import Directions

#: Photos that directions are found of at most; they are found anew where there are half as many
#: photos more than they were found of.
_DIRECTIONS_FROM, _MORE = 3000, 1.5
#: Photos that are looked at in one go: the first few soon, later ones without much ado.
_FIRST, _AT_ONCE = 32, 256
_ROWS = 1024
#: Seconds that it waits at most for what is awaited, and before it does so again.
_PATIENCE = 1.0
#: With more photos than these, near duplicates are left to the doctor.
_MOST_COMPARED = 6000


class Closed(Exception):  # noqa: N818 - nothing went wrong
    """What is under way is to end."""


class Looks:
    """The photos of a project as the default network sees them.

    One thread calls `learn_of`, `look` and `compare`; another `update` and what reads.

    Args:
        store: Where features are kept.
        tell: Called when more photos were looked at.
        is_awaited: Whether somebody waits for something else, and looking is to let that go first.
    """

    def __init__(
        self, store: FeatureStore, tell: Callable[[], None], is_awaited: Callable[[], bool]
    ) -> None:
        self._store, self._tell, self._is_awaited = store, tell, is_awaited
        self._extractor: Extractor | None = None
        self._lock = threading.Lock()
        self._photos: dict[str, Photo] = {}
        self._failed: set[str] = set()
        self._looked: dict[str, bytes] = {}
        self._alike: dict[str, int] = {}
        self._compared: frozenset[str] = frozenset()
        self._is_closed, self._waits_from = False, 0.0
        self._directions: Directions | None = None
        self._fitted_on = 0
        self._place: dict[bytes, int] = {}
        self._rows = np.empty((0, 0), np.float32)

    def close(self) -> None:
        """Let what is under way end soon."""
        self._is_closed = True

    @property
    def extractor(self) -> Extractor:
        """What looks at photos, opened at the first call.

        Raises:
            WeightsError: The network's weights are not here.
        """
        if self._extractor is None:
            self._extractor = open_extractor(
                ExtractionSettings(), store=self._store, progress=_Watch(self)
            )
        return self._extractor

    @property
    def directions(self) -> Directions:
        """Those of `rows`, which `update` found.

        Raises:
            LookupError: Nothing was looked at yet.
        """
        if self._directions is None:
            raise LookupError("nothing was looked at yet")
        return self._directions

    def progress(self, ids: Sequence[str]) -> tuple[int, int]:
        """Return how many of some photos were looked at, and how many can be."""
        with self._lock:
            looked, failed = self._looked, self._failed
            return sum(i in looked for i in ids), sum(i not in failed for i in ids)

    def photo(self, photo_id: str) -> Photo | None:
        """Return what is known of a photo's file; None where it was not read yet."""
        return self._photos.get(photo_id)

    def learn_of(self, ids: Sequence[str], paths: Sequence[str]) -> None:
        """Read the files that are new."""
        new = [
            Item(photo_id, "", None, None, FileOnDisk(Path(path)))
            for photo_id, path in zip(ids, paths, strict=True)
            if photo_id not in self._photos and photo_id not in self._failed
        ]
        if not new:
            return
        # What is kept of a folder takes the place of what was: only all of it is worth keeping.
        cache = None if self._photos else self._store.cache
        found, skipped = examine_all(
            new, DEFAULT_MAX_PIXELS, is_numbered=True, cache=cache, progress=_Watch(self)
        )
        with self._lock:
            self._photos |= {photo.name: photo for photo in found}
            self._failed |= {file.name for file in skipped}

    def look(self, ids: Sequence[str]) -> bool:
        """Look at some of the photos that were not looked at yet, the first ones first.

        Returns:
            Whether there were any.
        """
        most = _AT_ONCE if self._looked else _FIRST
        missing = [i for i in ids if i in self._photos and i not in self._looked][:most]
        missing = [i for i in missing if i not in self._failed]
        if not missing:
            return False
        table, _, self._extractor = self.extractor.extract([self._photos[i] for i in missing])
        with self._lock:
            for photo_id in missing:
                digest = self._photos[photo_id].digest
                if digest in table:
                    self._looked[photo_id] = digest
                else:
                    self._failed.add(photo_id)
                    del self._photos[photo_id]
        self._tell()
        return True

    def compare(self, ids: Sequence[str]) -> bool:
        """Find near duplicates among photos, where they are others than last time.

        Returns:
            Whether anything came of it.
        """
        now = frozenset(i for i in ids if i in self._photos)
        if now == self._compared or not 1 < len(now) <= _MOST_COMPARED:
            return False
        self._compared = now
        photos = tuple(self._photos[i] for i in ids if i in now)
        dataset = Dataset("studio", "memory", photos, (), (), empty_classes="drop")
        found = with_near_duplicates(
            dataset, ExtractionSettings(), store=self._store, progress=_Watch(self)
        )
        alike = {photo.name: photo.alike for photo in found.photos if photo.alike is not None}
        if alike == self._alike:
            return False
        self._alike = alike
        return True

    def labelled(
        self, ids: Sequence[str], labels: Sequence[str | None], groups: Sequence[str | None]
    ) -> list[Photo]:
        """Return those photos that have a label and that `update` took in, with label and group."""
        with self._lock:
            return [
                replace(
                    self._photos[photo_id],
                    label=label,
                    group=group,
                    alike=self._alike.get(photo_id),
                )
                for photo_id, label, group in zip(ids, labels, groups, strict=True)
                if label is not None and self._looked.get(photo_id, b"") in self._place
            ]

    def update(self) -> None:
        """Take in what was looked at since: find directions anew where need be."""
        with self._lock:
            digests = list(dict.fromkeys(self._looked.values()))
        if not digests:
            return
        backbone, engine = self.extractor.backbone, self.extractor.engine
        space = open_space(self._store, backbone, engine)
        if self._directions is None or (
            self._fitted_on < _DIRECTIONS_FROM and len(digests) >= _MORE * self._fitted_on
        ):
            sample = digests[:: max(1, len(digests) // _DIRECTIONS_FROM)][:_DIRECTIONS_FROM]
            table = space.find(sample)
            there = [digest for digest in sample if digest in table]
            self._directions = Directions.fit(table.rows(there), backbone.layers)
            self._fitted_on = len(digests)
            self._place, self._rows = {}, np.empty((0, 0), np.float32)
        new = [digest for digest in digests if digest not in self._place]
        if not new:
            return
        table = space.find(new)
        new = [digest for digest in new if digest in table]
        parts = [
            self._directions.rows(table.rows(new[i : i + _ROWS])) for i in range(0, len(new), _ROWS)
        ]
        self._rows = np.concatenate([self._rows, *parts] if len(self._rows) else parts)
        self._place |= {digest: len(self._place) + i for i, digest in enumerate(new)}

    def rows(self, photos: Sequence[Photo]) -> Floats:
        """Return photos along the directions, float32, shape ``(n, 1 + r)``; after `update`."""
        return self._rows[[self._place[photo.digest] for photo in photos]]

    def rows_of(self, ids: Sequence[str]) -> tuple[list[str], Floats]:
        """Return those photos that `update` took in, and their rows."""
        with self._lock:
            there = [i for i in ids if self._looked.get(i, b"") in self._place]
            places = [self._place[self._looked[i]] for i in there]
        return there, self._rows[places]

    def features(self, photos: Sequence[Photo]) -> Floats:
        """Return stored rows of photos that were looked at, float32, ``(n, num_features)``."""
        table, _, _ = self.extractor.extract(photos)
        return table.rows([photo.digest for photo in photos])

    def check(self) -> None:
        """Let go first what is awaited, half of the time; raise `Closed` where it was closed."""
        if (now := time.monotonic()) >= self._waits_from and self._is_awaited():
            while self._is_awaited() and not self._is_closed and time.monotonic() < now + _PATIENCE:
                time.sleep(0.01)
            self._waits_from = time.monotonic() + _PATIENCE
        if self._is_closed:
            raise Closed


class _Watch(Silent):
    """Ends work under way where the looks were closed."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks

    @contextmanager
    def step(self, what: str, total: int, unit: str) -> Iterator[Step]:
        """Open a step that ends with an error where it is to end."""
        with super().step(what, total, unit) as silent:
            yield _WatchStep(self._looks, silent)


class _WatchStep:
    def __init__(self, looks: Looks, silent: Step) -> None:
        self._looks, self._silent = looks, silent

    def advance(self, amount: int = 1) -> None:
        """See whether work is to end."""
        self._looks.check()
        self._silent.advance(amount)

    def note(self, text: str) -> None:
        """Ignore it."""
        self._silent.note(text)
