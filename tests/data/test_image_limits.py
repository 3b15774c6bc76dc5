"""Pictures that are too large, and those that are damaged."""

from __future__ import annotations

import random
import struct
import threading
import time
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, features

from photograft.data import images, pillow_state
from picture_files import (
    FORMATS,
    detail,
    encode,
    leaves_nothing_behind,
    outcome,
    pixels,
    png,
    reason,
)


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    yield from leaves_nothing_behind()


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
