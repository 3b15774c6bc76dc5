"""The prepared network of a look, from the store where it lies there, or made anew."""

from __future__ import annotations

from dataclasses import replace

from photograft.backbones.engines import PREPARING, Engine, runs_prepared
from photograft.backbones.int8.ranges import Ranges
from photograft.backbones.networks import quantised_model
from photograft.backbones.opening import built, prepare_network
from photograft.backbones.prepared import keep_prepared, read_prepared
from photograft.classifier.opening import Look
from photograft.core.store import FeatureStore, default_cache_dir
from photograft.features.extraction import open_space


def prepared_model(look: Look, engine: Engine, ranges: Ranges = ()) -> bytes:
    """Return a look's network as `Prepared.model` has it; one that torch exports is kept.

    Args:
        look: With its weights located.
        engine: Of its classifier, in whose part of the store it may lie.
        ranges: By which it computes in whole numbers of 8 bits; without any in float32.

    Raises:
        WeightsError: The weights don't fit the network.
        ConversionError: It can't be made, or the ranges are of another network.
        InputError: It takes torch, which is not installed.
    """
    backbone, path = look.backbone, look.path
    found = built(backbone, path)
    if found is None:
        # Exported from torch once, it lies with the features of the engine that it was for: what
        # is made here is found by the library, which the export is held against.
        store = FeatureStore(default_cache_dir())
        for one in _engines(engine):
            found = found or read_prepared(open_space(store, backbone, one).folder)
    if found is None:
        own = Engine(runs_prepared(), "fp32")
        found = prepare_network(backbone, path, own.name)
        keep_prepared(found, open_space(store, backbone, own).folder)
    if not ranges:
        return found.model
    return quantised_model(found.model, replace(engine, ranges=ranges))


def _engines(engine: Engine) -> list[Engine]:
    """Return the engines whose prepared network is the one in float32, those at hand first."""
    names = dict.fromkeys([engine.name, *PREPARING])
    precisions = dict.fromkeys([engine.in_float().precision, "bf16", "fp32"])
    return [
        Engine(name, precision) for name in names if name in PREPARING for precision in precisions
    ]
