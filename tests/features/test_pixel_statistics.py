"""What a network sees of the training photos under preprocessing that is fitted to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

import photograft.features.pixel_statistics
from drawing import draw_folder
from photograft.backbones.get import get_backbone
from photograft.backbones.pytorch.network import Normalisation
from photograft.backbones.registry import Backbone
from photograft.backbones.settings import Preprocessing
from photograft.core.progress import Silent
from photograft.data.dataset import Dataset, Photo
from photograft.data.images import DEFAULT_MAX_PIXELS
from photograft.features import preprocessing as transforms
from photograft.features.pixel_statistics import sample_pixels, small_input_size, with_statistics
from recording import Recorder
from training_helpers import TINY


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    folder = draw_folder(tmp_path_factory.mktemp("photos"), n=10, size=48)
    return list(Dataset.load(folder).photos)


def record(photos: list[Photo], preprocessing: Preprocessing, name: str = TINY) -> Backbone:
    preprocessing = replace(preprocessing, input_size=32)
    backbone = get_backbone(name, "random", preprocessing=preprocessing)
    return with_statistics(backbone, preprocessing, photos, DEFAULT_MAX_PIXELS, Silent())


def prepared(photos: list[Photo], backbone: Backbone) -> npt.NDArray[np.uint8]:
    return np.stack([transforms.prepare(photo.read(), backbone) for photo in photos])


def seen(photos: list[Photo], backbone: Backbone) -> npt.NDArray[np.float64]:
    """What the network sees: ``(n, 3, h, w)``."""
    found = Normalisation(backbone)(torch.from_numpy(prepared(photos, backbone)))
    return np.asarray(found.double())


def test_nothing_asked_for(photos: list[Photo]) -> None:
    backbone = record(photos, Preprocessing())
    np.testing.assert_allclose(
        seen(photos, backbone).transpose(0, 2, 3, 1), prepared(photos, backbone) / 255, atol=1e-6
    )


@pytest.mark.parametrize("rescale", [0.0, 1 / 255, 1 / 127.5])
def test_featurewise(photos: list[Photo], rescale: float) -> None:
    """Each channel over all training photos: mean 0, standard deviation 1."""
    settings = Preprocessing(center="feature", standardize="feature", rescale=rescale)
    x = seen(photos, record(photos, settings))
    np.testing.assert_allclose(x.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=(0, 2, 3)), 1, atol=1e-5)


def test_featurewise_mean_alone(photos: list[Photo]) -> None:
    x = seen(photos, record(photos, Preprocessing(center="feature", rescale=1 / 255)))
    np.testing.assert_allclose(x.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    plain = seen(photos, record(photos, Preprocessing()))
    np.testing.assert_allclose(x.std(axis=(0, 2, 3)), plain.std(axis=(0, 2, 3)), rtol=1e-5)


def test_featurewise_deviation_alone(photos: list[Photo]) -> None:
    x = seen(photos, record(photos, Preprocessing(standardize="feature", rescale=1 / 255)))
    np.testing.assert_allclose(x.std(axis=(0, 2, 3)), 1, rtol=1e-5)
    assert (x.mean(axis=(0, 2, 3)) > 1).all()


def test_samplewise(photos: list[Photo]) -> None:
    """Each photo by itself, over all of its values."""
    settings = Preprocessing(center="sample", standardize="sample")
    x = seen(photos, record(photos, settings))
    np.testing.assert_allclose(x.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=(1, 2, 3)), 1, atol=1e-4)
    assert np.abs(x.mean(axis=(2, 3))).max() > 0.1  # not channel by channel


def test_samplewise_one_at_a_time(photos: list[Photo]) -> None:
    plain = seen(photos, record(photos, Preprocessing()))
    centered = seen(photos, record(photos, Preprocessing(center="sample")))
    np.testing.assert_allclose(
        centered, plain - plain.mean(axis=(1, 2, 3), keepdims=True), atol=1e-6
    )
    scaled = seen(photos, record(photos, Preprocessing(standardize="sample")))
    np.testing.assert_allclose(scaled, plain / plain.std(axis=(1, 2, 3), keepdims=True), rtol=1e-4)


def test_blank_photo_stays_finite() -> None:
    backbone = get_backbone(
        TINY,
        "random",
        preprocessing=Preprocessing(center="sample", standardize="sample", input_size=32),
    )
    x = Normalisation(backbone)(torch.full((1, 32, 32, 3), 77, dtype=torch.uint8))
    assert float(x.abs().max()) < 1


@pytest.mark.parametrize("factor", [1 / 255, 1.0, 2.5])
def test_rescaling_is_all_that_is_done(photos: list[Photo], factor: float) -> None:
    for name in (TINY, "efficientnet_lite0"):  # whatever its own mean and deviation
        backbone = record(photos, Preprocessing(rescale=factor), name)
        pixels = prepared(photos, backbone).transpose(0, 3, 1, 2)
        np.testing.assert_allclose(seen(photos, backbone), pixels * factor, rtol=1e-5)


def test_mean_and_deviation_of_a_pretrained_network_are_its_own(photos: list[Photo]) -> None:
    assert record(photos, Preprocessing(), "efficientnet_lite0").mean == (0.5, 0.5, 0.5)
    replaced = record(photos, Preprocessing(center="feature"), "efficientnet_lite0")
    assert replaced.mean != (0.5, 0.5, 0.5)
    assert replaced.std == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("crop_mode", ["squash", "center"])
def test_crop_and_interpolation(interpolation: str, crop_mode: str, tmp_path: Path) -> None:
    """A photo twice as wide as high: squashed, or its middle."""
    values = np.random.default_rng(0).integers(0, 256, (40, 80, 3), np.uint8)
    image = Image.fromarray(values)
    image.save(tmp_path / "a.png")
    settings = Preprocessing(input_size=32, interpolation=interpolation, crop_mode=crop_mode)
    backbone = get_backbone(TINY, "random", preprocessing=settings)
    found = transforms.prepare((tmp_path / "a.png").read_bytes(), backbone)
    box = (0, 0, 80, 40) if crop_mode == "squash" else (20, 0, 60, 40)
    way = Image.Resampling[interpolation.upper()]
    expected = np.asarray(image.resize((32, 32), way, box=box))
    inner = slice(2, -2)  # at the seam, a filter may see beyond the crop
    difference = found[:, inner].astype(int) - expected[:, inner]
    assert np.abs(difference).max() <= 1


def test_sizes_and_words_reach_the_record() -> None:
    own = get_backbone("efficientnet_lite0")
    assert get_backbone("efficientnet_lite0", preprocessing=Preprocessing()) == own
    settings = Preprocessing(input_size=128, crop_mode="center", interpolation="nearest")
    found = get_backbone("efficientnet_lite0", preprocessing=settings)
    assert found.input_size == (128, 128)
    assert (found.crop_mode, found.interpolation) == ("center", "nearest")
    assert [layer.num_features for layer in found.layers] == [
        layer.num_features for layer in own.layers
    ]
    # It decides what the store keeps features under.
    assert found.preprocessing() != own.preprocessing()
    for word in ("sample", "none"):
        per_photo = get_backbone("efficientnet_lite0", preprocessing=Preprocessing(center=word))
        assert (per_photo.preprocessing() == own.preprocessing()) == (word == "none")


def test_photos_that_do_not_decode_are_left_out(photos: list[Photo]) -> None:
    expected = record(photos, Preprocessing(center="feature"))
    broken = replace(photos[0], read=lambda: b"no picture")

    def gone() -> bytes:
        raise FileNotFoundError

    missing = replace(photos[1], read=gone)
    found = record([broken, *photos, missing], Preprocessing(center="feature"))
    assert found.mean == pytest.approx(expected.mean)
    nothing = record([broken], Preprocessing(center="feature", standardize="feature"))
    assert nothing.mean == (0, 0, 0)


def test_many_photos_are_sampled_evenly(
    photos: list[Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photograft.features.pixel_statistics, "_MOST_PHOTOS", 5)
    backbone = record(photos, Preprocessing())
    found = np.stack(list(sample_pixels(photos, backbone, DEFAULT_MAX_PIXELS)))
    assert np.array_equal(found, prepared([photos[i] for i in (0, 4, 9, 14, 19)], backbone))
    recorder = Recorder()
    settings = Preprocessing(center="feature", input_size=32)
    with_statistics(backbone, settings, photos, DEFAULT_MAX_PIXELS, recorder)
    assert recorder.steps == ["Measuring pixels"]


@pytest.mark.parametrize(
    ("sizes", "side"),
    [
        ([(28, 28)] * 3, 28),
        ([(100, 60), (80, 90), (500, 400)], 80),
        ([(8, 9)], 16),
        ([(4000, 3000)] * 2, 180),
    ],
)
def test_input_size_of_a_small_network(
    photos: list[Photo], sizes: list[tuple[int, int]], side: int
) -> None:
    given = [replace(photos[0], width=width, height=height) for width, height in sizes]
    assert small_input_size(given) == side
