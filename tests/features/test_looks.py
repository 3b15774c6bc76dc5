"""Several looks at a photo: what is stored of each is what their networks give, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from photograft.backbones.settings import Preprocessing
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.inputs import read_photos, understand
from photograft.features.extraction import FLIPPED, PLAIN, feature_batches, mirrored_view
from photograft.features.extractor import Extractor, join_extractors
from photograft.features.looks import JoinedTable, MeanTable
from photograft.features.opening import open_extractor
from photograft.features.settings import Augmentation, ExtractionSettings
from photograft.learning.strategies.features_augment import make_view
from recording import InterruptedByTestError, Interrupting, Recorder
from training_helpers import TINY

Floats = npt.NDArray[np.float32]

FIRST, SECOND = "efficientnet_lite0@64", "efficientnet_lite0@96,mirror"
JOINED = f"{FIRST}+{SECOND}"


def opened(name: str, cache: Path, progress: Recorder | Silent | None = None) -> Extractor:
    settings = ExtractionSettings(backbone=name, precision="fp32")
    return open_extractor(settings, store=FeatureStore(cache), progress=progress or Silent())


def in_writing(cache: Path, progress: Recorder | Silent | None = None) -> Extractor:
    """Two small networks, which can't be joined by name; what looks at photos with them can."""
    return join_extractors(
        [
            open_extractor(
                ExtractionSettings(
                    backbone=text,
                    weights="random",
                    engine="torch",
                    precision="fp32",
                    preprocessing=Preprocessing(input_size=32),
                ),
                store=FeatureStore(cache),
                progress=progress or Silent(),
            )
            for text in (TINY, "convnet:c8 p c12")
        ]
    )


def fresh(extractor: Extractor, dataset: Dataset) -> Floats:
    """What the networks say now, whatever is in the store."""
    reads = [photo.read for photo in dataset.photos]
    batches = feature_batches(reads, extractor.backbone, extractor.network)
    return np.concatenate([features for _, features, _ in batches])


def digests_of(dataset: Dataset) -> list[bytes]:
    return [photo.digest for photo in dataset.photos]


@pytest.fixture
def dataset(photos: Path) -> Dataset:
    return read_photos(understand(sorted(photos.glob("*/0[0-6].jpg"))))


@pytest.mark.parametrize("name", [JOINED, SECOND])
def test_what_is_stored_is_what_the_networks_say(
    name: str, dataset: Dataset, warm_cache: Path
) -> None:
    table, failures, ran = opened(name, warm_cache).extract(dataset.photos)
    assert not failures
    rows = table.rows(digests_of(dataset))
    assert rows.dtype == np.float32
    assert rows.shape == (len(dataset.photos), ran.backbone.num_features)
    assert rows.tobytes() == fresh(ran, dataset).tobytes()


def test_every_look_is_the_one_that_it_is_alone(dataset: Dataset, warm_cache: Path) -> None:
    digests = digests_of(dataset)
    table = opened(JOINED, warm_cache).extract(dataset.photos)[0]
    alone = [
        opened(name, warm_cache).extract(dataset.photos)[0].rows(digests)
        for name in (FIRST, SECOND)
    ]
    assert table.rows(digests).tobytes() == np.concatenate(alone, axis=1).tobytes()
    # The mirrored one is the mean of both ways to look.
    plain = opened("efficientnet_lite0@96", warm_cache)
    ways = [plain.extract(dataset.photos, view)[0].rows(digests) for view in (PLAIN, FLIPPED)]
    assert alone[1].tobytes() == ((ways[0] + ways[1]) / np.float32(2)).tobytes()
    assert not np.array_equal(ways[0], ways[1])


def test_looks_that_are_known_are_not_looked_at_again(dataset: Dataset, cache: Path) -> None:
    opened(FIRST, cache).extract(dataset.photos)
    recorder = Recorder()
    opened(JOINED, cache, recorder).extract(dataset.photos, what="Looking")
    assert recorder.steps == ["Looking (2 of 2)", "Looking (2 of 2), mirrored"]
    again = Recorder()
    for name in (JOINED, SECOND, "efficientnet_lite0@96"):
        opened(name, cache, again).extract(dataset.photos)
    assert again.steps == []


def test_an_interrupted_look_goes_on(photos: Path, cache: Path, tmp_path: Path) -> None:
    many = Dataset.load(photos)
    whole = in_writing(tmp_path).extract(many.photos)[0].rows(digests_of(many))
    for number in (1, 2):
        step = f"Looking ({number}"
        with pytest.raises(InterruptedByTestError):
            in_writing(cache, Interrupting(step)).extract(many.photos, what="Looking")
    recorder = Recorder()
    table = in_writing(cache, recorder).extract(many.photos, what="Looking")[0]
    assert table.rows(digests_of(many)).tobytes() == whole.tobytes()
    assert recorder.steps == ["Looking (2 of 2)"]
    assert recorder.totals["Looking (2 of 2)"] < len(many.photos)


def test_a_photo_that_no_look_can_see(dataset: Dataset, warm_cache: Path) -> None:
    def broken() -> bytes:
        return b"no picture" * 20

    bad = replace(dataset.photos[1], digest=b"x" * 32, read=broken)
    photos = [dataset.photos[0], bad, *dataset.photos[2:4]]
    table, failures, _ = opened(JOINED, warm_cache).extract(photos)
    assert set(failures) == {bad.digest}
    assert bad.digest not in table
    assert all(photo.digest in table for photo in photos if photo != bad)


class Numbers:
    """A table of rows that are known."""

    def __init__(self, rows: dict[bytes, Sequence[float]]) -> None:
        self._rows = rows
        self.num_features = len(next(iter(rows.values())))

    def __contains__(self, digest: object) -> bool:
        return digest in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def rows(
        self, digests: Sequence[bytes], columns: npt.NDArray[np.intp] | slice = slice(None)
    ) -> Floats:
        rows = [self._rows[digest] for digest in digests]
        return np.array(rows, np.float32).reshape(-1, self.num_features)[:, columns]


def test_columns_of_joined_tables() -> None:
    table = JoinedTable(
        [Numbers({b"a": [0, 1], b"b": [10, 11]}), Numbers({b"b": [12, 13, 14], b"a": [2, 3, 4]})]
    )
    assert (table.num_features, len(table)) == (5, 2)
    every = table.rows([b"b", b"a"])
    assert every.tolist() == [[10, 11, 12, 13, 14], [0, 1, 2, 3, 4]]
    for columns in (np.array([4, 0, 2]), np.array([3]), np.array([1, 0]), slice(1, 4), slice(0)):
        assert np.array_equal(table.rows([b"b", b"a"], columns), every[:, columns])
    assert table.rows([], np.array([1, 2])).shape == (0, 2)
    some = JoinedTable([Numbers({b"a": [0]}), Numbers({b"a": [1], b"b": [2]})])
    assert b"a" in some
    assert b"b" not in some


def test_columns_of_means() -> None:
    table = MeanTable([Numbers({b"a": [0, 1, 5]}), Numbers({b"a": [4, 2, 6], b"b": [0, 0, 0]})])
    assert (table.num_features, len(table)) == (3, 1)
    assert b"b" not in table
    assert table.rows([b"a"]).tolist() == [[2, 1.5, 5.5]]
    assert table.rows([b"a"], np.array([2, 0])).tolist() == [[5.5, 2]]


def test_views_are_mirrored_as_they_are_seen(dataset: Dataset, warm_cache: Path) -> None:
    """Each look sees a random view at its own size; a mirrored one the very same, turned."""
    view = make_view(Augmentation(rotation=20, zoom=0.1, min_crop=0.6), 3, 1)
    pixels = np.random.default_rng(0).integers(0, 256, (83, 83, 3), dtype=np.uint8)
    seen = view.change(pixels, b"photo")
    assert seen.shape == (64, 64, 3)
    turned = mirrored_view(view)
    assert turned.name != view.name
    assert np.array_equal(turned.change(pixels, b"photo"), seen[:, ::-1])
    digests = digests_of(dataset)
    rows = opened(JOINED, warm_cache).extract(dataset.photos, view)[0].rows(digests)
    alone = [
        opened(name, warm_cache).extract(dataset.photos, view)[0].rows(digests)
        for name in (FIRST, SECOND)
    ]
    assert rows.tobytes() == np.concatenate(alone, axis=1).tobytes()


def test_extractors_of_other_kinds_are_joined(dataset: Dataset, cache: Path) -> None:
    joined = in_writing(cache)
    parts = list(joined.parts)
    assert join_extractors(parts[:1]) is parts[0]
    assert joined.space_key() == {"parts": [part.space_key() for part in parts]}
    table, _, ran = joined.extract(dataset.photos)
    assert [part.backbone for part in ran.parts] == [part.backbone for part in parts]
    assert table.rows(digests_of(dataset)).tobytes() == fresh(ran, dataset).tobytes()


def test_the_mirror_image_is_part_of_the_key(warm_cache: Path) -> None:
    one, other = (opened(f"efficientnet_lite0{how}", warm_cache) for how in ("", "@mirror"))
    assert one.space_key() != other.space_key()
    assert "mirror" not in one.space_key()
