"""Photos as the network gets them: exact sizes, and the pixels that timm would give it."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags, Image

from photograft.backbones.get import get_backbone
from photograft.backbones.registry import EMBEDDED, Backbone
from photograft.core.errors import ImageError, InputError
from photograft.data.images import decode
from photograft.features.preprocessing import prepare, prepare_looks, resize

SQUASH = EMBEDDED["efficientnet_lite0"]
CENTER = replace(SQUASH, crop_mode="center", crop_pct=0.875)

SIZES = [
    (1, 1), (3000, 1), (1, 3000), (2, 3), (224, 224), (223, 225), (500, 375), (375, 500),
    (1000, 224), (256, 256), (257, 1001),
]  # fmt: skip


def smooth(width: int, height: int) -> Image.Image:
    """A picture whose every place tells by its colour where it is."""
    y, x = np.mgrid[0:height, 0:width]
    across, down = (x + 0.5) / width, (y + 0.5) / height
    waves = 0.5 + 0.5 * np.sin(9 * across + 7 * down)
    return Image.fromarray((np.stack([across, down, waves], -1) * 255).astype(np.uint8))


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def by_hand(image: Image.Image, backbone: Backbone) -> npt.NDArray[np.uint8]:
    """torchvision's ``Resize`` of the shorter side and ``CenterCrop``, as timm composes them."""
    target = backbone.input_size[0]
    short = int(target / backbone.crop_pct)
    width, height = image.size
    if width <= height:
        size = (short, int(short * height / width))
    else:
        size = (int(short * width / height), short)
    resized = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (round((side - target) / 2.0) for side in resized.size)
    return np.asarray(resized.crop((left, top, left + target, top + target)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("crop_pct", [1.0, 0.9])
@pytest.mark.parametrize("crop_mode", ["squash", "center"])
@pytest.mark.parametrize("input_size", [(224, 224), (96, 160)])
def test_size_is_exact(
    size: tuple[int, int], crop_pct: float, crop_mode: str, input_size: tuple[int, int]
) -> None:
    backbone = replace(SQUASH, crop_pct=crop_pct, crop_mode=crop_mode, input_size=input_size)
    pixels = prepare(png(smooth(*size)), backbone)
    assert pixels.shape == (*input_size, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize("size", SIZES)
def test_squash_is_a_plain_resize(size: tuple[int, int]) -> None:
    image = smooth(*size)
    expected = np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(prepare(png(image), SQUASH), expected)


def test_squash_crops_the_middle() -> None:
    image = smooth(400, 300)
    backbone = replace(SQUASH, crop_pct=0.875)
    expected = np.asarray(image.resize((256, 256), Image.Resampling.BICUBIC))[16:240, 16:240]
    np.testing.assert_array_equal(prepare(png(image), backbone), expected)


@pytest.mark.parametrize("size", [*SIZES[3:], (1, 1), (40, 300), (700, 80)])
@pytest.mark.parametrize("crop_pct", [1.0, 0.875, 0.9])
def test_center_is_as_in_timm(size: tuple[int, int], crop_pct: float) -> None:
    """Up to one place of the longer side: an odd remainder may be cut off on either end."""
    image = smooth(*size)
    backbone = replace(CENTER, crop_pct=crop_pct)
    ours = prepare(png(image), backbone).astype(np.float64)
    theirs = by_hand(image, backbone).astype(np.float64)
    assert np.abs(ours - theirs).mean() < 1
    # Where it was taken from: the mean of what grows evenly across, and down. A side of n pixels
    # gives 255 / n a pixel.
    place = np.abs((ours - theirs).mean(axis=(0, 1)))[:2]
    assert (place < 1.05 * 255 / 224).all()


def test_center_keeps_the_aspect_ratio() -> None:
    """A disc in a wide photo stays a disc; squashed, it is one no more."""
    y, x = np.mgrid[0:300, 0:900]
    disc = (255 * ((x - 450) ** 2 + (y - 150) ** 2 < 100**2)).astype(np.uint8)
    data = png(Image.fromarray(np.stack([disc] * 3, -1)))
    for backbone, expected in ((CENTER, 1.0), (SQUASH, 1 / 3)):
        inside = prepare(data, backbone)[..., 0] > 127
        width, height = inside.any(axis=0).sum(), inside.any(axis=1).sum()
        assert width / height == pytest.approx(expected, rel=0.03)


def test_orientation_of_the_camera_is_undone_before() -> None:
    upright = smooth(300, 200)
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = 6
    stream = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(stream, "PNG", exif=tags)
    for backbone in (SQUASH, CENTER):
        np.testing.assert_array_equal(
            prepare(stream.getvalue(), backbone), prepare(png(upright), backbone)
        )


def test_large_jpeg_is_decoded_smaller_and_looks_the_same() -> None:
    image = smooth(1500, 1000)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95)
    for backbone in (SQUASH, CENTER):
        difference = np.abs(
            prepare(stream.getvalue(), backbone).astype(int)
            - prepare(png(image), backbone).astype(int)
        )
        assert difference.mean() < 1.5


def jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def test_every_look_sees_the_same_decoding() -> None:
    """Whatever its own input size is, and whether it is alone or one of several."""
    looks = get_backbone("efficientnet_lite0+efficientnet_lite2@320+efficientnet_lite0@64").looks
    data = jpeg(smooth(910, 900))
    decoded = decode(data, at_least=224)
    assert decoded.size == (455, 450)
    expected = [resize(decoded, look) for look in looks]
    for pixels, right, look in zip(prepare_looks(data, looks), expected, looks, strict=True):
        np.testing.assert_array_equal(pixels, right)
        np.testing.assert_array_equal(prepare(data, look), right)


def test_records_of_before_decode_as_before() -> None:
    """Each for its own input size: so do classifiers that were trained then."""
    data = jpeg(smooth(910, 900))
    new = get_backbone("efficientnet_lite2")
    record = new.to_json()
    assert record.pop("decoded_for") == 224
    old = Backbone.from_json(record)
    for told in (old.to_json(), old.preprocessing()):  # the latter is part of the store's key
        assert "decoded_for" not in told
    assert new.preprocessing()["decoded_for"] == 224
    other = replace(old, input_size=(100, 100))
    for pixels, look in zip(prepare_looks(data, [old, other]), (old, other), strict=True):
        expected = resize(decode(data, at_least=look.input_size[0]), look)
        np.testing.assert_array_equal(pixels, expected)
    assert decode(data, at_least=260).size == (910, 900)
    assert decode(data, at_least=100).size == (228, 225)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_interpolation_is_that_of_the_record(interpolation: str) -> None:
    image = smooth(90, 70)
    expected = image.resize((224, 224), Image.Resampling[interpolation.upper()])
    pixels = prepare(png(image), replace(SQUASH, interpolation=interpolation))
    np.testing.assert_array_equal(pixels, np.asarray(expected))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop_mode": "border"}, "crop mode 'border'"),
        ({"crop_mode": ""}, "crop mode ''"),
        ({"interpolation": "random"}, "interpolation 'random'"),
    ],
)
def test_unknown_preprocessing_is_refused(change: dict[str, str], message: str) -> None:
    backbone = replace(SQUASH, crop_mode=change.get("crop_mode", "squash"))
    backbone = replace(backbone, interpolation=change.get("interpolation", "bicubic"))
    with pytest.raises(InputError, match="efficientnet_lite0 asks for preprocessing") as caught:
        prepare(png(smooth(8, 8)), backbone)
    assert message in str(caught.value)


def test_limit_of_pixels_and_damage_are_passed_on() -> None:
    with pytest.raises(ImageError, match="too large"):
        prepare(png(smooth(11, 10)), SQUASH, max_pixels=100)
    with pytest.raises(ImageError, match="not an image"):
        prepare(b"text, for sure", SQUASH)


def test_same_bytes_give_the_same_pixels() -> None:
    data = png(smooth(333, 222))
    np.testing.assert_array_equal(prepare(data, CENTER), prepare(data, CENTER))
