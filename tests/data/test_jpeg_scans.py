"""JPEGs that are made to keep a decoder busy are told before they are decoded."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from photograft.core.errors import ImageError
from photograft.data.images import decode, read_header
from photograft.data.jpeg_scans import MAX_SCANS

#: A scan of one component, and nothing in it.
SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
END = b"\xff\xd9"


def jpeg(*, progressive: bool = False, **settings: bytes) -> bytes:
    levels = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "JPEG", progressive=progressive, **settings)
    return stream.getvalue()


def test_more_scans_than_any_program_writes_are_refused() -> None:
    data = jpeg(progressive=True).removesuffix(END) + SCAN * 50_000 + END
    started = time.monotonic()
    for read in (read_header, decode):
        with pytest.raises(ImageError, match=r"too large.*more than 200 scans") as caught:
            read(data)
        assert caught.value.reason == "too large"
    assert time.monotonic() - started < 1


def test_as_many_as_programs_write_are_not() -> None:
    data = jpeg(progressive=True)
    assert 5 < data.count(SCAN[:2]) < MAX_SCANS
    assert decode(data).size == (48, 64)


def test_what_is_no_scan_is_not_counted() -> None:
    """A film behind the picture, as telephones append, and what programs keep before it."""
    others = (SCAN + bytes(7)) * 1000
    note = b"\xff\xe5" + (len(others) + 2).to_bytes(2, "big") + others
    for data in (jpeg() + others, jpeg()[:2] + note + jpeg()[2:]):
        assert data.count(SCAN[:2]) > MAX_SCANS
        assert decode(data).size == (48, 64)


@pytest.mark.parametrize("filling", [b"\xff\x01", b"\xff\xe0\x00\x00", b"\xff\xff"])
def test_counting_takes_no_time_either(filling: bytes) -> None:
    data = jpeg().removesuffix(END) + filling * 3_000_000 + SCAN * (MAX_SCANS + 1)
    started = time.monotonic()
    with pytest.raises(ImageError, match="too large"):
        read_header(data)
    assert time.monotonic() - started < 2
