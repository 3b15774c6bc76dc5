"""Files that are no photo that is read: what they are called, and what to do with them.

Told from their first bytes, and for some only by their names.
"""

from __future__ import annotations

from pathlib import PurePosixPath

_CONVERT = "convert it to JPEG or PNG"
_VIDEO = "a video; save frames of it as JPEG or PNG"

#: Images, but none that we read. PostScript and PDF never will be: Pillow runs Ghostscript on them.
_UNREAD: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document; convert its pages to JPEG or PNG"),
    (b"%!PS", "a PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "an EPS file"),
    (b"8BPS", "a Photoshop document"),
    (b"gimp xcf", "a GIMP document"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
    (b"II\xbc\x01", "a JPEG XR picture"),
    (b"FUJIFILMCCD-RAW", "a raw photo (Fujifilm RAF)"),
    (b"IIRO", "a raw photo (Olympus ORF)"),
    (b"IIRS", "a raw photo (Olympus ORF)"),
    (b"MMOR", "a raw photo (Olympus ORF)"),
    (b"IIU\0", "a raw photo (Panasonic RW2)"),
    (b"FOVb", "a raw photo (Sigma X3F)"),
    (b"\0MRM", "a raw photo (Minolta MRW)"),
    (b"v/1\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance HDR picture"),
    (b"qoif", "a QOI picture"),
    (b"DDS ", "a DDS texture"),
    (b"icns", "an Apple icon"),
    (b"\0\0\x02\0", "a Windows cursor or a TGA picture"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (b"AT&TFORM", "a DjVu document"),
    (b"SIMPLE  =", "a FITS picture"),
    (b"\x1aE\xdf\xa3", _VIDEO),  # Matroska, WebM
    (b"\0\0\x01\xba", _VIDEO),  # MPEG
    (b"\0\0\x01\xb3", _VIDEO),
    (b"0&\xb2u\x8ef\xcf\x11", _VIDEO),  # WMV
    (b"FLV\x01", _VIDEO),
)

#: Files that often lie among photos and are none; the name helps to find out why they are there.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "it is a Git LFS pointer; run `git lfs pull` to fetch the photo"),
    (b"\0\x05\x16\x07", "it is a macOS resource fork, not the photo itself"),
    (b"PK\x03\x04", "it is a ZIP archive"),
    (b"\x1f\x8b", "it is a gzip archive"),
    (b"Rar!", "it is a RAR archive"),
    (b"7z\xbc\xaf", "it is a 7-Zip archive"),
    (b"\x93NUMPY", "it is a NumPy array"),
    (b"RIFF", "it is a RIFF file, such as a WAV sound"),
)

#: The makers of raw photos that are laid out as TIFF, as they call themselves, and their formats.
_MAKERS = {
    "canon": "Canon CR2",
    "nikon": "Nikon NEF",
    "sony": "Sony ARW",
    "pentax": "Pentax PEF",
    "ricoh": "Pentax PEF",
    "samsung": "Samsung SRW",
    "hasselblad": "Hasselblad 3FR",
    "phase one": "Phase One IIQ",
}

_RAW = (
    "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf "
    "srw x3f"
)
_VIDEOS = "3gp avi m2ts m4v mkv mov mp4 mpeg mpg mts webm wmv"
_RAW_SUFFIXES, _VIDEO_SUFFIXES = (
    frozenset(f".{name}" for name in names.split()) for names in (_RAW, _VIDEOS)
)


def unread(data: bytes) -> str:
    """Return what an image or video is that is not read, and what to do; empty for anything else.

    >>> unread(b"%PDF-1.7")
    'a PDF document; convert its pages to JPEG or PNG'
    """
    called = _called(data)
    return called if not called or "; " in called else f"{called}; {_CONVERT}"


def unread_by_name(name: str) -> str:
    """Return likewise what a file's name says, where its bytes say nothing.

    >>> unread_by_name("cats/1.NEF")
    'a raw photo (NEF); convert it to JPEG or PNG'
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _RAW_SUFFIXES:
        return raw_photo(suffix[1:].upper())
    return _VIDEO if suffix in _VIDEO_SUFFIXES else ""


def raw_photo(kind: str) -> str:
    """Return what a camera's raw photo of some format is called, and what to do."""
    return f"a raw photo ({kind}); {_CONVERT}"


def raw_photo_of(maker: str) -> str:
    """Return the same by the maker that the file names, who may be unknown.

    >>> raw_photo_of("NIKON CORPORATION")
    'a raw photo (Nikon NEF); convert it to JPEG or PNG'
    """
    known = (kind for name, kind in _MAKERS.items() if maker.strip().lower().startswith(name))
    return raw_photo(next(known, "of a camera"))


def is_cr2(data: bytes) -> bool:
    """Return whether a file is a Canon raw photo, which else would be a TIFF."""
    return data[:4] in (b"II*\0", b"MM\0*") and data[8:10] == b"CR"


def brands(data: bytes) -> list[bytes]:
    """Return the major brand of an ISO media file and then its compatible ones."""
    if data[4:8] != b"ftyp":
        return []
    box = data[8 : min(int.from_bytes(data[:4], "big"), 512)] or data[8:12]
    return [box[:4]] + [box[at : at + 4] for at in range(8, len(box), 4)]


def other(data: bytes) -> str:
    """Return what a file is that is neither image nor video."""
    for magic, called in _OTHERS:
        if data.startswith(magic):
            return called
    head = data[:4096]
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html")):
        return "it is an HTML page, perhaps of a failed download"
    if not head.strip(b"\0"):
        return "it starts with nothing but zero bytes"
    try:
        head[:-4].decode("utf-8") if len(data) > len(head) else head.decode("utf-8")
    except UnicodeDecodeError:
        return UNKNOWN
    return "it is text"


#: What `other` says of bytes that say nothing.
UNKNOWN = "its first bytes are those of no known image format"


def _called(data: bytes) -> str:
    for magic, called in _UNREAD:
        if data.startswith(magic):
            return called
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return _VIDEO
    found = brands(data)
    if found and found[0]:
        return "a raw photo (Canon CR3)" if found[0] == b"crx " else _VIDEO
    if is_cr2(data):
        return "a raw photo (Canon CR2)"
    if data[128:132] == b"DICM":
        return "a DICOM image"
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<svg", b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in head:
        return "an SVG drawing"
    return ""
