"""What the loop is fed: stored rows, views of them, photos; in which order, and changed how."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import photograft.learning.loop.batches
from drawing import MakePhotos
from photograft.backbones.registry import Backbone
from photograft.core.errors import ImageError
from photograft.core.feature_table import FeatureTable
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset, Photo
from photograft.features import preprocessing
from photograft.features.augmentation import augment, generator
from photograft.features.settings import Augmentation
from photograft.learning.loop.batches import (
    PhotoBatches,
    StoredBatches,
    ViewBatches,
    epoch_order,
    seen_in_view,
)
from training_helpers import tiny_backbone

ALL = np.arange(7, dtype=np.intp)
MIRROR = Augmentation(horizontal_flip=True, brightness=0.5)


def table(cache: Path, rows: npt.NDArray[np.float32], name: str = "a") -> FeatureTable:
    space = FeatureStore(cache).space({"name": name}, rows.shape[1])
    digests = [bytes([i]) * 32 for i in range(len(rows))]
    with space.writer() as writer:
        writer.append(digests, rows)
    return space.find(digests)


DIGESTS = [bytes([i]) * 32 for i in range(7)]
ROWS = np.arange(7 * 12, dtype=np.float32).reshape(7, 12)


# The order


def test_epochs_are_shuffles() -> None:
    orders = [epoch_order(3, epoch, 50, 50).tolist() for epoch in range(4)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert epoch_order(3, 2, 50, 50).tolist() == orders[2]  # whatever was asked before
    assert epoch_order(4, 0, 50, 50).tolist() != orders[0]


@pytest.mark.parametrize("count", [1, 3, 10, 13, 25])
def test_odd_numbers_of_steps_go_on_where_the_epoch_before_stopped(count: int) -> None:
    """Whatever the length of an epoch, the photos take turns: no one is seen twice too often."""
    epochs = [epoch_order(0, epoch, 10, count) for epoch in range(12)]
    assert all(len(order) == count for order in epochs)
    row = np.concatenate(epochs)
    for i in range(0, len(row) - 9, 10):
        assert sorted(row[i : i + 10].tolist()) == list(range(10))


# Rows of the store


def test_stored_rows(tmp_path: Path) -> None:
    batches = StoredBatches(table(tmp_path, ROWS), DIGESTS)
    assert len(batches) == 7
    order = np.array([6, 0, 3, 3, 1], np.intp)
    found = list(batches.read(order, 2, 0))
    assert [len(part) for part in found] == [2, 2, 1]
    assert np.array_equal(np.concatenate(found), ROWS[order])
    assert found[0].dtype == np.float32
    assert list(batches.read(order[:0], 2, 0)) == []


def test_columns_and_shape(tmp_path: Path) -> None:
    columns = np.array([1, 2, 5, 7, 8, 11], np.intp)
    batches = StoredBatches(table(tmp_path, ROWS), DIGESTS, columns, (2, 3))
    (found,) = batches.read(ALL, 7, 5)
    assert np.array_equal(found, ROWS[:, columns].reshape(7, 2, 3))


def test_views_take_turns(tmp_path: Path) -> None:
    """Every epoch shows each photo once, in three epochs all of its three views."""
    views = [table(tmp_path, ROWS + 1000 * v, str(v)) for v in range(3)]
    batches = ViewBatches(views, DIGESTS)
    assert len(batches) == 7
    order = np.array([4, 6, 0, 2, 1, 3, 5], np.intp)
    seen = set()
    for epoch in range(3):
        found = np.concatenate(list(batches.read(order, 3, epoch)))
        numbers = (found[:, 0] // 1000).astype(int)
        assert np.array_equal(found, ROWS[order] + 1000 * numbers[:, None])
        assert len(set(numbers.tolist())) == 3
        seen |= set(zip(order.tolist(), numbers.tolist(), strict=True))
    assert len(seen) == 21


@pytest.mark.parametrize("epochs", [1, 2, 3, 5])
def test_views_that_few_epochs_do_not_come_to_are_not_needed(tmp_path: Path, epochs: int) -> None:
    views = [table(tmp_path, ROWS + 1000 * v, str(v)) for v in range(3)]
    whole, found = ViewBatches(views, DIGESTS), []
    counts = []
    for v, rows in enumerate(views):
        own = seen_in_view(v, 3, 7, epochs)
        kept = [DIGESTS[i] for i in own]
        counts.append(len(own))
        found.append(FeatureTable(rows.num_features, [rows.rows(kept)], kept, np.arange(len(kept))))
    assert sum(counts) == 7 * min(epochs, 3)
    fewer = ViewBatches(found, DIGESTS)
    for epoch in range(epochs):
        for first, second in zip(whole.read(ALL, 3, epoch), fewer.read(ALL, 3, epoch), strict=True):
            assert np.array_equal(first, second)


# Photos


@pytest.fixture
def source(make_photos: MakePhotos, tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos", n=6, size=48)


@pytest.fixture
def photos(source: Path) -> list[Photo]:
    return list(Dataset.load(source).photos)


def feed_of(
    photos: list[Photo],
    augmentation: Augmentation | None = None,
    seed: int = 0,
    backbone: Backbone | None = None,
) -> PhotoBatches:
    return PhotoBatches(
        photos,
        backbone or tiny_backbone(),
        augmentation,
        seed=seed,
        max_pixels=10_000,
    )


def read(batches: PhotoBatches, epoch: int = 0, size: int = 5) -> npt.NDArray[np.generic]:
    return np.concatenate(list(batches.read(np.arange(len(batches)), size, epoch)))


@pytest.mark.parametrize("augmentation", [None, Augmentation()])
def test_photos_as_the_backbone_wants_them(
    photos: list[Photo], augmentation: Augmentation | None
) -> None:
    backbone = tiny_backbone()
    batches = feed_of(photos, augmentation)
    expected = np.stack([preprocessing.prepare(p.read(), backbone) for p in photos])
    assert [len(part) for part in batches.read(np.arange(12), 5, 0)] == [5, 5, 2]
    for epoch in (0, 1):
        found = read(batches, epoch)
        assert found.dtype == np.uint8
        assert np.array_equal(found, expected)


def test_photos_are_changed_by_epoch_seed_and_content_alone(photos: list[Photo]) -> None:
    backbone = tiny_backbone()
    found = read(feed_of(photos, MIRROR, seed=3), epoch=2)
    for photo, pixels in zip(photos, found, strict=True):
        plain = preprocessing.prepare(photo.read(), backbone)
        rng = generator(3, photo.digest, 2)
        assert np.array_equal(pixels, augment(plain, MIRROR, rng, size=(32, 32)))
    assert not np.array_equal(found, read(feed_of(photos, MIRROR, seed=3), epoch=3))
    assert not np.array_equal(found, read(feed_of(photos, MIRROR, seed=4), epoch=2))


def test_order_and_history_change_no_pixels(photos: list[Photo]) -> None:
    """What an epoch shows does not depend on the epochs before: a training can be gone on with."""
    expected = read(feed_of(photos, MIRROR), epoch=4)
    batches = feed_of(photos, MIRROR)
    read(batches, epoch=0)
    order = np.random.default_rng(0).permutation(len(photos))
    found = np.concatenate(list(batches.read(order, 4, 4)))
    assert np.array_equal(found, expected[order])


def test_crops_are_taken_from_larger_photos(photos: list[Photo]) -> None:
    backbone = tiny_backbone()
    crop = Augmentation(min_crop=0.3)
    larger = preprocessing.enlarged(backbone, preprocessing.CROP_MARGIN)
    for photo, pixels in zip(photos, read(feed_of(photos, crop)), strict=True):
        assert pixels.shape == (32, 32, 3)
        plain = preprocessing.prepare(photo.read(), larger)
        assert len(plain) > 32
        rng = generator(0, photo.digest, 0)
        assert np.array_equal(pixels, augment(plain, crop, rng, size=(32, 32)))


def counted(photos: list[Photo]) -> tuple[list[Photo], list[int]]:
    """Photos that count how often each of them is read."""
    counts, lock = [0] * len(photos), threading.Lock()

    def reader(i: int, photo: Photo) -> Photo:
        def read() -> bytes:
            with lock:
                counts[i] += 1
            return photo.read()

        return replace(photo, read=read)

    return [reader(i, photo) for i, photo in enumerate(photos)], counts


def test_photos_are_decoded_once(photos: list[Photo]) -> None:
    watched, counts = counted(photos)
    batches = feed_of(watched, MIRROR)
    first = [read(batches, epoch) for epoch in range(3)]
    assert counts == [1] * len(photos)
    again = [read(feed_of(photos, MIRROR), epoch) for epoch in range(3)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_photos_are_read_again_where_memory_is_short(
    photos: list[Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read(feed_of(photos))
    monkeypatch.setattr(photograft.learning.loop.batches, "_MAX_KEPT_BYTES", 4 * 3 * 32 * 32)
    watched, counts = counted(photos)
    batches = feed_of(watched)
    for _ in range(3):
        assert np.array_equal(read(batches), expected)
    # Several threads may each find room for one more.
    assert sum(counts) >= 12 + 2 * (12 - 4 - 16)
    assert max(counts) == 3
    assert counts.count(3) >= 4


def test_photo_that_has_changed_is_an_error(photos: list[Photo]) -> None:
    photos[3] = replace(photos[3], read=photos[4].read)
    with pytest.raises(ImageError, match=r"circle/03\.jpg has changed"):
        read(feed_of(photos))


def test_photo_that_is_gone_is_an_error(photos: list[Photo], source: Path) -> None:
    (source / "square" / "02.jpg").unlink()
    with pytest.raises(ImageError, match=r"square/02\.jpg: No such file"):
        read(feed_of(photos))


def test_photo_that_is_too_large_is_an_error(photos: list[Photo]) -> None:
    batches = PhotoBatches(photos, tiny_backbone(), None, seed=0, max_pixels=48 * 48 - 1)
    with pytest.raises(ImageError):
        read(batches)


def test_stopping_early_stops_the_threads(photos: list[Photo]) -> None:
    before = threading.active_count()
    batches = feed_of(photos).read(np.arange(12), 2, 0)
    next(batches)
    batches.close()
    assert threading.active_count() == before
