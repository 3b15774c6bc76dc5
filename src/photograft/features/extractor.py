"""Features of a whole dataset: the engine opened where it is needed, another where it can't run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from photograft.backbones.engines import Engine, Network, open_network
from photograft.backbones.joined import join
from photograft.backbones.registry import Backbone
from photograft.core.digests import first_of_each
from photograft.core.errors import ConversionError, ImageError
from photograft.core.feature_table import FeatureTable, Table
from photograft.core.progress import Progress, Silent
from photograft.core.segments import Space, Writer
from photograft.core.store import FeatureStore
from photograft.core.upkeep import merge_segments
from photograft.data import images
from photograft.data.dataset import Photo
from photograft.data.photo import digest_array_of
from photograft.features.extraction import (
    PLAIN,
    View,
    mirrored_view,
    open_space,
    space_key,
)
from photograft.features.looking import ListedPhoto, Looking, look_at
from photograft.features.looks import JoinedNetwork, JoinedTable, MeanTable, join_networks
from photograft.features.networks import StoredNetwork


@dataclass(frozen=True)
class Extractor:
    """A backbone that looks at photos, and the store that it puts their features in.

    Attributes:
        backbone: The record.
        path: Its weight file; None for random weights, and where there are `parts`.
        engine: What runs it.
        store: Where features are kept.
        max_pixels: Photos with more pixels fail.
        progress: Told how far it is.
        may_fall_back: Whether another engine may run what this one can't.
        parts: Of each look, where several are joined.
    """

    backbone: Backbone
    path: Path | None
    engine: Engine
    store: FeatureStore
    max_pixels: int
    progress: Progress = field(repr=False)
    may_fall_back: bool = True
    parts: tuple[Extractor, ...] = ()

    def space_key(self) -> dict[str, Any]:
        """Return all that a photo's features depend on, apart from the photo."""
        if self.parts:
            return {"parts": [part.space_key() for part in self.parts]}
        mirror = {"mirror": True} if self.backbone.mirror else {}
        return {**space_key(self.backbone, self.engine), **mirror}

    def extract(
        self, photos: Sequence[Photo], view: View = PLAIN, *, what: str = "Extracting features"
    ) -> tuple[Table, dict[bytes, ImageError], Extractor]:
        """Return photos' features, what was wrong with those that have none, and what ran.

        Args:
            photos: The photos.
            view: What the network sees of each.
            what: What the progress calls it.

        Raises:
            ConversionError: The engine can't run the network, and no other may.
        """
        if self.parts:
            return self._joined(photos, view, what)
        if not self.backbone.mirror:
            return self._seen(photos, view, what)
        own, failures, ran = self._seen(photos, view, what)
        mirrored, others, ran = ran._seen(photos, mirrored_view(view), f"{what}, mirrored")
        return MeanTable([own, mirrored]), {**others, **failures}, ran

    def told(self, progress: Progress) -> Extractor:
        """Return the same, which tells somebody else how far it is."""
        parts = tuple(part.told(progress) for part in self.parts)
        return replace(self, progress=progress, parts=parts)

    def folder(self) -> Path:
        """Return where the prepared network of one look is kept."""
        return open_space(self.store, self.backbone, self.engine).folder

    def network(self) -> JoinedNetwork:
        """Return what gives the features of all looks at once, opened now.

        Raises:
            ConversionError: The engine can't run one.
        """
        networks = []
        for part in self.parts or (self,):
            engine = part.engine.available()
            folder = open_space(part.store, part.backbone, engine).folder
            networks.append(open_network(part.backbone, part.path, engine, folder))
        return join_networks(self.backbone, networks)

    def _joined(
        self, photos: Sequence[Photo], view: View, what: str
    ) -> tuple[Table, dict[bytes, ImageError], Extractor]:
        failures: dict[bytes, ImageError] = {}
        tables, ran = [], []
        for number, part in enumerate(self.parts, 1):
            table, failed, own = part.extract(
                photos, view, what=f"{what} ({number} of {len(self.parts)})"
            )
            tables.append(table)
            failures |= failed
            ran.append(own)
        return JoinedTable(tables), failures, join_extractors(ran)

    def _seen(
        self, photos: Sequence[Photo], view: View, what: str
    ) -> tuple[Table, dict[bytes, ImageError], Extractor]:
        # A prepared network serves all views: it lies with the plain one's features.
        folder = self.folder()
        space = open_space(self.store, self.backbone, self.engine, view)

        network = StoredNetwork(self.backbone, self.path, self.engine, folder, self.progress)
        try:
            table, failures = extract(
                photos,
                replace(self.backbone, mirror=False),
                space,
                network,
                view=view,
                what=what,
                max_pixels=self.max_pixels,
                progress=self.progress,
            )
        except ConversionError as error:
            instead = self.engine.fallback(self.backbone)
            if instead is None or not self.may_fall_back:
                raise
            self.progress.say(f"{error} Going on with {instead.name}.")
            return replace(self, engine=instead)._seen(photos, view, what)
        self.store.prune()
        return table, failures, self


def join_extractors(parts: Sequence[Extractor]) -> Extractor:
    """Return one extractor of several looks.

    Args:
        parts: Of one look each, with the same store and the same limits.
    """
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    return replace(
        first,
        backbone=join([part.backbone for part in parts]),
        path=None,
        parts=tuple(parts),
    )


def extract(
    photos: Sequence[Photo],
    backbone: Backbone,
    space: Space,
    network: Callable[[], Network],
    *,
    view: View = PLAIN,
    what: str = "Extracting features",
    max_pixels: int = images.DEFAULT_MAX_PIXELS,
    progress: Progress | None = None,
) -> tuple[FeatureTable, dict[bytes, ImageError]]:
    """Return the features of photos, computing and storing those that are not stored yet.

    Interrupted at any moment it loses the batch in flight; called again it goes on from there.

    Args:
        photos: The photos; each distinct content is looked at once.
        backbone: Of one look, without its mirror image; prepares the pixels.
        space: Where the features are kept.
        network: Opens the network; called only if there is something to compute.
        view: What the network sees of each photo; `space` must be the view's own.
        what: What the progress calls it.
        max_pixels: Photos with more pixels fail.
        progress: Told how far it is.

    Returns:
        A table that holds every photo which could be decoded, and for each other content digest
        what was wrong with it.
    """
    digests = digest_array_of(photos)
    first = first_of_each(digests)
    distinct = digests[first]
    table = space.find(distinct)
    missing = first[~table.holds(distinct)]
    failures: dict[bytes, ImageError] = {}
    if not len(missing):
        return table, failures
    work = Looking(backbone, network, view, max_pixels)
    with (progress or Silent()).step(what, len(missing), "photos") as step:
        writer: Writer | None = None
        with contextlib.ExitStack() as stack:
            # Made as they are needed: of many photos, what reads each takes more than its name.
            reads = (ListedPhoto(photos[i]) for i in missing.tolist())
            batches = look_at(reads, work, step.note)
            stack.enter_context(contextlib.closing(batches))
            for indices, features, failed in batches:
                failures |= {photos[missing[i]].digest: error for i, error in failed}
                if indices:
                    writer = writer or stack.enter_context(space.writer())
                    writer.append(digests[missing[indices]], features)
                step.advance(len(indices) + len(failed))
    merge_segments(space)
    return space.find(distinct), failures
