"""Bytes -> upright RGB pixels: decoding, orientation, limits.

Whatever a file holds, the outcome is a picture or an `ImageError` for one of `REASONS`. What Pillow
warns of and limits by itself stays inside this module. No colour profile is applied.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from photograft.core.errors import ImageError
from photograft.data import formats, heif, libtiff
from photograft.data.declared_sizes import declared_size
from photograft.data.jpeg_scans import refuse_many_scans
from photograft.data.pillow_state import NO_LIMIT, QUIET, ROOM

#: Part of the feature store's key: raise it whenever decoded pixels change.
CODE_VERSION: Final = 1

#: Phones take photos of 108 and of 200 million pixels.
DEFAULT_MAX_PIXELS: Final = 250_000_000

#: Of a picture with more pixels, no second copy of full size is made where a small one will do.
_LARGE: Final = 100_000_000

#: No side may be longer than this, however few the pixels: a 1 x 100,000,000 strip is no photo,
#: and would grow without bound when its shorter side is scaled.
MAX_SIDE: Final = 65_535

REASONS: Final = (
    "empty file",
    "not an image",
    "unsupported format",
    "too large",
    "truncated",
    "unreadable",
)

_T = TypeVar("_T")

_UPRIGHT: dict[Any, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Header:
    """What the head of a file says.

    Attributes:
        format: Pillow's name of the format, such as ``"JPEG"``.
        width: In pixels, as stored: before any orientation is applied.
        height: Likewise.
        mode: Pillow's name of the pixels' layout, such as ``"RGB"`` or ``"I;16"``.
    """

    format: str
    width: int
    height: int
    mode: str


def expected_extension_note(header: Header, name: str) -> str:
    """Return what is odd about a file's extension, such as ``"a PNG named .jpg"``, or ``""``."""
    return formats.extension_note(header.format, name)


def read_header(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Header:
    """Return what the head of a file says, without decoding its pixels.

    Args:
        data: The whole file.
        max_pixels: Pictures of more pixels than this are refused.

    Raises:
        ImageError: It is no picture that could be read; damage further on is not seen here.
    """
    return _opened(data, max_pixels, _header)


def decode(
    data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS, at_least: int | None = None
) -> Image.Image:
    """Return a file's picture, the first one if it holds several: RGB and upright.

    Args:
        data: The whole file.
        max_pixels: Pictures of more pixels than this are refused, before any pixel is decoded.
        at_least: The caller will shrink the picture to about this many pixels a side, so it may
            come smaller than stored, though with no side below twice this (unless it was already).

    Raises:
        ImageError: It is no picture that can be read.
        ValueError: `at_least` is below 1.
    """
    if at_least is not None and at_least < 1:
        raise ValueError(f"at_least must be 1 or more, got {at_least}")
    return _opened(data, max_pixels, lambda image: _pixels(image, at_least))


def taken_at(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> tuple[str, float]:
    """Return when a photo says that it was taken: EXIF's text, and the fraction of the second.

    Args:
        data: The whole file.
        max_pixels: As in `decode`.

    Returns:
        Such as ``("2024:05:06 07:08:09", 0.25)``; ``("", 0.0)`` where it does not say.

    Raises:
        ImageError: It is no picture that can be read.
    """
    return _opened(data, max_pixels, _moment)


def place_of(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> tuple[float, float]:
    """Return where a photo says that it was taken: degrees north and east; NaN if it does not say.

    Args:
        data: The whole file.
        max_pixels: As in `decode`.

    Raises:
        ImageError: It is no picture that can be read.
    """
    return _opened(data, max_pixels, _place)


def _opened(data: bytes, max_pixels: int, use: Callable[[ImageFile.ImageFile], _T]) -> _T:
    """Return what `use` makes of the opened file; any failure is an `ImageError`."""
    name = formats.identify(data)
    size = declared_size(data, name)
    if size:
        _check_size(size, max_pixels)
    if name == "JPEG":
        refuse_many_scans(data)
    with QUIET:
        try:
            return _attempt(data, name, max_pixels, use)
        except Image.DecompressionBombError:
            pass
        with NO_LIMIT:
            try:
                return _attempt(data, name, max_pixels, use)
            except Image.DecompressionBombError as error:  # someone has set it again meanwhile
                raise ImageError("too large", str(error)) from error


def _attempt(
    data: bytes, name: str, max_pixels: int, use: Callable[[ImageFile.ImageFile], _T]
) -> _T:
    if name == "TIFF":
        libtiff.hush()
    stream = io.BytesIO(data)
    image: ImageFile.ImageFile | None = None
    try:
        with _open(stream, name) as image:
            _check_size(image.size, max_pixels)
            formats.refuse_raw_photo(image)
            return use(image)
    except (ImageError, Image.DecompressionBombError):
        raise
    except Exception as error:
        # On damaged data, Pillow's decoders let out nearly every kind of exception.
        raise formats.failure(error, data, name, image, stream.tell()) from error


def _open(stream: io.BytesIO, name: str) -> ImageFile.ImageFile:
    return heif.open_heif(stream) if name == "HEIF" else Image.open(stream, formats=[name])


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels or max(size) > MAX_SIDE:
        limit = f"{max_pixels:,}" if width * height > max_pixels else f"{MAX_SIDE:,} a side"
        raise ImageError("too large", f"{width:,} × {height:,} pixels, the limit is {limit}")


def _header(image: ImageFile.ImageFile) -> Header:
    width, height = image.size
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        width, height = image.tag_v2[256], image.tag_v2[257]  # Pillow's size is the upright one
    return Header(image.format or "", width, height, image.mode)


def _pixels(image: ImageFile.ImageFile, at_least: int | None) -> Image.Image:
    stored = image.size
    if at_least is not None:
        image.draft("RGB", (2 * at_least, 2 * at_least))  # does nothing unless it is a JPEG
    transparent = image.info.get("transparency")
    if isinstance(transparent, tuple) and image.tile and image.tile[0].args == "RGB;16B":
        # Pillow keeps the upper byte of each 16-bit sample, but all of the transparent colour.
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    # Of a progressive JPEG all coefficients are kept, also where it is decoded at an eighth.
    width, height = stored if "progressive" in image.info else image.size
    with ROOM.take(width * height):
        image.load()
        turn = _turn(image)
        rgb = _to_rgb(image, at_least)
        if turn is not None:
            rgb = rgb.transpose(turn)
    rgb.info = {}  # with the orientation left there, whoever applies it would do so again
    return rgb


def _turn(image: ImageFile.ImageFile) -> Image.Transpose | None:
    try:
        return _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:
        return None  # damaged EXIF: the pixels are still good


def _moment(image: ImageFile.ImageFile) -> tuple[str, float]:
    try:
        exif = image.getexif().get_ifd(ExifTags.IFD.Exif)
        text = str(exif.get(ExifTags.Base.DateTimeOriginal, "")).strip("\x00 ")
        digits = str(exif.get(ExifTags.Base.SubsecTimeOriginal, "")).strip("\x00 ")
    except Exception:
        return "", 0.0  # damaged EXIF: nobody knows
    return text, float(f"0.{digits}") if text and digits.isascii() and digits.isdecimal() else 0.0


def _place(image: ImageFile.ImageFile) -> tuple[float, float]:
    try:
        exif = image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        north = _degrees(exif[ExifTags.GPS.GPSLatitude], exif[ExifTags.GPS.GPSLatitudeRef], "NS")
        east = _degrees(exif[ExifTags.GPS.GPSLongitude], exif[ExifTags.GPS.GPSLongitudeRef], "EW")
    except Exception:
        return float("nan"), float("nan")  # none, or damaged: nobody knows
    is_on_earth = abs(north) <= 90 and abs(east) <= 180
    # Cameras that have not found their place yet write zeros.
    return (north, east) if is_on_earth and (north or east) else (float("nan"), float("nan"))


def _degrees(parts: Any, side: Any, sides: str) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    signs = {sides[0]: 1, sides[1]: -1}
    return signs[str(side).strip("\x00 ")] * (degrees + minutes / 60 + seconds / 3600)


def _to_rgb(image: ImageFile.ImageFile, at_least: int | None) -> Image.Image:
    if image.mode[0] == "I" or image.mode == "F":
        return Image.fromarray(_eight_bit(image)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGB", rgba.size, (255, 255, 255))
        white.paste(rgba.convert("RGB"), mask=rgba.getchannel("A"))
        return white
    factor = min(image.size) // (2 * at_least) if at_least is not None else 1
    if factor > 1 and image.width * image.height > _LARGE and image.mode in ("L", "RGB", "CMYK"):
        return image.reduce(factor).convert("RGB")
    if image.mode != "RGB":
        return image.convert("RGB")
    # A loaded JPEG has let go of its stream; others may hold on to it for their further frames.
    return image if image.format == "JPEG" else image.copy()


def _eight_bit(image: ImageFile.ImageFile) -> npt.NDArray[np.uint8]:
    """Return the 8-bit grey levels of a picture of 16 or 32 bits a pixel."""
    values: npt.NDArray[Any] = np.asarray(image)
    if image.mode == "F":
        finite = values[np.isfinite(values)]
        scale = 255.0 if finite.size and finite.max() <= 1 else 1.0
        known = np.nan_to_num(values, nan=0.0, posinf=255.0, neginf=0.0)
        levels = np.rint((known * np.float32(scale)).clip(0, 255))
    # These formats have no 32-bit grey; Pillow merely holds their 16 bits in such a picture.
    elif image.mode != "I" or image.format in ("PNG", "PPM", "JPEG2000") or values.max() > 255:
        levels = (values.clip(0, 65535).astype(np.uint32) + 128) // 257
    else:
        levels = values.clip(0, 255)
    grey: npt.NDArray[np.uint8] = levels.astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return grey
