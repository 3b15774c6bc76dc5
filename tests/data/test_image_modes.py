"""Orientation, reduced scales, and every mode of pixels as RGB."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, features

from photograft.data import images
from picture_files import (
    HAS_AVIF,
    RED,
    WHITE,
    chunk,
    encode,
    exif,
    leaves_nothing_behind,
    outcome,
    photo,
    pixels,
    tiff_with_a_damaged_tag,
)


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    yield from leaves_nothing_behind()


def stored_for(orientation: int, image: Image.Image) -> Image.Image:
    """The picture as a camera held that way would have stored it."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    return image.transpose(undo[orientation]) if orientation in undo else image


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_give_the_same_upright_picture(kind: str, orientation: int) -> None:
    if kind == "AVIF" and not HAS_AVIF:
        pytest.skip("this Pillow has no AVIF")
    stored = stored_for(orientation, photo())
    options: dict[str, Any] = {"exif": exif(orientation)}
    if kind in ("JPEG", "WEBP", "AVIF"):
        options["quality"] = 95
    if kind == "MPO":
        options |= {"save_all": True, "append_images": [photo()]}
    data = encode(stored, kind, **options)
    upright = images.decode(data)
    assert upright.size == (64, 48)
    assert abs(pixels(upright) - pixels(photo())).mean() < 4
    header = images.read_header(data)
    assert (header.width, header.height) == stored.size
    assert upright.getexif().get(ExifTags.Base.Orientation, 1) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_jpeg_decoded_at_a_reduced_scale(orientation: int) -> None:
    stored = stored_for(orientation, photo(640, 480))
    small = images.decode(encode(stored, "JPEG", quality=95, exif=exif(orientation)), at_least=30)
    assert small.size == (80, 60)
    assert abs(pixels(small) - pixels(photo(80, 60))).mean() < 5


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_does_not_exist_is_ignored(orientation: int) -> None:
    assert images.decode(encode(photo(), "JPEG", exif=exif(orientation))).size == (64, 48)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
@pytest.mark.filterwarnings("error")
def test_damaged_exif_is_ignored_and_the_pixels_used(kind: str) -> None:
    tags = exif(6)
    tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2020:01:01 00:00:00"
    block = tags.tobytes()
    for seed in range(60):
        chance = random.Random(seed)
        damaged = bytearray(block)
        for _ in range(chance.choice([1, 4, 30])):
            damaged[chance.randrange(6, len(damaged))] = chance.choice([0, 255, 7])
        if seed == 0:
            damaged = bytearray(b"Exif\0\0total nonsense")
        data = encode(photo(), kind, exif=bytes(damaged))
        assert outcome(data) == "fine"


def test_a_damaged_tiff_tag_does_not_warn() -> None:
    data = tiff_with_a_damaged_tag()
    with pytest.warns(UserWarning, match="Tag data larger"), Image.open(io.BytesIO(data)) as image:
        image.load()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert outcome(data) == "fine"
        assert images.read_header(data).width == 64


@pytest.mark.parametrize("size", [(1000, 700), (1793, 1201), (449, 2000), (447, 900), (30, 9)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_reduced_scale_keeps_twice_what_is_needed(size: tuple[int, int], mode: str) -> None:
    data = encode(photo(*size).convert(mode), "JPEG")
    small = images.decode(data, at_least=224)
    assert small.mode == "RGB"
    assert min(small.size) >= min(448, *size)
    assert abs(small.width / small.height - size[0] / size[1]) < 0.02 * size[0] / size[1]
    if min(size) >= 2 * 448:
        assert small.width < size[0]
    assert images.decode(data).size == size


def test_a_reduced_scale_looks_the_same() -> None:
    data = encode(photo(1600, 1200), "JPEG", quality=95)
    small = images.decode(data, at_least=100).resize((200, 150), Image.Resampling.BOX)
    full = images.decode(data).resize((200, 150), Image.Resampling.BOX)
    assert abs(pixels(small) - pixels(full)).mean() < 1


def test_sixteen_bit_grey_is_scaled_and_never_clipped() -> None:
    ramp = np.arange(0, 65536, 7, dtype=np.uint16)
    ramp = np.append(ramp, np.uint16(65535))[None, :]
    for kind in ("PNG", "TIFF", "PPM"):
        data = encode(Image.fromarray(ramp), kind)
        got = pixels(images.decode(data))[0]
        assert (got == got[:, :1]).all()
        assert (np.diff(got[:, 0]) >= 0).all()
        assert (got[0, 0], got[-1, 0]) == (0, 255)
        assert (got[:, 0] == np.rint(ramp[0] / 257)).all()


def test_big_endian_sixteen_bit_grey() -> None:
    values = np.array([[0, 257, 128 * 257, 65535]], dtype=np.uint16)
    for mode in ("I;16", "I;16B"):
        image = Image.frombytes(mode, (4, 1), values.astype(">u2" if "B" in mode else "<u2"))
        data = encode(image, "TIFF")
        assert images.read_header(data).mode == mode
        assert pixels(images.decode(data))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_a_dark_sixteen_bit_picture_stays_dark() -> None:
    values = np.array([[0, 100, 200, 255]], dtype=np.uint16)
    for kind in ("PNG", "PPM"):
        got = pixels(images.decode(encode(Image.fromarray(values), kind)))[0, :, 0]
        assert got.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([-5, 0, 128, 255], [0, 0, 128, 255]),
        ([-5, 257, 65535, 2_000_000], [0, 1, 255, 255]),
    ],
)
def test_thirty_two_bit_grey(values: list[int], expected: list[int]) -> None:
    data = encode(Image.fromarray(np.array([values], dtype=np.int32)), "TIFF")
    assert images.read_header(data).mode == "I"
    assert pixels(images.decode(data))[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0, np.nan], [0, 128, 255, 0]),
        ([-0.5, 0.2, np.inf, -np.inf], [0, 51, 255, 0]),
        ([-3.0, 100.4, 254.6, 9999.0], [0, 100, 255, 255]),
        ([np.nan] * 4, [0, 0, 0, 0]),
    ],
)
def test_grey_as_floating_point(values: list[float], expected: list[int]) -> None:
    data = encode(Image.fromarray(np.array([values], dtype=np.float32)), "TIFF")
    assert images.read_header(data).mode == "F"
    assert pixels(images.decode(data))[0, :, 0].tolist() == expected


def test_transparency_is_laid_over_white() -> None:
    alpha = np.arange(256)
    for colour in ((0, 0, 0), (200, 100, 7), WHITE):
        rgba = np.zeros((1, 256, 4), np.uint8)
        rgba[0, :, :3], rgba[0, :, 3] = colour, alpha
        got = pixels(images.decode(encode(Image.fromarray(rgba), "PNG")))[0]
        share = alpha[:, None] / 255
        assert (got == np.rint(np.array(colour) * share + 255 * (1 - share))).all()
    grey = np.stack([np.full(256, 50), alpha], -1).astype(np.uint8)[None]
    got = pixels(images.decode(encode(Image.fromarray(grey), "PNG")))[0]
    assert (got[:, 1] == np.rint(50 * alpha / 255 + 255 - alpha)).all()


def test_a_transparent_colour_is_white() -> None:
    rgb = Image.fromarray(np.array([[[1, 2, 3], [9, 9, 9]]], dtype=np.uint8))
    got = pixels(images.decode(encode(rgb, "PNG", transparency=(1, 2, 3))))
    assert got.tolist() == [[[255, 255, 255], [9, 9, 9]]]
    for dtype, scale in ((np.uint8, 1), (np.uint16, 257)):
        grey = Image.fromarray((np.array([[40, 90]]) * scale).astype(dtype))
        got = pixels(images.decode(encode(grey, "PNG", transparency=40 * scale)))
        assert got[0, :, 0].tolist() == [255, 90]


def test_a_transparent_colour_of_sixteen_bits() -> None:
    row = struct.pack(">6H", 300, 600, 900, 65535, 0, 0)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
    body = chunk(b"tRNS", row[:6]) + chunk(b"IDAT", zlib.compress(b"\0" + row))
    data = b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")
    assert pixels(images.decode(data)).tolist() == [[[255, 255, 255], [255, 0, 0]]]


@pytest.mark.filterwarnings("error")
def test_palettes() -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8)).convert("P")
    image.putpalette([255, 0, 0, 0, 0, 255, 0, 0, 0] + [0] * 759)
    plain = images.decode(encode(image, "PNG"))
    assert pixels(plain).tolist() == [[[255, 0, 0], [0, 0, 255], [0, 0, 0]]]
    for kind in ("PNG", "GIF"):
        holed = images.decode(encode(image, kind, transparency=1))
        assert pixels(holed).tolist() == [[[255, 0, 0], [255, 255, 255], [0, 0, 0]]]
    half = images.decode(encode(image, "PNG", transparency=bytes([255, 255, 51])))
    assert pixels(half).tolist() == [[[255, 0, 0], [0, 0, 255], [204, 204, 204]]]


def test_grey_and_one_bit() -> None:
    for mode, kinds in (("L", ("JPEG", "PNG", "BMP", "TIFF", "PPM", "GIF")), ("1", ("PNG", "PPM"))):
        for kind in kinds:
            data = encode(Image.new(mode, (9, 9), 255), kind)
            assert images.decode(data).getpixel((4, 4)) == WHITE


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_red_in_cmyk_is_red(kind: str) -> None:
    data = encode(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), kind)
    assert images.read_header(data).mode == "CMYK"
    got = pixels(images.decode(data))
    assert abs(got - np.array(RED)).max() <= 3


@pytest.mark.skipif(not features.check("littlecms2"), reason="this Pillow has no LittleCMS")
def test_lab() -> None:
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    image = ImageCms.applyTransform(Image.new("RGB", (8, 8), (200, 60, 30)), to_lab)
    assert image is not None
    data = encode(image, "TIFF")
    assert images.read_header(data).mode == "LAB"
    assert abs(pixels(images.decode(data)) - np.array((200, 60, 30))).max() <= 4
