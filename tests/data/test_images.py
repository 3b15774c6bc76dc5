"""Bytes to upright RGB pixels; every picture here is made here."""

from __future__ import annotations

import io
import random
import re
import struct
import threading
import time
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags, Image, ImageCms, features

from photograft.core.errors import ImageError
from photograft.data import formats, images, pillow_state

HAS_AVIF = features.check("avif")
WHITE = (255, 255, 255)
RED = (255, 0, 0)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def photo(width: int = 64, height: int = 48) -> Image.Image:
    """A smooth picture that is not like any of its own rotations or reflections."""
    y, x = np.mgrid[0:height, 0:width]
    red = 40 + 160 * x / width
    green = 40 + 160 * y / height
    blue = 220 * ((x < width / 3) & (y < height / 3))
    return Image.fromarray(np.stack([red, green, blue], -1).astype(np.uint8))


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = orientation
    tags[ExifTags.Base.Make] = "Acme Cameras"
    return tags


def pixels(image: Image.Image) -> npt.NDArray[np.int16]:
    return np.asarray(image).astype(np.int16)


def reason(data: bytes, **options: Any) -> str:
    with pytest.raises(ImageError) as caught:
        images.decode(data, **options)
    assert caught.value.reason in images.REASONS
    return caught.value.reason


def detail(data: bytes, **options: Any) -> str:
    with pytest.raises(ImageError) as caught:
        images.read_header(data, **options)
    return caught.value.detail


def outcome(data: bytes, **options: Any) -> str:
    """The reason why it can't be decoded, or "fine"; any other exception fails the test."""
    try:
        image = images.decode(data, **options)
    except ImageError as error:
        return error.reason if error.reason in images.REASONS else "a word that is none of ours"
    assert image.mode == "RGB"
    return "fine"


def chunk(kind: bytes, body: bytes) -> bytes:
    tail = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + tail


def png(width: int, height: int, *, bits: int = 8, colour: int = 2, idat: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", idat) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def every_format() -> dict[str, bytes]:
    image = photo()
    found = {
        "JPEG": encode(image, "JPEG", quality=95),
        "progressive JPEG": encode(image, "JPEG", progressive=True),
        "MPO": encode(image, "MPO", save_all=True, append_images=[image.rotate(180)]),
        "PNG": encode(image, "PNG"),
        "GIF": encode(image, "GIF"),
        "BMP": encode(image, "BMP"),
        "DIB": encode(image, "DIB"),
        "TIFF": encode(image, "TIFF"),
        "PPM": encode(image, "PPM"),
        "ICO": encode(image, "ICO", sizes=[(64, 48)]),
        "ICO of a BMP": encode(image, "ICO", sizes=[(64, 48)], bitmap_format="bmp"),
    }
    if features.check("libtiff"):
        found["TIFF, LZW"] = encode(image, "TIFF", compression="tiff_lzw")
        found["TIFF, Deflate"] = encode(image, "TIFF", compression="tiff_deflate")
    if features.check("webp"):
        found["WEBP"] = encode(image, "WEBP")
        found["WEBP, lossless"] = encode(image, "WEBP", lossless=True)
        found["WEBP, with alpha"] = encode(image.convert("RGBA"), "WEBP", exif=exif(1))
    if features.check("jpg_2000"):
        found["JPEG2000"] = encode(image, "JPEG2000")
        found["JPEG2000, bare"] = encode(image, "JPEG2000", no_jp2=True)
    if HAS_AVIF:
        found["AVIF"] = encode(image, "AVIF", quality=90)
    return found


FORMATS = every_format()


@pytest.fixture(autouse=True)
def leaves_nothing_behind() -> Iterator[None]:
    filters, limit = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    yield
    assert limit == Image.MAX_IMAGE_PIXELS
    assert list(warnings.filters) == filters


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_is_known_by_its_content(kind: str) -> None:
    header = images.read_header(FORMATS[kind])
    assert header.format == kind.replace("progressive ", "").split(",")[0].split(" ")[0]
    assert (header.width, header.height) == (64, 48)
    decoded = images.decode(FORMATS[kind])
    assert decoded.mode == "RGB"
    assert decoded.size == (64, 48)
    assert abs(pixels(decoded) - pixels(photo())).mean() < 6


def test_reads_a_one_pixel_picture() -> None:
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM"):
        data = encode(Image.new("RGB", (1, 1), WHITE), kind)
        decoded = images.decode(data, at_least=224)
        assert decoded.size == (1, 1)
        assert decoded.getpixel((0, 0)) == WHITE


def test_decoding_is_deterministic_and_lets_go_of_the_file() -> None:
    for data in FORMATS.values():
        first, second = images.decode(data, at_least=8), images.decode(data, at_least=8)
        assert first.tobytes() == second.tobytes()
        assert getattr(first, "fp", None) is None
        assert getattr(first, "_fp", None) is None
        assert first.info == {}


# What is not read


def test_an_empty_file() -> None:
    assert reason(b"") == "empty file"


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"this is a text, whatever it is named", "text"),
        (b"P5 is the fifth of the parts", "text"),
        (b"BMW is a maker of cars, and of motorcycles too", "text"),
        (b"<!DOCTYPE html><html><svg></svg></html>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"PK\x03\x04" + bytes(40), "ZIP"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "WAV sound"),
        (b"\0" * 5000, "zero bytes"),
        (b"\xfe\xed\xfa\xce" * 5000, "no known"),
        (b"\xff", "no known"),
        (b"\0\x05\x16\x07" + bytes(50), "resource fork"),
    ],
)
def test_not_an_image(data: bytes, word: str) -> None:
    assert reason(data) == "not an image"
    assert word in detail(data)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"\0\0\0\x20ftypisom\0\0\0\0isomavc1mp41" + bytes(40), "a video"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(40), "a video"),
        (b"RIFF\x24\0\0\0AVI LIST" + bytes(40), "a video"),
        (b"\x1aE\xdf\xa3" + bytes(40), "a video"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + bytes(40), "CR3"),
        (b"II*\0\x10\0\0\0CR\x02\0" + bytes(40), "CR2"),
        (b'<?xml version="1.0"?>\n<svg width="5"/>', "SVG"),
        (b'\xef\xbb\xbf <SVG xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"%PDF-1.7\n", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"\xc5\xd0\xd3\xc6" + bytes(28), "EPS"),
        (b"8BPS\0\x01" + bytes(20), "Photoshop"),
        (b"\xff\x0a" + bytes(20), "JPEG XL"),
        (b"\0" * 128 + b"DICM" + bytes(20), "DICOM"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20), "JPEG XL"),
        (b"FUJIFILMCCD-RAW 0201", "Fujifilm"),
        (b"IIU\0" + bytes(20), "Panasonic"),
    ],
)
def test_images_that_we_do_not_read(data: bytes, word: str) -> None:
    assert reason(data) == "unsupported format"
    assert word in detail(data)
    assert re.search("; (convert|save).* JPEG", detail(data))


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        ({50706: b"\1\4\0\0"}, "DNG"),
        ({254: 1, 330: 8, 271: "NIKON CORPORATION"}, "Nikon NEF"),
        ({254: 1, 330: 8, 271: "SONY"}, "Sony ARW"),
        ({254: 1, 330: 8}, "of a camera"),
    ],
)
def test_a_raw_photo_that_is_laid_out_as_a_tiff(tags: dict[int, Any], word: str) -> None:
    data = encode(photo(), "TIFF", tiffinfo=tags)
    assert reason(data) == "unsupported format"
    assert detail(data) == f"a raw photo ({word}); convert it to JPEG or PNG"


def test_a_decoder_that_this_pillow_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    formats.can_decode.cache_clear()
    monkeypatch.setattr(features, "check", lambda name: name != "jpg_2000")
    try:
        assert reason(b"\xff\x4f\xff\x51" + bytes(99)) == "unsupported format"
        assert "JPEG 2000" in detail(b"\xff\x4f\xff\x51" + bytes(99))
        assert outcome(FORMATS["PNG"]) == "fine"
    finally:
        formats.can_decode.cache_clear()


def test_the_extension_does_not_decide_and_is_noted() -> None:
    header = images.read_header(FORMATS["PNG"])
    assert images.expected_extension_note(header, "a/b.png") == ""
    assert images.expected_extension_note(header, "a/b.PNG") == ""
    assert images.expected_extension_note(header, "a/b.JPG") == "a PNG named .jpg"
    assert images.expected_extension_note(header, "a.png/b.xyz") == "a PNG named .xyz"
    assert images.expected_extension_note(header, "a.png/b") == "a PNG without an extension"
    for name in ("x.jpg", "x.JPEG", "x.jpe", "x.jfif", "x.mpo"):
        assert images.expected_extension_note(images.read_header(FORMATS["JPEG"]), name) == ""
        assert images.expected_extension_note(images.read_header(FORMATS["MPO"]), name) == ""
    assert formats.extension_note("PPM", "x.pgm") == ""
    assert formats.extension_note("TIFF", "x.tif") == ""
    assert formats.extension_note("AVIF", "x.jpg") == "an AVIF named .jpg"


# Limits


def test_too_large_is_decided_from_the_header_alone() -> None:
    bomb = png(20_000, 20_000)  # with no pixels at all: decoding it would say something else
    assert reason(bomb) == "too large"
    assert detail(bomb) == "20,000 × 20,000 pixels, the limit is 250,000,000"


def test_phones_of_two_hundred_megapixels_are_read() -> None:
    assert images.read_header(png(12_000, 9_000)).width == 12_000
    assert images.read_header(png(16_384, 12_288)).width == 16_384


def test_of_a_large_picture_a_small_one_is_made_at_once() -> None:
    """In place of a second one of full size; where not, it is the picture itself."""
    levels = np.full((10_000, 10_100), 200, np.uint8)
    levels[:, 5050:] = 40
    data = encode(Image.fromarray(levels), "PNG", compress_level=1)
    small = images.decode(data, at_least=100)
    assert min(small.size) >= 200
    assert max(small.size) < 220
    assert pixels(small)[50, 50].tolist() == [200] * 3
    assert pixels(small)[50, -50].tolist() == [40] * 3


def test_no_more_pixels_are_decoded_at_once_than_there_is_room_for() -> None:
    room, held, most = pillow_state.Room(10), 0, 0
    lock = threading.Lock()

    def work(wanted: int) -> None:
        nonlocal held, most
        with room.take(wanted):
            with lock:
                held += min(wanted, 10)
                most = max(most, held)
            time.sleep(0.002)
            with lock:
                held -= min(wanted, 10)

    threads = [threading.Thread(target=work, args=(n,)) for n in (3, 4, 25, 5, 1, 10, 6) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert held == 0
    assert 5 < most <= 10
    with pytest.raises(ZeroDivisionError), room.take(10):
        raise ZeroDivisionError
    with room.take(10):
        pass


def test_a_real_bomb() -> None:
    rows = zlib.compress(bytes(1501) * 12_000, 9)
    bomb = png(12_000, 12_000, bits=1, colour=0, idat=rows)
    assert len(bomb) < 30_000
    assert reason(bomb, max_pixels=143_999_999) == "too large"
    assert images.read_header(bomb, max_pixels=144_000_000).width == 12_000
    # Beyond twice Pillow's own limit, where it refuses rather than warns:
    assert images.read_header(png(20_000, 20_000), max_pixels=400_000_000).width == 20_000


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("pillows", [100, 2000, None])
def test_our_limit_replaces_pillows(kind: str, pillows: int | None) -> None:
    # 100 makes Pillow refuse all of these and 2000 makes it warn of them.
    with pytest.MonkeyPatch.context() as patched, warnings.catch_warnings():
        patched.setattr(Image, "MAX_IMAGE_PIXELS", pillows)
        warnings.simplefilter("error")
        assert images.decode(FORMATS[kind]).size == (64, 48)
        assert images.decode(FORMATS[kind], max_pixels=64 * 48).size == (64, 48)
        assert reason(FORMATS[kind], max_pixels=64 * 48 - 1) == "too large"
        assert detail(FORMATS[kind], max_pixels=50) == "64 × 48 pixels, the limit is 50"
        assert pillows == Image.MAX_IMAGE_PIXELS


def test_no_side_is_endless_and_none_is_zero() -> None:
    assert reason(encode(Image.new("1", (1, 70_000)), "PNG")) == "too large"
    assert "65,535 a side" in detail(encode(Image.new("1", (70_000, 1)), "PNG"))
    assert outcome(encode(Image.new("1", (1, 65_535)), "PNG")) == "fine"
    for size in ((0, 5), (5, 0), (0, 0)):
        assert reason(png(*size)) in ("unreadable", "truncated")
    assert reason(b"P6\n0 5\n255\n" + bytes(99)) in ("unreadable", "truncated")


def test_a_gif_whose_frame_is_larger_than_its_screen() -> None:
    data = bytearray(encode(Image.new("L", (8, 8)), "GIF"))
    frame = data.index(b",\0\0\0\0\x08\0\x08\0")
    data[frame + 5 : frame + 9] = struct.pack("<HH", 60_000, 60_000)
    assert reason(bytes(data)) == "too large"


@pytest.mark.skipif(not features.check("webp"), reason="this Pillow has no WebP")
def test_a_webp_canvas_is_judged_before_it_is_allocated() -> None:
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\x3f\0" * 2
    data = b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
    assert detail(data) == "16,384 × 16,384 pixels, the limit is 250,000,000"


def test_an_icon_is_judged_before_it_is_decoded() -> None:
    inside = png(20_000, 20_000)
    data = b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(inside), 22) + inside
    assert detail(data) == "20,000 × 20,000 pixels, the limit is 250,000,000"


# Damage


@pytest.mark.parametrize("kind", FORMATS)
def test_every_prefix_decodes_or_says_why_not(kind: str) -> None:
    data = FORMATS[kind]
    ends = range(len(data)) if len(data) < 2500 else [*range(300), *range(300, len(data), 37)]
    seen = [outcome(data[:end]) for end in ends]
    assert seen[0] == "empty file"
    assert set(seen[1:20]) <= {"not an image", "truncated", "unsupported format"}
    assert set(seen[20:]) <= {"truncated", "fine"}
    assert "truncated" in seen


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.filterwarnings("error")
def test_damage_anywhere_decodes_or_says_why_not(kind: str) -> None:
    chance = random.Random(kind)
    for _ in range(150):
        data = bytearray(FORMATS[kind])
        for _ in range(chance.choice([1, 3, 10])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        outcome(bytes(data), at_least=chance.choice([None, 8]))


def test_random_bytes_behind_a_known_head() -> None:
    heads = [data[:16] for data in FORMATS.values()]
    for seed in range(500):
        chance = random.Random(seed)
        head = chance.choice([b"", b"BM", b"P6\n9 9\n255\n", *heads])
        outcome(head + chance.randbytes(chance.randrange(400)))


def test_a_damaged_file_is_told_from_one_cut_short() -> None:
    data = bytearray(FORMATS["PNG"])
    middle = data.index(b"IDAT") + 20
    data[middle : middle + 20] = bytes(20)
    assert reason(bytes(data)) == "unreadable"
    assert reason(FORMATS["PNG"][:-60]) == "truncated"
    assert images.read_header(FORMATS["PNG"][:-60]).width == 64


def test_running_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(images, "_to_rgb", fail)
    assert reason(FORMATS["PNG"]) == "unreadable"


def test_a_caller_is_told_of_a_nonsensical_size() -> None:
    with pytest.raises(ValueError, match="at_least"):
        images.decode(FORMATS["JPEG"], at_least=0)


# Orientation


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


def tiff_with_a_damaged_tag() -> bytes:
    data = bytearray(encode(photo(), "TIFF", tiffinfo={270: "a description that is long"}))
    at = data.index(struct.pack("<HH", 270, 2))
    data[at + 4 : at + 8] = struct.pack("<I", 2**30)
    return bytes(data)


def test_a_damaged_tiff_tag_does_not_warn() -> None:
    data = tiff_with_a_damaged_tag()
    with pytest.warns(UserWarning, match="Tag data larger"), Image.open(io.BytesIO(data)) as image:
        image.load()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert outcome(data) == "fine"
        assert images.read_header(data).width == 64


# The reduced scale


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


# Modes


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


# Several pictures in one file


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "MPO", "AVIF"])
def test_the_first_picture_counts(kind: str) -> None:
    if kind == "AVIF" and not HAS_AVIF:
        pytest.skip("this Pillow has no AVIF")
    more = [Image.new("RGB", (32, 32), (0, 0, 255)), Image.new("RGB", (32, 32), (0, 255, 0))]
    data = encode(Image.new("RGB", (32, 32), RED), kind, save_all=True, append_images=more)
    assert abs(pixels(images.decode(data)) - np.array(RED)).max() <= 6


def test_an_mpo_with_a_damaged_index_is_read_as_its_first_picture() -> None:
    data = bytearray(FORMATS["MPO"])
    index = data.index(b"MPF\0") + 4
    for seed in range(100):
        chance = random.Random(seed)
        damaged = bytearray(data)
        for _ in range(5):
            damaged[index + chance.randrange(80)] = chance.choice([0, 1, 255])
        assert outcome(bytes(damaged)) == "fine"


# Threads


def test_threads_decode_at_once() -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # all of these are bombs to Pillow
        decode_in_threads()


def decode_in_threads() -> None:
    cases = [*FORMATS.values(), png(20_000, 20_000), png(18_000, 18_000), b"", b"text"]
    cases.append(tiff_with_a_damaged_tag())
    expected = [outcome(data) for data in cases]
    assert expected.count("too large") == 2
    assert expected.count("fine") == len(FORMATS) + 1
    wrong: list[str] = []

    def work(seed: int) -> None:
        order = list(range(len(cases)))
        random.Random(seed).shuffle(order)
        for which in order * 3:
            try:
                got = outcome(cases[which])
            except BaseException as error:
                got = repr(error)
            if got != expected[which]:
                wrong.append(got)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_other_warnings_still_get_through_while_pillow_is_hushed() -> None:
    with pillow_state.QUIET, pillow_state.QUIET:
        with pytest.warns(UserWarning, match="mine"):
            warnings.warn("mine", stacklevel=1)
        warnings.warn_explicit("theirs", UserWarning, "Image.py", 1, module="PIL.Image")
