"""Augmentation: each setting does what it says and no more, and nothing global is touched."""

from __future__ import annotations

import dataclasses
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy import ndimage

from augmentation_helpers import SIDE, Pixels, changed, photo
from photograft.features.augmentation import augment, generator
from photograft.features.geometry import draw_map
from photograft.features.settings import Augmentation

EVERYTHING = Augmentation(
    rotation=30, width_shift=0.1, height_shift=0.2, shear=10, zoom=0.2, brightness=0.3,
    channel_shift=20, horizontal_flip=True, vertical_flip=True, min_crop=0.5, rand_augment=2,
    fill_mode="reflect",
)  # fmt: skip


class Drawn(np.random.Generator):
    """A generator whose draws lie at a given share of their range."""

    def __init__(self, share: float) -> None:
        super().__init__(np.random.PCG64(0))
        self._share = share

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return low + self._share * (high - low)

    def random(self, *_: Any, **__: Any) -> Any:
        return self._share


def smooth(height: int, width: int) -> Pixels:
    """A picture without edges or noise, on which ways of interpolating agree."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 9 + k) * np.cos(y / 11 - k) for k in range(3)]
    return (127.5 + 110 * np.stack(waves, -1)).astype(np.uint8)


def ramp(side: int = SIDE) -> Pixels:
    """Red says how far to the right a place is, green how far down."""
    y, x = np.mgrid[0:side, 0:side]
    return np.stack([2 * x, 2 * y, np.zeros_like(x)], -1).astype(np.uint8)


def came_from(pixels: Pixels) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the x and y that the places of a changed `ramp` came from."""
    return pixels[..., 0] / 2.0, pixels[..., 1] / 2.0


def close(one: npt.NDArray[Any], other: npt.NDArray[Any], most: float) -> bool:
    return bool(np.abs(np.asarray(one, float) - np.asarray(other, float)).max() <= most)


def test_same_on_any_thread_in_any_order() -> None:
    photos = [photo(i) for i in range(12)]

    def one(i: int) -> Pixels:
        return augment(photos[i], EVERYTHING, generator(3, bytes([i]), 5), size=(64, 80))

    expected = [one(i) for i in range(12)]
    with ThreadPoolExecutor(4) as executor:
        backwards = list(executor.map(one, reversed(range(12))))[::-1]
    for a, b in zip(expected, backwards, strict=True):
        np.testing.assert_array_equal(a, b)


def test_generator_tells_seeds_photos_and_views_apart() -> None:
    keys = [(0, b"a", 0), (1, b"a", 0), (0, b"b", 0), (0, b"a", 1), (1, b"a", 1), (0, b"\0a", 2)]
    draws = [generator(*key).random() for key in keys]
    assert len(set(draws)) == len(keys)
    assert [generator(*key).random() for key in keys] == draws


def test_global_random_states_are_neither_read_nor_touched() -> None:
    import torch

    results = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state())  # type: ignore[index]
        results.append([changed(EVERYTHING, i) for i in range(20)])
        assert random.getstate() == before[0]
        assert np.random.get_state()[1].tolist() == before[1]  # type: ignore[index]
        assert torch.equal(torch.get_rng_state(), before[2])
    np.testing.assert_array_equal(results[0], results[1])


def test_rand_augment_and_another_thread_that_draws_by_torch_leave_each_other_alone() -> None:
    import torch

    settings = Augmentation(rand_augment=3)
    expected = [changed(settings, i) for i in range(60)]
    torch.manual_seed(0)
    alone = torch.stack([torch.rand(2) for _ in range(3000)])
    torch.manual_seed(0)
    drawn: list[torch.Tensor] = []
    thread = threading.Thread(target=lambda: drawn.extend(torch.rand(2) for _ in range(3000)))
    thread.start()
    meanwhile = [changed(settings, i) for i in range(60)]
    thread.join()
    np.testing.assert_array_equal(meanwhile, expected)
    assert torch.equal(torch.stack(drawn), alone)


def test_identity() -> None:
    pixels = photo()
    result = changed(Augmentation(), pixels=pixels)
    np.testing.assert_array_equal(result, pixels)
    result[:] = 0  # its own array
    assert pixels.any()


def test_nothing_drawn_means_a_plain_resize() -> None:
    pixels = photo(size=200)
    expected = np.asarray(Image.fromarray(pixels).resize((80, 60), Image.Resampling.BILINEAR))
    settings = Augmentation(rotation=20, shear=5, width_shift=0.2, zoom=0.3, horizontal_flip=True)
    result = augment(pixels, settings, Drawn(0.5), size=(60, 80))
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("size", [(64, 64), (48, 120), (1, 1), (300, 7)])
@pytest.mark.parametrize("shape", [(96, 96), (50, 130), (1, 1), (1, 400), (700, 500)])
@pytest.mark.parametrize("fill_mode", ["nearest", "constant", "reflect", "wrap"])
def test_shape(size: tuple[int, int], shape: tuple[int, int], fill_mode: str) -> None:
    pixels = smooth(*shape)
    strong = dataclasses.replace(EVERYTHING, rotation=180, zoom=0.95, shear=80, width_shift=1)
    for settings in (EVERYTHING, strong):
        settings = dataclasses.replace(settings, fill_mode=fill_mode, rand_augment=0)
        for seed in range(3):
            result = augment(pixels, settings, generator(seed, b"", 0), size=size)
            assert result.shape == (*size, 3)
            assert result.dtype == np.uint8
            assert result.flags.c_contiguous
            assert result.flags.writeable


@pytest.mark.parametrize(
    ("settings", "mirrored"),
    [
        (Augmentation(horizontal_flip=True), lambda p: p[:, ::-1]),
        (Augmentation(vertical_flip=True), lambda p: p[::-1]),
        (Augmentation(horizontal_flip=True, vertical_flip=True), lambda p: p[::-1, ::-1]),
    ],
)
def test_flip(settings: Augmentation, mirrored: Callable[[Pixels], Pixels]) -> None:
    pixels = photo()
    for size in (pixels.shape[:2], (40, 50)):
        plain = augment(pixels, Augmentation(), Drawn(0), size=size)
        flipped = augment(pixels, settings, Drawn(0), size=size)
        np.testing.assert_array_equal(flipped, mirrored(plain))
        np.testing.assert_array_equal(augment(pixels, settings, Drawn(0.5), size=size), plain)


def test_half_are_flipped() -> None:
    pixels, settings = photo(), Augmentation(horizontal_flip=True)
    num_flipped = sum(
        not np.array_equal(changed(settings, seed, pixels), pixels) for seed in range(200)
    )
    assert 75 <= num_flipped <= 125


@pytest.mark.parametrize(("share", "turns"), [(1.0, 1), (0.0, -1)])
@pytest.mark.parametrize("fill_mode", ["nearest", "constant", "reflect", "wrap"])
def test_a_quarter_turn_is_exact(share: float, turns: int, fill_mode: str) -> None:
    pixels = photo()
    settings = Augmentation(rotation=90, fill_mode=fill_mode)
    result = augment(pixels, settings, Drawn(share), size=(SIDE, SIDE))
    np.testing.assert_array_equal(result, np.rot90(pixels, turns))


def test_shift_moves_by_whole_pixels() -> None:
    pixels = photo()
    settings = Augmentation(width_shift=0.25, fill_mode="constant", fill_value=7)
    result = augment(pixels, settings, Drawn(1), size=(SIDE, SIDE))
    np.testing.assert_array_equal(result[:, 24:], pixels[:, :-24])
    assert (result[:, :24] == 7).all()
    settings = Augmentation(height_shift=0.5, fill_mode="wrap")
    result = augment(pixels, settings, Drawn(0), size=(SIDE, SIDE))
    np.testing.assert_array_equal(result, np.roll(pixels, -48, axis=0))


def test_zoom_multiplies_the_size() -> None:
    side = np.arange(SIDE)
    for share, factor in ((1, 1.5), (0, 0.5)):
        settings = Augmentation(zoom=0.5, fill_mode="constant")
        x, y = came_from(augment(ramp(), settings, Drawn(share), size=(SIDE, SIDE)))
        expected = (side + 0.5 - SIDE / 2) / factor + SIDE / 2 - 0.5
        inner = slice(28, 68)
        assert close(x[inner, inner], np.tile(expected[inner], (40, 1)), 0.8)
        assert close(y[inner, inner].T, np.tile(expected[inner], (40, 1)), 0.8)


def test_zoom_keeps_the_aspect_ratio_only_if_asked_to() -> None:
    def factors(keep_aspect: bool, seed: int) -> tuple[float, float]:
        settings = Augmentation(zoom=0.3, keep_aspect=keep_aspect)
        found = draw_map(settings, generator(seed, b"", 0), (50, 60), (50, 60))
        return 1 / found[0, 0], 1 / found[1, 1]

    drawn = [factors(False, seed) for seed in range(100)]
    assert all(0.7 <= factor <= 1.3 for pair in drawn for factor in pair)
    assert max(max(pair) for pair in drawn) > 1.25
    assert min(min(pair) for pair in drawn) < 0.75
    assert np.corrcoef(np.transpose(drawn))[0, 1] < 0.5
    assert all(a == pytest.approx(b) for a, b in (factors(True, seed) for seed in range(20)))


def test_shear_leans_columns_over_and_keeps_rows_level() -> None:
    settings = Augmentation(shear=30, fill_mode="constant")
    x, y = came_from(augment(ramp(), settings, Drawn(1), size=(SIDE, SIDE)))
    rows, columns = np.mgrid[30:66, 40:56]
    below = rows + 0.5 - SIDE / 2
    inner = slice(30, 66), slice(40, 56)
    assert close(x[inner], columns - below * np.sin(np.radians(30)), 0.8)
    assert close(y[inner], below * np.cos(np.radians(30)) + SIDE / 2 - 0.5, 0.8)


def test_ranges_are_used_to_both_sides() -> None:
    settings = Augmentation(rotation=20)
    angles = []
    for seed in range(200):
        found = draw_map(settings, generator(seed, b"", 0), (80, 80), (80, 80))
        angles.append(np.degrees(np.arctan2(found[1, 0], found[0, 0])))
    assert -20 <= min(angles) < -17
    assert 17 < max(angles) <= 20
    assert abs(np.mean(angles)) < 3


SCIPY_MODES = {"nearest": "nearest", "reflect": "reflect", "wrap": "grid-wrap"}


def by_scipy(
    pixels: Pixels,
    found: npt.NDArray[np.float64],
    size: tuple[int, int] | None = None,
    **kwargs: Any,
) -> npt.NDArray[Any]:
    """The same map, between the middles of pixels and with y before x."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    found = np.linalg.inv(half) @ found @ half
    swapped = found[[1, 0, 2]][:, [1, 0, 2]]
    kwargs["output_shape"] = size or pixels.shape[:2]
    channels = [
        ndimage.affine_transform(pixels[..., k].astype(float), swapped, order=1, **kwargs)
        for k in range(3)
    ]
    return np.stack(channels, -1)


@pytest.mark.parametrize("fill_mode", SCIPY_MODES)
@pytest.mark.parametrize("shape", [(96, 96), (60, 130)])
def test_fill_modes_are_those_of_scipy(fill_mode: str, shape: tuple[int, int]) -> None:
    settings = Augmentation(
        rotation=60, width_shift=0.6, height_shift=0.6, shear=20, zoom=0.4, horizontal_flip=True,
        fill_mode=fill_mode,
    )  # fmt: skip
    pixels = smooth(*shape)
    for seed in range(8):
        found = draw_map(settings, generator(seed, b"photo", 0), shape, shape)
        expected = by_scipy(pixels, found, mode=SCIPY_MODES[fill_mode])
        # Pillow drops what is behind the point.
        assert close(changed(settings, seed, pixels), expected, 1.01)


@pytest.mark.parametrize("fill_mode", SCIPY_MODES)
def test_enlarged_pixels_know_their_neighbours_across_the_edge(fill_mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    settings = Augmentation(width_shift=0.2, height_shift=0.2, fill_mode=fill_mode)
    for seed in range(8):
        found = draw_map(settings, generator(seed, b"photo", 0), (16, 16), (96, 96))
        expected = by_scipy(noise, found, (96, 96), mode=SCIPY_MODES[fill_mode])
        result = augment(noise, settings, generator(seed, b"photo", 0), size=(96, 96))
        assert close(result, expected, 1.01)


def test_constant_fill_is_that_of_scipy_but_at_the_very_edge() -> None:
    settings = Augmentation(rotation=60, zoom=0.5, fill_mode="constant", fill_value=200)
    pixels, shape = smooth(90, 110), (90, 110)
    for seed in range(8):
        found = draw_map(settings, generator(seed, b"photo", 0), shape, shape)
        expected = by_scipy(pixels, found, mode="constant", cval=200)
        covered = by_scipy(np.full_like(pixels, 255), found, mode="constant", cval=0)[..., 0] > 0
        clear = ndimage.binary_erosion(covered, iterations=2, border_value=1)
        clear |= ndimage.binary_erosion(~covered, iterations=2, border_value=1)
        result = changed(settings, seed, pixels)
        assert clear.mean() > 0.5
        assert close(result[clear], expected[clear], 1.01)


def test_shrinking_averages_all_pixels() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (800, 800, 3)).astype(np.uint8)
    for settings in (Augmentation(rotation=10), Augmentation(min_crop=0.7)):
        result = augment(noise, settings, generator(0, b"", 0), size=(100, 100))
        assert 0 < result.std() < 25  # a single pixel's is 74


def box_of(settings: Augmentation, seed: int, shape: tuple[int, int]) -> list[float]:
    found = draw_map(settings, generator(seed, b"photo", 0), shape, (100, 100))
    assert found[0, 1] == found[1, 0] == 0
    return [found[0, 2], found[1, 2], 100 * found[0, 0], 100 * found[1, 1]]


def test_crop_is_within_its_limits() -> None:
    areas = []
    for seed in range(300):
        left, top, width, height = box_of(Augmentation(min_crop=0.4), seed, (180, 200))
        assert left >= 0
        assert top >= 0
        assert left + width <= 200 + 1e-6
        assert top + height <= 180 + 1e-6
        assert all(abs(v - round(v)) < 1e-6 for v in (left, top, width, height))
        assert 0.74 < width / height < 1.35
        areas.append(width * height / (180 * 200))
    assert 0.39 < min(areas) < 0.45
    assert 0.9 < max(areas) <= 1
    assert len(set(areas)) > 100


def test_crop_is_torchvisions() -> None:
    from torchvision.transforms import v2

    pixels = smooth(180, 200)
    settings = Augmentation(min_crop=0.4)
    for seed in range(10):
        left, top, width, height = (round(v) for v in box_of(settings, seed, (180, 200)))
        expected = v2.functional.resized_crop(
            Image.fromarray(pixels), top, left, height, width, [100, 100]
        )
        result = augment(pixels, settings, generator(seed, b"photo", 0), size=(100, 100))
        assert close(result[2:-2, 2:-2], np.asarray(expected)[2:-2, 2:-2], 2)


def test_crops_up_to_the_edge_are_plain_resizes() -> None:
    """However the numbers are rounded: no crop seems to leave the photo, and is filled up."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    for seed in range(100):
        left, top, width, height = (
            round(v) for v in box_of(Augmentation(min_crop=0.8), seed, (64, 64))
        )
        result = augment(
            noise, Augmentation(min_crop=0.8), generator(seed, b"photo", 0), size=(31, 37)
        )
        image = Image.fromarray(noise)
        box = (left, top, left + width, top + height)
        expected = np.asarray(image.resize((37, 31), Image.Resampling.BILINEAR, box))
        assert close(result, expected, 1)


@pytest.mark.parametrize(
    ("shape", "box"),
    [((30, 300), [130, 0, 40, 30]), ((300, 30), [0, 130, 30, 40]), ((90, 100), [0, 0, 100, 90])],
)
def test_where_no_crop_fits_it_is_the_middle(shape: tuple[int, int], box: list[float]) -> None:
    assert box_of(Augmentation(min_crop=1), 0, shape) == pytest.approx(box)


@pytest.mark.parametrize(("share", "factor"), [(0, 0.6), (0.5, 1), (1, 1.4)])
def test_brightness(share: float, factor: float) -> None:
    pixels = photo()
    result = augment(pixels, Augmentation(brightness=0.4), Drawn(share), size=(SIDE, SIDE))
    assert close(result, np.clip(pixels * factor, 0, 255), 1)
    assert abs(float(result.mean()) - float(np.clip(pixels * factor, 0, 255).mean())) < 0.7


def test_channel_shift_adds_one_number_to_each_channel() -> None:
    pixels = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 256, 3)
    shifts = []
    for seed in range(50):
        result = changed(Augmentation(channel_shift=60), seed, pixels).astype(int)
        by = (result - pixels)[0, 128]
        np.testing.assert_array_equal(result, (pixels + by).clip(0, 255))
        shifts.append(by)
    assert np.abs(shifts).max() <= 60
    assert (np.min(shifts, axis=0) < -40).all()
    assert (np.max(shifts, axis=0) > 40).all()
    assert (np.abs(np.corrcoef(np.transpose(shifts))) < 0.6).sum() == 6  # each by itself


def test_rand_augment_is_torchvisions() -> None:
    import torch
    from torchvision.transforms import v2

    pixels = photo()
    settings = Augmentation(rand_augment=2, rand_augment_magnitude=14)
    num_changed = 0
    for seed in range(20):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(generator(seed, b"photo", 0).integers(2**63)))
            operation = v2.RandAugment(
                2, 14, 31, interpolation=v2.InterpolationMode.BILINEAR, fill=[0, 0, 0]
            )
            expected = np.asarray(operation(Image.fromarray(pixels)))
        result = changed(settings, seed, pixels)
        np.testing.assert_array_equal(result, expected)
        num_changed += not np.array_equal(result, pixels)
    assert num_changed > 10
