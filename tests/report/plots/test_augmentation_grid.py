"""The picture of a photo and its augmented versions."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from drawing import draw_photo
from photograft.core.errors import ImageError, InputError
from photograft.features.augmentation import augment, generator
from photograft.features.settings import DEFAULT_AUGMENTATION, Augmentation
from photograft.report.plots import augmentation
from photograft.report.plots.augmentation import augmentation_grid, in_words
from sheet_helpers import check_texts, sheets_kept

Pixels = npt.NDArray[np.uint8]

SIZE = (64, 64)


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def photo() -> bytes:
    return png(draw_photo(np.random.default_rng(0), 0, 64))


def drawn(path: Path) -> Pixels:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def num_runs(marked: npt.NDArray[np.bool_]) -> int:
    """How many stretches of marked places there are along a line."""
    return int((np.diff(marked.astype(int), prepend=0) == 1).sum())


@pytest.mark.parametrize(
    ("views", "rows", "columns"), [(2, 1, 2), (3, 2, 2), (5, 2, 3), (9, 3, 3), (10, 3, 4)]
)
def test_panels_stand_in_rows_and_columns(
    tmp_path: Path, views: int, rows: int, columns: int
) -> None:
    """All panels are of a colour that nothing else in the picture has."""
    data = png(Image.new("RGB", (80, 80), (0, 200, 0)))
    path, settings = tmp_path / "grid.png", Augmentation(rotation=20)
    augmentation_grid(lambda: data, SIZE, settings, views=views, seed=0, path=path, title="green")
    green = (drawn(path) == (0, 200, 0)).all(axis=-1)
    assert num_runs(green.any(axis=1)) == rows
    assert num_runs(green.any(axis=0)) == columns
    lines = green[green.any(axis=1)]
    last = views - (rows - 1) * columns
    assert num_runs(lines[len(lines) // (2 * rows)]) == columns
    assert num_runs(lines[-len(lines) // (2 * rows)]) == last


@pytest.fixture
def panels(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was drawn, each time: the panels, the title and the caption."""
    seen: list[Any] = []
    draw: Callable[..., None] = augmentation._draw

    def spy(*args: Any) -> None:
        seen.append(args)
        draw(*args)

    monkeypatch.setattr(augmentation, "_draw", spy)
    return seen


def test_panels_are_the_photo_and_the_views_that_training_makes(
    tmp_path: Path, panels: list[Any]
) -> None:
    data, path = photo(), tmp_path / "grid.png"
    augmentation_grid(lambda: data, SIZE, DEFAULT_AUGMENTATION, seed=4, path=path, title="a photo")
    [(found, title, caption, _)] = panels
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    assert len(found) == 9
    np.testing.assert_array_equal(found[0], pixels)
    digest = hashlib.sha256(data).digest()
    for view, panel in enumerate(found[1:]):
        expected = augment(pixels, DEFAULT_AUGMENTATION, generator(4, digest, view), size=SIZE)
        np.testing.assert_array_equal(panel, expected)
    assert (title, caption) == ("a photo", in_words(DEFAULT_AUGMENTATION))


def test_same_seed_same_picture(tmp_path: Path) -> None:
    data, pictures = photo(), []
    for i, seed in enumerate((1, 1, 2)):
        path = tmp_path / f"{i}.png"
        augmentation_grid(
            lambda: data, SIZE, DEFAULT_AUGMENTATION, views=4, seed=seed, path=path, title="t"
        )
        pictures.append(drawn(path))
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


@pytest.mark.parametrize(
    ("mode", "width", "height"),
    [("RGB", 1, 1), ("L", 50, 40), ("RGB", 3000, 2), ("RGB", 2, 3000), ("RGBA", 30, 30),
     ("1", 20, 20), ("I;16", 20, 20)],
)  # fmt: skip
@pytest.mark.parametrize("size", [(64, 64), (20, 200)])
def test_odd_photos(
    tmp_path: Path, panels: list[Any], mode: str, width: int, height: int, size: tuple[int, int]
) -> None:
    data, path = png(Image.new(mode, (width, height))), tmp_path / "grid.png"
    settings = Augmentation(
        rotation=90, zoom=0.9, min_crop=0.3, width_shift=0.5, fill_mode="reflect"
    )
    augmentation_grid(lambda: data, size, settings, views=3, seed=0, path=path, title="odd")
    assert [panel.shape for panel in panels[0][0]] == [(*size, 3)] * 3
    assert drawn(path).std() > 0


@pytest.mark.parametrize("title", ["$x^2$ and $", "写真.jpg", "a" * 300, "bad\nname\udcff"])
@pytest.mark.parametrize("views", [2, 10])
def test_odd_titles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, title: str, views: int
) -> None:
    sheets = sheets_kept(monkeypatch)
    path = tmp_path / "grid.png"
    settings = Augmentation(rotation=5, zoom=0.2, shear=3, width_shift=0.1, brightness=0.3)
    augmentation_grid(photo, SIZE, settings, views=views, seed=0, path=path, title=title)
    check_texts(sheets[0])


def test_no_title_widens_the_picture(tmp_path: Path) -> None:
    path, title = tmp_path / "grid.png", "a" * 300
    augmentation_grid(photo, SIZE, Augmentation(), views=2, seed=0, path=path, title=title)
    height, width = drawn(path).shape[:2]
    assert height < 700
    assert width < 700


def test_long_captions_have_their_room(tmp_path: Path) -> None:
    heights = []
    for function in ("", "a" * 90 + ":" + "b" * 90):
        path = tmp_path / "grid.png"
        settings = Augmentation(rotation=5, zoom=0.2)
        words = in_words(settings) + function
        augmentation._draw([np.zeros((8, 8, 3), np.uint8)] * 2, "title", words, path)
        heights.append(len(drawn(path)))
    assert heights[1] >= heights[0] + 2 * 20


def test_what_can_not_be_drawn(tmp_path: Path) -> None:
    path = tmp_path / "grid.png"
    with pytest.raises(ImageError):
        augmentation_grid(lambda: b"no photo", SIZE, Augmentation(), seed=0, path=path, title="")
    with pytest.raises(ImageError, match="too large"):
        augmentation_grid(photo, SIZE, Augmentation(), seed=0, path=path, title="", max_pixels=1000)
    for views in (1, 101):
        with pytest.raises(InputError, match="expected 2 to 100"):
            augmentation_grid(photo, SIZE, Augmentation(), views=views, seed=0, path=path, title="")
    assert not path.exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Augmentation(), "nothing is changed"),
        (Augmentation(horizontal_flip=True), "half of them mirrored left to right"),
        (
            DEFAULT_AUGMENTATION,
            "random crops of at least 60% of the area; turned by up to 10°; half of them mirrored "
            "left to right; brightness 90% to 110%; gaps filled by mirroring",
        ),
        (
            Augmentation(
                width_shift=0.1, height_shift=0.25, shear=3, zoom=0.15, vertical_flip=True,
                horizontal_flip=True, channel_shift=20, rand_augment=1, function="a:b",
                fill_mode="constant", fill_value=128,
            ),
            "shifted by up to 10% sideways and 25% up or down; sheared by up to 3°; zoomed by 85% "
            "to 115%, each way by itself; half of them mirrored left to right and top to bottom; "
            "each colour ±20 of 255; 1 operation of RandAugment at strength 9; then a:b; gaps "
            "filled with level 128",
        ),
        (
            Augmentation(height_shift=0.1, zoom=0.1, keep_aspect=True, rand_augment=2),
            "shifted by up to 10% up or down; zoomed by 90% to 110%; 2 operations of RandAugment "
            "at strength 9; gaps filled from the edge",
        ),
        (
            Augmentation(width_shift=0.1, height_shift=0.1, fill_mode="wrap"),
            "shifted by up to 10% both ways; gaps filled from the other side",
        ),
    ],
)  # fmt: skip
def test_in_words(settings: Augmentation, words: str) -> None:
    assert in_words(settings) == words
