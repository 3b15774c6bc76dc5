"""Pictures on demand: where they never go."""

from __future__ import annotations

from pathlib import Path

import pytest

from photograft.core.errors import DatasetError, StorageError
from photograft.core.progress import Silent
from photograft.workflows.learning_curve import learning_curve
from photograft.workflows.pictures import augmentation_picture
from system_helpers import snapshot


def draw(photos: Path, out: Path) -> None:
    augmentation_picture(
        str(photos),
        out,
        photo=None,
        settings="default",
        recipe=None,
        views=2,
        size=32,
        seed=0,
        progress=Silent(),
    )


def test_an_augmented_photo_never_goes_among_the_photos(photos: Path) -> None:
    before = snapshot(photos)
    with pytest.raises(StorageError, match=r"among the photos.* with --output"):
        draw(photos, photos / "circle" / "augmented.png")
    assert snapshot(photos) == before


def test_of_no_usable_photo_it_is_said_why(tmp_path: Path) -> None:
    (tmp_path / "photos" / "circle").mkdir(parents=True)
    (tmp_path / "photos" / "circle" / "a.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"no usable photo; got .*empty file.*inspect"):
        draw(tmp_path / "photos", tmp_path / "augmented.png")


def test_a_learning_curve_never_goes_among_the_photos(photos: Path) -> None:
    before = snapshot(photos)
    with pytest.raises(StorageError, match=r"among the photos.* with --output"):
        learning_curve(photos, output=photos / "curve.png")
    with pytest.raises(StorageError, match=r"among the photos.* with --table"):
        learning_curve(photos, table=photos / "curve.csv")
    assert snapshot(photos) == before
