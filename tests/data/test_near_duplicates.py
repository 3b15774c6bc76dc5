"""Near duplicates: found whatever was done to the photo, and different photos not joined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from drawing import MakePhotos, draw_photo
from photograft import TrainConfig
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.data.alignment import alike, detail
from photograft.data.dataset import Dataset
from photograft.data.groups import content_groups
from photograft.data.loading import read_dataset, split_of, with_near_duplicates
from photograft.data.near_duplicates import Pair, find_near_duplicates, near_groups
from photograft.data.neighbour_lists import NUM_TIMES, neighbour_lists
from photograft.data.thumbnails import Thumbnails, load_thumbnails

Change = Callable[[Image.Image], Image.Image]

CHANGES: dict[str, Change] = {
    "half": lambda image: image.resize((image.width // 2, image.height // 2)),
    "crop": lambda image: image.crop((3, 7, image.width - 7, image.height - 3)),
    "wide crop": lambda image: image.crop((10, 20, image.width, image.height - 2)),
    "flip": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.9),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "grey": lambda image: image.convert("L"),
    "none": lambda image: image,
}


def scene(seed: int, size: tuple[int, int] = (200, 160)) -> Image.Image:
    """A photo with detail at every scale, unlike any of another seed."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size[1], size[0], 3))
    for cells in (4, 9, 20, 50):
        blobs = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), np.uint8))
        total += np.asarray(blobs.resize(size, Image.Resampling.BICUBIC)) / np.sqrt(cells)
    total *= 255 / total.max()
    return Image.fromarray(total.astype(np.uint8))


def thumbnails_of(pictures: list[Image.Image], folder: Path) -> Thumbnails:
    (folder / "class").mkdir(parents=True)
    for i, picture in enumerate(pictures):
        picture.save(folder / "class" / f"{i:03}.jpg", quality=85)
    dataset = Dataset.load(folder)
    found, failures = load_thumbnails(dataset.photos, FeatureStore())
    assert not failures
    return found


@pytest.mark.parametrize("kind", CHANGES)
def test_changed_copy_is_found_and_nothing_else(tmp_path: Path, kind: str) -> None:
    pictures = [scene(i) for i in range(30)]
    pictures.append(CHANGES[kind](pictures[4]))
    pairs = find_near_duplicates(thumbnails_of(pictures, tmp_path / "photos"))
    assert [(pair.first, pair.second) for pair in pairs] == [(4, 30)]
    assert pairs[0].why == ("mirrored" if kind == "flip" else "the same")
    assert 0.9 <= pairs[0].score <= 1


def test_poor_jpeg_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "photos" / "class"
    folder.mkdir(parents=True)
    for i in range(12):
        scene(i).save(folder / f"{i:02}.png")
    scene(5).save(folder / "99.jpg", quality=10)
    dataset = Dataset.load(tmp_path / "photos")
    pairs = find_near_duplicates(load_thumbnails(dataset.photos, FeatureStore())[0])
    assert [(pair.first, pair.second) for pair in pairs] == [(5, 12)]


def test_what_all_photos_share_is_no_sign(tmp_path: Path) -> None:
    """A frame and a grid on every photo: only the true copy is found."""
    pictures = []
    for i in range(24):
        pixels = np.asarray(scene(1000, (120, 120))) * 0.9 + np.asarray(scene(i, (120, 120))) * 0.1
        pictures.append(Image.fromarray(pixels.astype(np.uint8)))
    pictures.append(CHANGES["half"](pictures[7]))
    pairs = find_near_duplicates(thumbnails_of(pictures, tmp_path / "photos"))
    assert {(pair.first, pair.second) for pair in pairs} <= {(7, 24)}


def test_drawn_shapes_are_not_joined(make_photos: MakePhotos, tmp_path: Path) -> None:
    dataset = Dataset.load(make_photos(tmp_path / "photos", ("a", "b", "c"), n=20))
    assert find_near_duplicates(load_thumbnails(dataset.photos, FeatureStore())[0]) == []


def test_photos_of_one_colour_are_like_no_other(tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (64, 64), (v, v, v)) for v in (0, 0, 128, 255)]
    pictures += [scene(0), Image.new("RGB", (1, 1))]
    assert find_near_duplicates(thumbnails_of(pictures, tmp_path / "photos")) == []


def test_few_photos(tmp_path: Path) -> None:
    both = thumbnails_of([scene(0), CHANGES["flip"](scene(0))], tmp_path / "photos")
    assert [(p.first, p.second, p.why) for p in find_near_duplicates(both)] == [(0, 1, "mirrored")]
    for count in (0, 1):
        assert find_near_duplicates(both.take(np.arange(count))) == []


def test_burst_by_its_times(tmp_path: Path) -> None:
    """Somewhat alike and seconds apart is a burst; hours apart it is not, nor when unlike."""
    folder = tmp_path / "photos" / "class"
    folder.mkdir(parents=True)
    ground, own = np.asarray(scene(0), float), [np.asarray(scene(i), float) for i in range(1, 4)]
    for i, (part, when) in enumerate(zip(own, ("01:00:00", "01:00:02", "05:00:00"), strict=True)):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[36867] = f"2026:01:02 {when}"
        mixed = Image.fromarray((0.6 * ground + 0.4 * part).astype(np.uint8))
        mixed.save(folder / f"{i}.jpg", exif=exif, quality=90)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[36867] = "2026:01:02 01:00:03"
    scene(99).save(folder / "3.jpg", exif=exif)
    looks, _ = load_thumbnails(Dataset.load(tmp_path / "photos").photos, FeatureStore())
    assert np.diff(looks.taken[:2])[0] == 2
    pairs = find_near_duplicates(looks)
    assert [(p.first, p.second, p.why) for p in pairs] == [(0, 1, "a burst")]


def test_many_copies_do_not_hide_one_another(tmp_path: Path) -> None:
    """Copies are compared with what is usual among other photos, not among themselves."""
    folder = tmp_path / "photos" / "class"
    folder.mkdir(parents=True)
    for i in range(30):
        scene(i).save(folder / f"{i:02}.png")
    for quality in range(60, 85):
        scene(4).save(folder / f"again-{quality}.jpg", quality=quality)
    looks, _ = load_thumbnails(Dataset.load(tmp_path / "photos").photos, FeatureStore())
    counts = np.bincount(near_groups(find_near_duplicates(looks), len(looks)))
    assert sorted(counts[counts > 1]) == [26]


def test_a_fixed_camera_takes_no_bursts(tmp_path: Path) -> None:
    """Forty photos of one scene with something of its own in each, two seconds apart."""
    ground = np.asarray(scene(0), float)
    pictures = [
        Image.fromarray((0.7 * ground + 0.3 * np.asarray(scene(i), float)).astype(np.uint8))
        for i in range(1, 41)
    ]
    looks = thumbnails_of(pictures, tmp_path / "photos")
    timed = replace(looks, taken=np.arange(40, dtype=np.float64) * 2)
    assert find_near_duplicates(timed) == find_near_duplicates(looks)


def test_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [scene(i) for i in range(20)]
    pictures += [CHANGES["flip"](pictures[3]), CHANGES["crop"](pictures[11])]
    looks = thumbnails_of(pictures, tmp_path / "photos")
    whole = find_near_duplicates(looks)
    monkeypatch.setattr("photograft.data.near_duplicates._BLOCK", 5)
    parts = find_near_duplicates(looks)
    assert len(whole) == 2
    assert [(p.first, p.second) for p in parts] == [(p.first, p.second) for p in whole]


def test_lists_find_what_the_exact_search_finds(tmp_path: Path) -> None:
    """With so many photos that each is compared with a part of the others only."""
    rng = np.random.default_rng(0)
    fields = np.stack([np.asarray(scene(i, (48, 48)).convert("L")) for i in range(40)])
    pixels = fields[rng.integers(0, 40, (4000, 3))].mean(axis=1)
    pixels[2000:2100] = pixels[:100, :, ::-1]
    pixels[2100:2200] = pixels[100:200] + rng.normal(0, 3, (100, 48, 48))
    blank = np.zeros(4000, np.float32)
    never = np.full(4000, np.nan)
    nowhere = np.full((4000, 2), np.nan)
    looks = Thumbnails(pixels.astype(np.uint8), blank, blank, blank, blank, blank, never, nowhere)
    exact = {(p.first, p.second, p.why) for p in find_near_duplicates(looks)}
    listed = {(p.first, p.second, p.why) for p in find_near_duplicates(looks, most_exact=100)}
    assert len(exact) >= 150
    assert len(exact & listed) >= 0.97 * len(exact)
    assert len(listed - exact) <= 0.03 * len(exact)


def test_lists_hold_each_photo_once_and_itself_among_the_others() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((5000, 6)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    for time in range(NUM_TIMES):
        seen: list[int] = []
        for own, among in neighbour_lists(rows.__getitem__, 5000, np.negative, time=time):
            assert set(own.tolist()) <= set(among.tolist())
            assert (np.diff(among) > 0).all()
            seen += own.tolist()
        assert sorted(seen) == list(range(5000))


def test_groups_are_chains_of_pairs() -> None:
    pairs = [Pair(1, 3, 1, ""), Pair(3, 4, 1, ""), Pair(0, 5, 1, "")]
    assert near_groups(pairs, 6).tolist() == [0, 1, 2, 1, 1, 0]
    assert near_groups([], 0).tolist() == []


def test_alike_knows_both_ways_and_stops_where_it_is_hopeless() -> None:
    rng = np.random.default_rng(0)
    a = np.asarray(scene(0, (48, 48)).convert("L"))
    b = np.asarray(scene(0, (60, 60)).convert("L").crop((1, 2, 58, 59)).resize((48, 48)))
    c = rng.integers(0, 256, (48, 48)).astype(np.uint8)
    first: npt.NDArray[np.uint8] = np.stack([a, b, a])
    second: npt.NDArray[np.uint8] = np.stack([b, a, c])
    score = alike(first, second, np.full(3, 0.99, np.float32))
    assert score[0] == pytest.approx(score[1], abs=0.02)
    assert score[0] > 0.9 > 0.5 > score[2]


def test_detail_is_blind_to_brightness_and_to_nothing() -> None:
    a = np.asarray(scene(0, (48, 48)).convert("L"), np.float32)[None]
    np.testing.assert_allclose((detail(a) * detail(a * 0.8 + 20)).sum(), 1, atol=0.02)
    assert not detail(np.full((1, 48, 48), 7, np.float32)).any()


def test_training_keeps_near_duplicates_on_one_side(tmp_path: Path) -> None:
    """Twelve photos with a changed copy each: no pair is ever parted, unless told to ignore."""
    for number, name in enumerate(("circle", "square")):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for i in range(12):
            photo = draw_photo(np.random.default_rng([0, number, i]), number, 96)
            photo = Image.blend(photo, scene(100 * number + i, (96, 96)), 0.5)
            photo.save(folder / f"{i:02}.png")
            CHANGES["brighter"](photo).save(folder / f"{i:02}-again.jpg")
    parted = {}
    for word in ("group", "ignore"):
        config = TrainConfig(near_duplicates=word, validation=0.3, test=0.3)
        dataset = read_dataset(tmp_path / "photos", config, progress=Silent())
        dataset = with_near_duplicates(dataset, config, store=FeatureStore(), progress=Silent())
        split = split_of(dataset, config)
        part = {dataset.photos[i].name: p for p, rows in split.parts().items() for i in rows}
        parted[word] = sum(
            part[name] != part[name.replace("-again.jpg", ".png")]
            for name in part
            if "again" in name
        )
        if word == "group":
            assert len(np.unique(content_groups(dataset))) == 24
            assert "48 photos are near duplicates of others, in 24 groups" in dataset.notes[-1]
    assert parted["group"] == 0
    assert parted["ignore"] > 0
