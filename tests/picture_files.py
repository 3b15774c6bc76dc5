"""Pictures in every format that is read, made here, and what comes of decoding them."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags, Image, features

from photograft.core.errors import ImageError
from photograft.data import images

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


def leaves_nothing_behind() -> Iterator[None]:
    """Pillow's limit and the filters of warnings are afterwards as they were."""
    filters, limit = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    yield
    assert limit == Image.MAX_IMAGE_PIXELS
    assert list(warnings.filters) == filters


def tiff_with_a_damaged_tag() -> bytes:
    data = bytearray(encode(photo(), "TIFF", tiffinfo={270: "a description that is long"}))
    at = data.index(struct.pack("<HH", 270, 2))
    data[at + 4 : at + 8] = struct.pack("<I", 2**30)
    return bytes(data)
