"""What a network is calibrated on: some training photos, the same ones every time, and once."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from photograft.backbones.engines import Engine
from photograft.backbones.settings import Preprocessing
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset, Photo
from photograft.features.calibration import (
    NUM_PHOTOS,
    chosen_photos,
    fit_to_photos,
    goes_by_photos,
    without_photos,
)
from photograft.features.extraction import space_key
from photograft.features.extractor import Extractor
from photograft.features.opening import open_extractor
from photograft.features.settings import ExtractionSettings
from recording import Recorder

INT8 = ExtractionSettings(precision="int8", preprocessing=Preprocessing(input_size=32))


@pytest.fixture
def dataset(photos: Path) -> Dataset:
    return Dataset.load(photos)


def opened(store: FeatureStore, progress: Recorder | None = None) -> Extractor:
    return open_extractor(INT8, store=store, progress=progress or Recorder())


def test_the_photos_are_a_seeded_choice_in_whatever_order_they_come(dataset: Dataset) -> None:
    photo = dataset.photos[0]
    many = [
        replace(photo, digest=hashlib.sha256(bytes([i % 256, i // 256])).digest())
        for i in range(2 * NUM_PHOTOS)
    ]

    def chosen(photos: list[Photo], seed: int = 0) -> list[bytes]:
        return [photo.digest for photo in chosen_photos(photos, seed)]

    found = chosen(many)
    assert len(set(found)) == len(found) == NUM_PHOTOS
    assert chosen(many[::-1]) == found
    assert chosen([*many, *many]) == found
    assert chosen(many, seed=1) != found
    assert len(chosen(many[:7])) == 7


def test_ranges_are_measured_once(dataset: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    store, photos = FeatureStore(tmp_path), list(dataset.photos)
    found = []
    for own in (photos, photos[::-1], photos[:-3]):
        progress = Recorder()
        extractor = fit_to_photos(opened(store, progress), own, INT8)
        found.append((extractor.engine, "Calibrating for int8" in progress.steps))
    assert [measured for _, measured in found] == [True, False, True]
    assert found[0][0] == found[1][0] != found[2][0]
    anew = fit_to_photos(opened(FeatureStore(tmp_path / "other")), photos, INT8)
    assert anew.engine == found[0][0]
    extractor = replace(anew, engine=found[2][0])
    keys = [made.space_key() for made in (anew, extractor, opened(store))]
    assert keys[0] != keys[1] != keys[2] != keys[0]


def test_the_keys_of_other_precisions_are_as_they_were(dataset: Dataset, tmp_path: Path) -> None:
    extractor = opened(FeatureStore(tmp_path))
    for precision in ("fp32", "bf16"):
        key = space_key(extractor.backbone, Engine(extractor.engine.name, precision))
        assert "ranges" not in key
        assert len(key["code"]) == 4
        other = replace(extractor, engine=Engine(extractor.engine.name, precision))
        assert fit_to_photos(other, dataset.photos, INT8).engine == other.engine


def test_photos_that_do_not_decode_are_left_out(dataset: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    data = b"\xff\xd8 broken"
    digest = hashlib.sha256(data).digest()
    broken = replace(dataset.photos[0], digest=digest, num_bytes=len(data), read=lambda: data)
    own = list(dataset.photos)[:9]
    engines = [
        fit_to_photos(opened(FeatureStore(tmp_path / name)), some, INT8).engine
        for name, some in (("a", own), ("b", [broken, *own]))
    ]
    assert engines[0] == engines[1]


def test_where_photos_are_held_out_in_turn() -> None:
    progress = Recorder()
    assert without_photos(INT8, progress) == replace(INT8, precision="auto")
    assert len(progress.said) == 1
    assert "not in int8" in progress.said[0]
    plain = replace(INT8, precision="fp32")
    assert without_photos(plain, progress) == plain
    assert len(progress.said) == 1
    assert goes_by_photos(INT8)
    assert not goes_by_photos(plain)
    feature = replace(plain, preprocessing=Preprocessing(center="feature"))
    assert goes_by_photos(feature)
    assert without_photos(feature, Silent()).preprocessing == Preprocessing()
