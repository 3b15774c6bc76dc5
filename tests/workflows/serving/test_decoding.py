"""Decoding in processes of their own: the same pixels, and nothing that a photo can take down."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photograft.backbones.get import get_backbone
from photograft.backbones.registry import EMBEDDED
from photograft.core.errors import ImageError
from photograft.features.preprocessing import prepare
from photograft.workflows.serving.decoding import Decoders, Record
from photograft.workflows.serving.limits import Limits
from server_helpers import children_of

LITE = EMBEDDED["efficientnet_lite0"]
RECORD = Record.of(LITE)


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    found = Decoders(Limits(max_pixels=1_000_000, decode_seconds=2.0))
    yield found
    found.close()


def picture(mode: str = "RGB", size: tuple[int, int] = (300, 200), kind: str = "JPEG") -> bytes:
    data = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(data, kind)
    return data.getvalue()


def children() -> set[int]:
    return {
        number
        for number in children_of(os.getpid())
        if b"decoding_worker" in Path(f"/proc/{number}/cmdline").read_bytes()
    }


@pytest.mark.parametrize(
    ("mode", "size", "kind"),
    [
        ("RGB", (300, 200), "JPEG"),
        ("CMYK", (640, 480), "JPEG"),
        ("L", (1, 1), "PNG"),
        ("RGBA", (50, 900), "PNG"),
        ("P", (99, 98), "GIF"),
        ("RGB", (300, 200), "WEBP"),
    ],
)
def test_pixels_are_those_that_predict_sees(
    decoders: Decoders, mode: str, size: tuple[int, int], kind: str
) -> None:
    data = picture(mode, size, kind)
    for given in (data, memoryview(data)):
        assert np.array_equal(decoders.decode(given, RECORD).result(), prepare(data, LITE))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"text", "not an image"),
        (picture()[:500], "truncated"),
        (picture(size=(1001, 1000), kind="PNG"), "too large"),
        (picture()[:-2] + b"\xff\xda\x00\x02" * 300, "too large"),
    ],
)
def test_what_is_no_photo(decoders: Decoders, data: bytes, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        decoders.decode(data, RECORD).result()
    assert caught.value.reason == reason


def test_a_worker_that_dies_is_replaced(decoders: Decoders) -> None:
    """As one does whose decoder crashes, or that the system ends for its memory."""
    data = picture()
    decoders.decode(data, RECORD).result()
    before = children()
    assert len(before) == Limits().num_decoders
    for number in before:
        os.kill(number, signal.SIGKILL)
    for _ in before:
        with pytest.raises(ImageError, match="its decoder failed"):
            decoders.decode(data, RECORD).result()
    assert np.array_equal(decoders.decode(data, RECORD).result(), prepare(data, LITE))
    assert len(children()) == len(before)
    assert not children() & before


def test_a_worker_that_takes_too_long_is_ended(decoders: Decoders) -> None:
    data = picture()
    decoders.decode(data, RECORD).result()
    stopped = children()
    for number in stopped:
        os.kill(number, signal.SIGSTOP)
    for _ in stopped:
        with pytest.raises(ImageError, match="more than 2 seconds"):
            decoders.decode(data, RECORD).result()
    assert decoders.decode(data, RECORD).result().shape == RECORD.shape


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is the system's")
def test_memory_is_limited(decoders: Decoders) -> None:
    decoders.decode(picture(), RECORD).result()
    for number in children():
        limits = Path(f"/proc/{number}/limits").read_text()
        [line] = [line for line in limits.splitlines() if line.startswith("Max address space")]
        assert 300_000_000 < int(line.split()[3]) < 2_000_000_000


def test_workers_end_with_whoever_started_them() -> None:
    code = """
from photograft.workflows.serving.decoding import Decoders
from photograft.workflows.serving.limits import Limits
decoders = Decoders(Limits())
decoders.close()
print("closed")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "closed\n", "")


def test_each_look_of_a_joined_backbone_gets_its_own_pixels(decoders: Decoders) -> None:
    joined = get_backbone("efficientnet_lite0+efficientnet_lite0@96")
    record = Record.of(joined)
    data = [picture(), picture(size=(77, 120), kind="PNG")]
    pixels = np.stack([decoders.decode(each, record).result(timeout=30) for each in data])
    for look, stack in zip(joined.looks, record.stacks(pixels), strict=True):
        np.testing.assert_array_equal(stack, np.stack([prepare(each, look) for each in data]))
