"""What a job is made of: statistics of pixels come from the photos that it trains on, no others."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from drawing import draw_photo
from photograft import TrainConfig
from photograft.backbones.get import get_backbone
from photograft.backbones.registry import Backbone
from photograft.backbones.settings import Preprocessing
from photograft.core.errors import DatasetError, UnknownNameError
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset, Photo
from photograft.data.loading import split_of
from photograft.features.pixel_statistics import with_statistics
from photograft.learning.preparation import prepare_dataset
from recording import Recorder
from training_helpers import TINY

STATISTICS = Preprocessing(input_size=32, center="feature", standardize="feature")
STRATEGIES: list[dict[str, Any]] = [
    {"strategy": "scratch"},
    {"strategy": "features", "weights": "random", "engine": "torch"},
]


def settings(strategy: dict[str, Any], **others: Any) -> TrainConfig:
    chosen = {"backbone": TINY, "preprocessing": STATISTICS, "validation": 0.2, "test": 0.3}
    return TrainConfig(**{**chosen, **strategy, **others})


def draw_mixed(root: Path) -> Path:
    """Fourteen photos a class, four of them twice, one copy brighter; and four cut short."""
    for number, name in enumerate(("circle", "square")):
        folder = root / name
        folder.mkdir(parents=True)
        for i in range(14):
            photo = draw_photo(np.random.default_rng([0, number, i]), number, 96)
            noise = np.random.default_rng([1, number, i]).integers(0, 256, (12, 12, 3), np.uint8)
            blobs = Image.fromarray(noise).resize((96, 96), Image.Resampling.BICUBIC)
            photo = Image.blend(photo, blobs, 0.5)
            photo.save(folder / f"{i:02}.jpg", quality=95)
            if i < 4:
                brighter = ImageEnhance.Brightness(photo).enhance(1.1)
                brighter.save(folder / f"{i:02}-again.jpg", quality=95)
            if i >= 10:
                data = (folder / f"{i:02}.jpg").read_bytes()
                (folder / f"{i:02}-cut.jpg").write_bytes(data[: len(data) // 2])
    return root


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset.load(draw_mixed(tmp_path_factory.mktemp("mixed")))


def statistics_of(photos: Sequence[Photo], config: TrainConfig) -> Backbone:
    backbone = get_backbone(config.backbone, "random", preprocessing=config.preprocessing)
    return with_statistics(backbone, config.preprocessing, photos, config.max_pixels, Silent())


def blackened(photo: Photo) -> Photo:
    """The same photo to all that goes by its content's hash; black to whoever decodes it."""
    return replace(photo, read=lambda: _BLACK)


def _black() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (96, 96)).save(stream, "PNG")
    return stream.getvalue()


_BLACK = _black()


@pytest.mark.parametrize("near_duplicates", ["group", "ignore"])
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda settings: str(settings["strategy"]))
def test_statistics_are_those_of_the_photos_trained_on(
    mixed: Dataset, strategy: dict[str, Any], near_duplicates: str
) -> None:
    config = settings(strategy, near_duplicates=near_duplicates)
    job = prepare_dataset(mixed, config, store=FeatureStore(), progress=Silent())
    assert len(mixed.photos) - len(job.dataset.photos) == 8
    assert {photo.alike is None for photo in job.dataset.photos} == (
        {True, False} if near_duplicates == "group" else {True}
    )
    # It is a case that matters: what is known at first gives another split.
    at_first = {mixed.photos[i].digest for i in split_of(mixed, config).train}
    assert at_first & set(job.digests("test"))

    expected = statistics_of(job.photos("train"), config)
    assert (job.backbone.mean, job.backbone.std) == (expected.mean, expected.std)
    for wrong in ([*job.photos("train"), *job.photos("test")], job.photos("validation")):
        assert job.backbone.mean != statistics_of(wrong, config).mean


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda settings: str(settings["strategy"]))
@pytest.mark.parametrize("part", ["validation", "test"])
def test_only_pixels_of_the_training_part_count(
    mixed: Dataset, strategy: dict[str, Any], part: str
) -> None:
    config, store = settings(strategy), FeatureStore()
    job = prepare_dataset(mixed, config, store=store, progress=Silent())
    changed = set(job.digests(part))
    photos = (blackened(p) if p.digest in changed else p for p in mixed.photos)
    other = replace(mixed, photos=tuple(photos))
    again = prepare_dataset(other, config, store=store, progress=Silent())
    assert again.digests("test") == job.digests("test")
    assert (again.backbone.mean, again.backbone.std) == (job.backbone.mean, job.backbone.std)


def test_photo_lost_on_the_way_gives_another_split_and_its_statistics(mixed: Dataset) -> None:
    """It decodes at first, and is gone when the network looks at it."""
    config = settings(STRATEGIES[1], near_duplicates="ignore")
    clean = mixed.verified()
    lost = clean.photos[int(split_of(clean, config).train[0])]
    reads = iter(range(2))

    def read() -> bytes:
        if next(reads, None) is None:
            raise FileNotFoundError(2, "No such file or directory")
        return lost.read()

    going = replace(lost, read=read)
    other = replace(mixed, photos=tuple(going if p == lost else p for p in mixed.photos))
    job = prepare_dataset(other, config, store=FeatureStore(), progress=Silent())
    assert lost.digest not in {photo.digest for photo in job.dataset.photos}
    expected = statistics_of(job.photos("train"), config)
    assert (job.backbone.mean, job.backbone.std) == (expected.mean, expected.std)


def test_what_is_wrong_with_settings_is_said_before_any_photo_is_decoded(mixed: Dataset) -> None:
    recorder = Recorder()
    for wrong, error in (
        (settings(STRATEGIES[0], backbone="nonsense_net"), UnknownNameError),
        (settings(STRATEGIES[1], layer="nonsense"), UnknownNameError),
    ):
        with pytest.raises(error):
            prepare_dataset(mixed, wrong, store=FeatureStore(), progress=recorder)
    one_class = replace(mixed, photos=tuple(p for p in mixed.photos if p.label == "circle"))
    with pytest.raises(DatasetError, match="one class only"):
        prepare_dataset(one_class, settings(STRATEGIES[0]), store=FeatureStore(), progress=recorder)
    assert recorder.steps == []
