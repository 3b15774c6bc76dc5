"""What of a network goes by the photos that it is trained on: ranges for int8, pixel statistics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from photograft.backbones.engines import Engine
from photograft.core.arrays import Pixels
from photograft.core.errors import ImageError
from photograft.core.memo import remembered
from photograft.core.parallel import in_order
from photograft.core.progress import Progress
from photograft.data.dataset import Photo, read_as_listed
from photograft.features import preprocessing
from photograft.features.extraction import GROUP_SIZE, space_key
from photograft.features.extractor import Extractor, join_extractors
from photograft.features.pixel_statistics import goes_by_statistics, with_statistics
from photograft.features.settings import ExtractionSettings

#: Photos that a network is calibrated on, at most.
NUM_PHOTOS = 200

#: With less correlation than this, features in int8 are others. The embedded networks have 0.99.
LEAST_AGREEMENT = 0.9

Some = TypeVar("Some", bound=ExtractionSettings)


def goes_by_photos(settings: ExtractionSettings) -> bool:
    """Return whether the network, or how it is fed, is fitted to the training photos."""
    return settings.precision == "int8" or goes_by_statistics(settings.preprocessing)


def without_photos(settings: Some, progress: Progress) -> Some:
    """Return settings in which nothing is fitted to the training photos, and say so where it was.

    For what holds photos out in turn on the same features: those that are held out would have a
    part in what is taken of all of them.
    """
    if goes_by_statistics(settings.preprocessing):
        progress.say(
            "Photos are held out in turn here, so that their statistics are not taken: the network "
            "sees them as it was trained to."
        )
        center, standardize = (
            "none" if value == "feature" else value
            for value in (settings.preprocessing.center, settings.preprocessing.standardize)
        )
        plain = replace(settings.preprocessing, center=center, standardize=standardize)
        settings = replace(settings, preprocessing=plain)
    if settings.precision == "int8":
        progress.say(
            "Photos are held out in turn here, so that no network is calibrated on them: it "
            "computes in the precision that is usual here, not in int8."
        )
        settings = replace(settings, precision="auto")
    return settings


def fit_to_photos(
    extractor: Extractor, photos: Sequence[Photo], settings: ExtractionSettings
) -> Extractor:
    """Return an extractor that goes by training photos, where the settings say so.

    Args:
        extractor: From `open_extractor`.
        photos: Those of the training part of the split for good: photos that don't decode, and near
            duplicates, make it another one than it is at first.
        settings: The same.

    Raises:
        ConversionError: The network can't run in int8, or is no longer the same in it.
    """
    if extractor.parts:
        return join_extractors([fit_to_photos(part, photos, settings) for part in extractor.parts])
    backbone = with_statistics(
        extractor.backbone,
        settings.preprocessing,
        photos,
        settings.max_pixels,
        extractor.progress,
    )
    extractor = replace(extractor, backbone=backbone)
    if extractor.engine.precision != "int8":
        return extractor
    return _calibrated(extractor, chosen_photos(photos, settings.seed))


def chosen_photos(photos: Sequence[Photo], seed: int) -> list[Photo]:
    """Return at most `NUM_PHOTOS` photos to calibrate on, the same in whatever order they come.

    Args:
        photos: The training photos.
        seed: Decides which.
    """
    distinct = {photo.digest: photo for photo in photos}
    start = seed.to_bytes(8, "little", signed=True)
    order = sorted(distinct, key=lambda digest: hashlib.sha256(start + digest).digest())
    return [distinct[digest] for digest in order[:NUM_PHOTOS]]


def _calibrated(extractor: Extractor, photos: Sequence[Photo]) -> Extractor:
    engine = replace(extractor.engine, ranges=())
    key = {
        "what": "int8 ranges",
        "network": space_key(extractor.backbone, engine),
        "photos": [photo.digest.hex() for photo in photos],
    }

    def measure() -> dict[str, Any]:
        from photograft.backbones.int8.calibrating import calibrate  # ONNX, only where needed

        with extractor.progress.step("Calibrating for int8", len(photos), "photos") as step:

            def groups() -> Iterator[Pixels]:
                for pixels in _groups(photos, extractor):
                    yield pixels
                    step.advance(len(pixels))

            ranges, agreement = calibrate(extractor.backbone, extractor.path, engine, groups())
        return {"ranges": ranges, "agreement": agreement}

    found = remembered(extractor.store.cache, key, measure)
    if found["agreement"] < LEAST_AGREEMENT:
        extractor.progress.say(
            f"In int8 {extractor.backbone.name} gives other features than in float32 (correlation "
            f"{found['agreement']:.2f}): see whether --precision fp32 does better."
        )
    return replace(
        extractor, engine=Engine.from_json({**engine.to_json(), "ranges": found["ranges"]})
    )


def _groups(photos: Sequence[Photo], extractor: Extractor) -> Iterator[Pixels]:
    """Yield prepared pixels of photos, some at a time, those left out that don't decode."""

    def load(photo: Photo) -> Pixels | None:
        try:
            data = read_as_listed(photo)
            return preprocessing.prepare(data, extractor.backbone, max_pixels=extractor.max_pixels)
        except (ImageError, OSError):
            return None

    group: list[Pixels] = []
    for pixels in in_order(load, photos, window=4 * GROUP_SIZE):
        if pixels is not None:
            group.append(pixels)
        if len(group) == GROUP_SIZE:
            yield np.stack(group)
            group = []
    if group:
        yield np.stack(group)
