"""Features of a whole dataset: the engine opened where it is needed, another where it can't run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from photograft.backbones.engines import Engine, Network, is_prepared, open_network
from photograft.backbones.registry import Backbone
from photograft.core.errors import ConversionError, ImageError
from photograft.core.progress import Progress
from photograft.core.segments import FeatureTable
from photograft.core.store import FeatureStore
from photograft.data.dataset import Photo
from photograft.features.extraction import PLAIN, View, extract, open_space, space_key


@dataclass(frozen=True)
class Extractor:
    """A backbone that looks at photos, and the store that it puts their features in.

    Attributes:
        backbone: The record.
        path: Its weight file; None for random weights.
        engine: What runs it.
        store: Where features are kept.
        max_pixels: Photos with more pixels fail.
        progress: Told how far it is.
        may_fall_back: Whether another engine may run what this one can't.
    """

    backbone: Backbone
    path: Path | None
    engine: Engine
    store: FeatureStore
    max_pixels: int
    progress: Progress = field(repr=False)
    may_fall_back: bool = True

    def space_key(self) -> dict[str, Any]:
        """Return all that a photo's features depend on, apart from the photo."""
        return space_key(self.backbone, self.engine)

    def extract(
        self, photos: Sequence[Photo], view: View = PLAIN, *, what: str = "Extracting features"
    ) -> tuple[FeatureTable, dict[bytes, ImageError], Extractor]:
        """Return photos' features, what was wrong with those that have none, and what ran.

        Args:
            photos: The photos.
            view: What the network sees of each.
            what: What the progress calls it.

        Raises:
            ConversionError: The engine can't run the network, and no other may.
        """
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
                self.backbone,
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
            return replace(self, engine=instead).extract(photos, view, what=what)
        self.store.prune()
        return table, failures, self
