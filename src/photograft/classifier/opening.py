"""The networks behind a classifier: opened once, and kept for the next call."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from photograft.backbones.engines import Engine
from photograft.backbones.networks import Network, open_network
from photograft.backbones.registry import Backbone, included_name
from photograft.backbones.weights import locate_weights
from photograft.classifier.views import looking_at
from photograft.core.errors import ConversionError
from photograft.core.store import FeatureStore, default_cache_dir
from photograft.features.extraction import open_space
from photograft.features.looks import JoinedNetwork, join_networks
from photograft.features.networks import SendableNetwork


@dataclass(frozen=True)
class Look:
    """One look of a classifier at a photo.

    Attributes:
        backbone: Its record; not joined.
        path: Its weight file; None for random weights.
    """

    backbone: Backbone
    path: Path | None


def find_looks(backbone: Backbone, path: Path | None) -> tuple[Look, ...]:
    """Return a backbone's looks with their weight files, found and checked.

    Args:
        backbone: Of one look or of several.
        path: Its weight file; of several looks the folder that holds theirs. None where they are
            yet to be found.

    Raises:
        WeightsError: One is not on this machine, or not the one that it should be.
    """
    if not backbone.parts:
        if path is not None or backbone.weights == "random":
            return (Look(backbone, path),)
        return (Look(backbone, locate_weights(backbone, default_cache_dir())[1]),)
    if path is None:
        return tuple(look for part in backbone.parts for look in find_looks(part, None))
    return tuple(
        Look(part, path / included_name(part, number))
        for number, part in enumerate(backbone.parts, 1)
    )


def kept_network(backbone: Backbone, looks: Sequence[Look], engine: Engine) -> JoinedNetwork:
    """Return a running backbone; the last one that was opened is kept.

    Args:
        backbone: The record.
        looks: Its looks, found.
        engine: What is to run it; another one stands in where it is not here, or can't.
    """
    engine = engine.available()
    modified = tuple(look.path.stat().st_mtime_ns if look.path else 0 for look in looks)
    cache = default_cache_dir()
    return open_kept(backbone, tuple(looks), modified, engine, cache)


@dataclass(frozen=True)
class ClassifierNetwork(SendableNetwork):
    """Opens the network of a classifier, which gives the features of all its views.

    Attributes:
        backbone: The record.
        path: As in `find_looks`.
        engine: What is to run it.
        views: As in `Classifier.views`.
    """

    backbone: Backbone
    path: Path | None
    engine: Engine
    views: tuple[str, ...]

    def __call__(self) -> JoinedNetwork:
        """Return it, opened at the first call and kept."""
        looks = find_looks(self.backbone, self.path)
        return looking_at(self.views, kept_network(self.backbone, looks, self.engine))

    @property
    def device(self) -> str:
        """What it runs on."""
        return self.engine.available().device

    def prepare(self) -> None:
        """Keep it prepared."""
        self()


@functools.lru_cache(maxsize=1)
def open_kept(
    backbone: Backbone,
    looks: tuple[Look, ...],
    modified: tuple[int, ...],
    engine: Engine,
    cache: Path,
) -> JoinedNetwork:
    """Open networks, or return those that were opened with the very same arguments before."""
    del modified  # another file at the same path is another network
    return join_networks(backbone, [_opened(look, engine, cache) for look in looks])


def _opened(look: Look, engine: Engine, cache: Path) -> Network:
    store = FeatureStore(cache)
    try:
        folder = open_space(store, look.backbone, engine).folder
        return open_network(look.backbone, look.path, engine, folder)
    except ConversionError:
        instead = engine.fallback(look.backbone)
        if instead is None:
            raise
        folder = open_space(store, look.backbone, instead).folder
        return open_network(look.backbone, look.path, instead, folder)
