"""The network behind a classifier: opened once, and kept for the next call."""

from __future__ import annotations

import functools
from pathlib import Path

from photograft.backbones.engines import Engine, Network, open_network
from photograft.backbones.registry import Backbone
from photograft.core.errors import ConversionError
from photograft.core.store import FeatureStore, default_cache_dir
from photograft.features.extraction import open_space


def kept_network(backbone: Backbone, path: Path | None, engine: Engine) -> Network:
    """Return a running backbone; the last one that was opened is kept.

    Args:
        backbone: The record.
        path: Its weight file; None for random weights.
        engine: What is to run it; another one stands in where it is not here, or can't.
    """
    modified = path.stat().st_mtime_ns if path else 0
    engine = engine.available()
    folder = _folder(backbone, engine, default_cache_dir())
    try:
        return open_kept(backbone, path, modified, engine, folder)
    except ConversionError:
        instead = engine.fallback(backbone)
        if instead is None:
            raise
        return open_kept(backbone, path, modified, instead, folder)


@functools.lru_cache(maxsize=8)
def _folder(backbone: Backbone, engine: Engine, cache: Path) -> Path:
    """Return where the prepared network is kept; to ask for versions takes longer than a photo."""
    return open_space(FeatureStore(cache), backbone, engine).folder


@functools.lru_cache(maxsize=1)
def open_kept(
    backbone: Backbone, path: Path | None, modified: int, engine: Engine, folder: Path
) -> Network:
    """Open a network, or return the one that was opened with the very same arguments before."""
    del modified  # another file at the same path is another network
    return open_network(backbone, path, engine, folder)
