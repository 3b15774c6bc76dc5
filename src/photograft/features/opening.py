"""From settings to a backbone that is ready to look at photos."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from photograft.backbones.engines import choose_engine
from photograft.backbones.get import get_backbone, note_on
from photograft.backbones.onnx_files.record import is_file_name
from photograft.backbones.registry import Backbone
from photograft.backbones.settings import DEFAULT_BACKBONE, Preprocessing
from photograft.backbones.weights import check_fetchable, locate_weights
from photograft.core.errors import InputError
from photograft.core.progress import Progress
from photograft.core.store import FeatureStore
from photograft.features.extractor import Extractor, join_extractors
from photograft.features.layers import widest_columns
from photograft.features.settings import ExtractionSettings

#: Notes that somebody was told of: a backbone is opened several times in a command.
_TOLD: set[str] = set()


def open_extractor(
    settings: ExtractionSettings, *, store: FeatureStore, progress: Progress
) -> Extractor:
    """Return the backbone that the settings ask for; no photo is looked at.

    Args:
        settings: Which one, how photos are brought to it, and what runs it.
        store: Where features are kept.
        progress: Told how far it is.

    Raises:
        InputError: The settings ask for what is not there.
        WeightsError: The backbone's weights are not here and can't be fetched.
    """
    name = DEFAULT_BACKBONE if settings.backbone == "auto" else settings.backbone
    check_fetchable(name, settings.weights, store.cache)
    backbone = get_backbone(
        name,
        settings.weights,
        preprocessing=settings.preprocessing,
        pooling=settings.pooling,
        layer=settings.layer,
    )
    extractor = extractor_for(backbone, settings, store=store, progress=progress)
    _tell(name, progress)
    return extractor


def extractor_for(
    backbone: Backbone, settings: ExtractionSettings, *, store: FeatureStore, progress: Progress
) -> Extractor:
    """Return what looks at photos by a record, its weights found; see `open_extractor`."""
    parts = []
    for look in backbone.looks:
        own, path = locate_weights(look, store.cache, progress=progress)
        engine = choose_engine(
            settings.engine, settings.precision, settings.device, prepared_only=own.is_onnx
        )
        parts.append(
            Extractor(
                own, path, engine, store, settings.max_pixels, progress, settings.engine == "auto"
            )
        )
    return join_extractors(parts)


def _tell(name: str, progress: Progress) -> None:
    """Say, once in a process, what is taken for granted of an ONNX file."""
    note = note_on(name)
    if note and note not in _TOLD:
        _TOLD.add(note)
        progress.say(note)


def find_layers(settings: ExtractionSettings) -> tuple[Backbone, npt.NDArray[np.intp]]:
    """Return the backbone's record, and the columns of the layers that are wanted.

    Raises:
        InputError: The settings ask for what only learning could tell.
    """
    prepared = settings.preprocessing
    if settings.layer == "auto":
        raise InputError(
            "layer can't be 'auto' where nothing is learnt",
            expected="'last', 'joined' or names of layers",
        )
    if "feature" in (prepared.center, prepared.standardize) or prepared.zca_whitening:
        raise InputError("the features can't depend on statistics of training photos")
    if settings.precision == "int8":
        raise InputError("features can't be in int8, calibrated on training photos, here")
    name = DEFAULT_BACKBONE if settings.backbone == "auto" else settings.backbone
    look_up = get_backbone if is_file_name(name) else _backbone  # a file may change meanwhile
    backbone = look_up(
        name,
        settings.weights,
        preprocessing=prepared,
        pooling=settings.pooling,
        layer=settings.layer,
    )
    return backbone, widest_columns(backbone, settings.layer)


@functools.lru_cache(maxsize=16)
def _backbone(
    name: str, weights: str, preprocessing: Preprocessing, pooling: str, layer: str
) -> Backbone:
    # Each method of an estimator asks for the record, and timm takes a second to describe a
    # network.
    return get_backbone(name, weights, preprocessing=preprocessing, pooling=pooling, layer=layer)
