"""The prepared network of a classifier, from the store where it lies there, or made anew."""

from __future__ import annotations

from photograft.backbones.engines import PREPARING, Engine, quantised_model, runs_prepared
from photograft.backbones.opening import built, prepare_network
from photograft.backbones.prepared import read_prepared
from photograft.classifier.classifier import Classifier
from photograft.core.errors import InputError
from photograft.core.store import FeatureStore, default_cache_dir
from photograft.features.extraction import open_space


def prepared_model(classifier: Classifier, *, int8: bool = False) -> bytes:
    """Return a classifier's network as `Prepared.model` has it.

    Args:
        classifier: The classifier.
        int8: In whole numbers of 8 bits, by the ranges of its engine; else in float32.

    Raises:
        WeightsError: The weights are not here, or don't fit the network.
        ConversionError: It can't be made.
        InputError: It takes torch, which is not installed.
    """
    located = classifier.located()
    backbone, path = located.backbone, located.weights_path
    found = built(backbone, path)
    if found is None:
        # Exported from torch once, it is kept with the features of the engine that it was for.
        store = FeatureStore(default_cache_dir())
        for engine in _engines(classifier.engine):
            found = found or read_prepared(open_space(store, backbone, engine).folder)
    if found is None:
        found = prepare_network(backbone, path, runs_prepared())
    if not int8:
        return found.model
    if not classifier.engine.ranges:
        raise InputError("a network in int8 has to be calibrated", fix="Give photos to do so with.")
    return quantised_model(found.model, classifier.engine)


def _engines(engine: Engine) -> list[Engine]:
    """Return the engines whose prepared network is the one in float32, those at hand first."""
    names = dict.fromkeys([engine.name, *PREPARING])
    precisions = dict.fromkeys([engine.in_float().precision, "bf16", "fp32"])
    return [
        Engine(name, precision) for name in names if name in PREPARING for precision in precisions
    ]
