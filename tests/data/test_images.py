"""Bytes to upright RGB pixels; every picture here is made here."""

from __future__ import annotations

import random
import re
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from photograft.data import formats, images, pillow_state
from picture_files import (
    FORMATS,
    HAS_AVIF,
    RED,
    WHITE,
    detail,
    encode,
    leaves_nothing_behind,
    outcome,
    photo,
    pixels,
    png,
    reason,
    tiff_with_a_damaged_tag,
)


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    yield from leaves_nothing_behind()


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
