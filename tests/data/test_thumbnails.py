"""Small looks at photos: right, kept, and the same when remembered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from photograft.core.store import FeatureStore
from photograft.data import thumbnails
from photograft.data.dataset import Dataset
from photograft.data.images import place_of, taken_at
from photograft.data.thumbnails import SIDE, Thumbnails, load_thumbnails


def look(folder: Path) -> Thumbnails:
    found, failures = load_thumbnails(Dataset.load(folder).photos, FeatureStore())
    assert not failures
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "photos" / "class"
    path.mkdir(parents=True)
    return path


def noise(size: tuple[int, int] = (64, 48)) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8))


def test_measures(folder: Path) -> None:
    Image.new("RGB", (50, 50)).save(folder / "0-black.png")
    Image.new("RGB", (50, 50), "white").save(folder / "1-white.png")
    noise().save(folder / "2-noise.png")
    noise().filter(ImageFilter.GaussianBlur(3)).save(folder / "3-blurred.png")
    found = look(folder.parent)
    np.testing.assert_allclose(found.brightness, [0, 1, 0.5, 0.5], atol=0.02)
    assert found.dark_share[0] == found.bright_share[1] == found.plain_share[0] == 1
    assert found.dark_share[2] < 0.02
    assert found.bright_share[2] < 0.02
    assert found.sharpness[2] > 100 * found.sharpness[3] > 0
    assert found.sharpness[0] == 0
    assert np.isnan(found.taken).all()


def test_thumbnail_is_upright_luma(folder: Path) -> None:
    """A photo on its side, as its EXIF says, gives the thumbnail of the upright one."""
    picture = Image.new("L", (96, 96))
    picture.paste(255, (0, 0, 96, 32))
    picture.save(folder / "0.png")
    exif = Image.Exif()
    exif[0x0112] = 8  # to be turned by 90 degrees, against the clock
    picture.transpose(Image.Transpose.ROTATE_270).save(folder / "1.png", exif=exif)
    found = look(folder.parent)
    assert found.pixels.shape == (2, SIDE, SIDE)
    assert found.pixels[0, : SIDE // 3].min() == 255
    assert found.pixels[0, SIDE // 3 :].max() == 0
    np.testing.assert_array_equal(*found.pixels)


def test_remembered_is_the_same_and_not_looked_at_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({36867: "2026:02:28 23:59:59", 37521: "250"})
    noise().save(folder / "0.jpg", exif=exif)
    noise((300, 10)).save(folder / "1.png")
    first = look(folder.parent)
    monkeypatch.setattr(
        thumbnails, "measure_thumbnail", lambda *_, **__: pytest.fail("looked again")
    )
    again = look(folder.parent)
    for name, value in vars(first).items():
        np.testing.assert_array_equal(value, getattr(again, name), err_msg=name)
    assert first.taken[0] % 60 == 59.25
    assert np.isnan(first.taken[1])


@pytest.mark.parametrize("text", ["", "0000:00:00 00:00:00", "yesterday", "2026:13:01 00:00:00"])
def test_time_that_is_none(folder: Path, text: str) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[36867] = text
    noise().save(folder / "0.jpg", exif=exif)
    assert np.isnan(look(folder.parent).taken).all()


def test_taken_at_gives_the_text(folder: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({36867: "2026:02:28 23:59:59", 37521: "5"})
    noise().save(folder / "0.jpg", exif=exif)
    assert taken_at((folder / "0.jpg").read_bytes()) == ("2026:02:28 23:59:59", 0.5)
    noise().save(folder / "1.png")
    assert taken_at((folder / "1.png").read_bytes()) == ("", 0.0)


@pytest.mark.parametrize(
    ("north", "south", "east", "west"),
    [(40.5, "N", 116.25, "E"), (33.8675, "S", 151.207, "E"), (19.5, "N", 99.125, "W")],
)
def test_place(folder: Path, north: float, south: str, east: float, west: str) -> None:
    """EXIF has degrees, minutes and seconds; where it says north or south, east or west."""
    exif = Image.Exif()
    exif[34853] = {1: south, 2: parts(north), 3: west, 4: parts(east)}
    noise().save(folder / "0.jpg", exif=exif)
    noise().save(folder / "1.jpg")
    expected = [north * (1 if south == "N" else -1), east * (1 if west == "E" else -1)]
    np.testing.assert_allclose(place_of((folder / "0.jpg").read_bytes()), expected, atol=1e-4)
    found = look(folder.parent)
    np.testing.assert_allclose(found.places[0], expected, atol=1e-4)
    assert np.isnan(found.places[1]).all()


def parts(degrees: float) -> tuple[float, float, float]:
    minutes = degrees % 1 * 60
    return float(int(degrees)), float(int(minutes)), minutes % 1 * 60


@pytest.mark.parametrize(
    "gps",
    [
        {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
        {1: "N", 2: (95.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)},
        {1: "X", 2: (5.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)},
        {1: "N", 2: (5.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)},
        {2: (5.0, 0.0, 0.0), 4: (1.0, 0.0, 0.0)},
    ],
)
def test_place_that_is_none(folder: Path, gps: dict[int, object]) -> None:
    """Such as a receiver that has not found its place yet."""
    exif = Image.Exif()
    exif[34853] = gps
    noise().save(folder / "0.jpg", exif=exif)
    assert np.isnan(look(folder.parent).places).all()


def test_one_pixel_and_a_photo_that_breaks_off(folder: Path) -> None:
    Image.new("RGB", (1, 1)).save(folder / "0.png")
    noise((400, 400)).save(folder / "1.jpg")
    data = (folder / "1.jpg").read_bytes()
    (folder / "1.jpg").write_bytes(data[: len(data) // 2])
    dataset = Dataset.load(folder.parent)
    found, failures = load_thumbnails(dataset.photos, FeatureStore())
    assert len(found) == 1
    assert list(failures) == [dataset.photos[1].digest]
    assert not load_thumbnails([], FeatureStore())[1]
