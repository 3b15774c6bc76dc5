"""What a file's bytes say it is, what its name should then end in, and how it is damaged.

Nothing here decodes anything. Pillow's own recognition is not enough for two reasons: it tries
weak signatures on text, and it has no word for an image that we choose not to read.
"""

from __future__ import annotations

import functools
import importlib
import re
from pathlib import PurePosixPath
from typing import Final

from PIL import ImageFile, TiffImagePlugin, UnidentifiedImageError, features

from photograft.core.errors import ImageError
from photograft.data import foreign, heif

# Imported here and once, or Pillow would import all the plugins that it has, maybe from several
# threads at once, on the first file of a kind that it has not met.
_PLUGINS = ("Avif", "Bmp", "Gif", "Ico", "Jpeg", "Jpeg2K", "Mpo", "Png", "Ppm", "Tiff", "WebP")
for _plugin in _PLUGINS:
    importlib.import_module(f"PIL.{_plugin}ImagePlugin")

#: By Pillow's name: what to call it, with its article, and the extensions that go with it.
READABLE: Final[dict[str, tuple[str, frozenset[str]]]] = {
    name: (called, frozenset(extensions.split()))
    for name, called, extensions in (
        ("JPEG", "a JPEG", ".jpg .jpeg .jpe .jfif .jif .mpo"),
        ("MPO", "an MPO", ".jpg .jpeg .jpe .jfif .jif .mpo"),
        ("PNG", "a PNG", ".png .apng"),
        ("GIF", "a GIF", ".gif"),
        ("BMP", "a BMP", ".bmp .dib"),
        ("DIB", "a DIB", ".bmp .dib"),
        ("TIFF", "a TIFF", ".tif .tiff"),
        ("WEBP", "a WebP", ".webp"),
        ("AVIF", "an AVIF", ".avif .avifs"),
        ("HEIF", "an HEIC", ".heic .heif .hif .heics .heifs"),
        ("PPM", "a PPM", ".ppm .pgm .pbm .pnm .pfm"),
        ("JPEG2000", "a JPEG 2000", ".jp2 .j2k .jpf .jpx .j2c .jpc"),
        ("ICO", "an ICO", ".ico"),
    )
}

#: Decoders that a build of Pillow may lack, by `features.check`'s name for them.
_OPTIONAL = {
    "JPEG": "jpg",
    "PNG": "zlib",
    "WEBP": "webp",
    "AVIF": "avif",
    "JPEG2000": "jpg_2000",
}

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
)

_CUT_SHORT = re.compile(r"truncat|not enough image data|reached EOF|only got", re.IGNORECASE)

_DNG_VERSION, _SUB_IFDS, _SUBFILE_TYPE, _REDUCED, _MAKE = 50706, 330, 254, 1, 271

_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2", b"heif")
)
_BMP_HEADERS = frozenset((12, 16, 40, 52, 56, 64, 108, 124))
_PNM = re.compile(rb"P[1-6f]\s(?:\s|#[^\r\n]*[\r\n])*\d")


def identify(data: bytes) -> str:
    """Return Pillow's name for the format of a file that we read.

    Args:
        data: The file, or at least its first few thousand bytes.

    Returns:
        A key of `READABLE`. A JPEG that holds several pictures is still ``"JPEG"`` here.

    Raises:
        ImageError: The file is empty, is no image, or is one of a format that we don't read.
    """
    if not data:
        raise ImageError("empty file")
    found = _readable(data)
    if found:
        if found == "HEIF" and not heif.is_there():
            raise ImageError(
                "unsupported format",
                "an HEIC, and its reader is missing; run `pip install pi-heif`, or convert it to "
                "JPEG",
            )
        if not can_decode(found):
            raise ImageError(
                "unsupported format",
                f"{READABLE[found][0]}, for which this Pillow has no decoder; convert it to PNG",
            )
        return found
    unread = foreign.unread(data)
    if unread:
        raise ImageError("unsupported format", unread)
    raise ImageError("not an image", foreign.other(data))


@functools.cache
def can_decode(name: str) -> bool:
    """Return whether there is a decoder for the format of that name."""
    if name == "HEIF":
        return heif.is_there()
    return name in READABLE and (name not in _OPTIONAL or bool(features.check(_OPTIONAL[name])))


def extension_note(name: str, file_name: str) -> str:
    """Return what is odd about the extension of a file, or the empty string.

    Args:
        name: Pillow's name of the format that the file has.
        file_name: Its name, with or without folders.

    >>> extension_note("PNG", "cats/tom.JPG")
    'a PNG named .jpg'
    >>> extension_note("JPEG", "cats/tom.JPG")
    ''
    """
    called, extensions = READABLE[name]
    extension = PurePosixPath(file_name).suffix.lower()
    if extension in extensions:
        return ""
    return f"{called} named {extension}" if extension else f"{called} without an extension"


def refuse_raw_photo(image: ImageFile.ImageFile) -> None:
    """Refuse a raw photo that is laid out as a TIFF (DNG, NEF, ARW and others).

    The first picture of such a file is only a thumbnail, and that is all that Pillow reads of it.

    Args:
        image: Any file as opened by Pillow.

    Raises:
        ImageError: It is such a raw photo.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    tags = image.tag_v2
    if _DNG_VERSION in tags:
        raise ImageError("unsupported format", foreign.raw_photo("DNG"))
    if _SUB_IFDS in tags and tags.get(_SUBFILE_TYPE) == _REDUCED:
        raise ImageError("unsupported format", foreign.raw_photo_of(str(tags.get(_MAKE, ""))))


def refuse_by_name(data: bytes, file_name: str) -> None:
    """Refuse what only its name tells to be a raw photo or a video.

    That is bytes that say nothing, and a TIFF: what is read of it might be a thumbnail.

    Args:
        data: The file's bytes.
        file_name: The file's name.

    Raises:
        ImageError: It is such a file.
    """
    called = foreign.unread_by_name(file_name)
    if not called or not data:
        return
    found = _readable(data)
    says_nothing = not found and not foreign.unread(data) and foreign.other(data) == foreign.UNKNOWN
    if found == "TIFF" or says_nothing:
        raise ImageError("unsupported format", called)


def failure(
    error: Exception, data: bytes, name: str, image: ImageFile.ImageFile | None, read_to: int
) -> ImageError:
    """Return the error for a file that Pillow could not decode: cut short, or else damaged.

    Args:
        error: What Pillow raised.
        data: The file.
        name: Pillow's name of its format.
        image: The file as opened by Pillow; None if it could not even be opened.
        read_to: The position in the file up to which Pillow had read.
    """
    if isinstance(error, MemoryError):
        return ImageError("unreadable", "there is not enough memory to decode it")
    cut = _ends_early(data, name, image)
    if isinstance(error, UnidentifiedImageError):
        # Its message says nothing: each plugin has another reason to give a header up.
        called = READABLE[name][0]
        if cut or read_to >= len(data):
            return ImageError("truncated", f"{called} that ends within its header")
        return ImageError("unreadable", f"{called} with a header that makes no sense")
    message = " ".join(str(error).split()) or type(error).__name__
    cut = cut or _CUT_SHORT.search(message) is not None
    return ImageError("truncated" if cut else "unreadable", message)


def _ends_early(data: bytes, name: str, image: ImageFile.ImageFile | None) -> bool:
    """Return whether the file's own structure says that there should be more of it."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return _strips_end(image) > len(data)
    if name == "WEBP":
        return len(data) < 12 or int.from_bytes(data[4:8], "little") + 8 > len(data)
    if name == "PNG":
        at, kind = 8, b""
        while kind != b"IEND" and at + 12 <= len(data):
            kind = data[at + 4 : at + 8]
            at += 12 + int.from_bytes(data[at : at + 4], "big")
        return kind != b"IEND" or at > len(data)
    if name == "JPEG" or (name == "JPEG2000" and data[:1] == b"\xff"):
        return b"\xff\xd9" not in data[-4096:]
    if name not in ("AVIF", "HEIF", "JPEG2000"):
        return False
    at = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if length == 0:  # "up to the end of the file"
            return False
        if length == 1:
            length = int.from_bytes(data[at + 8 : at + 16], "big")
        at += max(length, 8)
    return at != len(data) or (b"jp2c" if name == "JPEG2000" else b"mdat") not in data


def _strips_end(image: TiffImagePlugin.TiffImageFile) -> int:
    """Return where the pixels of a TIFF end in the file; 0 where the file does not say."""
    ends = [0]
    for offsets, lengths in ((273, 279), (324, 325)):  # of strips, of tiles
        pairs = zip(image.tag_v2.get(offsets, ()), image.tag_v2.get(lengths, ()), strict=False)
        ends += [o + n for o, n in pairs if isinstance(o, int) and isinstance(n, int)]
    return max(ends)


def _readable(data: bytes) -> str | None:
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return None if foreign.is_cr2(data) else name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    brands = foreign.brands(data)
    if {b"avif", b"avis"} & set(brands) and brands[0] in (b"avif", b"avis", b"mif1", b"msf1"):
        return "AVIF"
    if brands and brands[0] != b"crx " and _HEIF_BRANDS & set(brands):
        return "HEIF"
    if data[:4] == b"\0\0\x01\0" and data[4:6] != b"\0\0" and data[9:10] in (b"\0", b"\xff"):
        return "ICO"
    # "BM", "P5" and a small number are also how a text may start; so more than that is asked for.
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if int.from_bytes(data[:4], "little") in _BMP_HEADERS and _dib_planes(data) == 1:
        return "DIB"
    return "PPM" if _PNM.match(data[:4096]) else None


def _dib_planes(data: bytes) -> int:
    at = 8 if data[0] == 12 else 12
    return int.from_bytes(data[at : at + 2], "little")
