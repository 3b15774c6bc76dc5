"""Features of a whole dataset: the engine opened where it is needed, another where it can't run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from photograft.backbones.engines import Engine, Network, is_prepared, open_network
from photograft.backbones.joined import join
from photograft.backbones.registry import Backbone
from photograft.core.errors import ConversionError, ImageError
from photograft.core.progress import Progress
from photograft.core.segments import Table
from photograft.core.store import FeatureStore
from photograft.data.dataset import Photo
from photograft.features.extraction import (
    PLAIN,
    View,
    extract,
    mirrored_view,
    open_space,
    space_key,
)
from photograft.features.looks import JoinedNetwork, JoinedTable, MeanTable, join_networks


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
        folder = open_space(self.store, self.backbone, self.engine).folder
        space = open_space(self.store, self.backbone, self.engine, view)

        def opened() -> Network:
            if not is_prepared(self.backbone, self.path, self.engine, folder):
                self.progress.say(
                    f"Preparing {self.backbone.name} for {self.engine.name}: some seconds, once"
                )
            return open_network(self.backbone, self.path, self.engine, folder)

        try:
            table, failures = extract(
                photos,
                replace(self.backbone, mirror=False),
                space,
                opened,
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
