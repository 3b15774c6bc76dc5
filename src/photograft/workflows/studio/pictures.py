"""Small pictures of photos: made once, kept in the cache, and drawn where a photo can't be read.

A file is known by its stamp (size, times, place), so that nothing is read of one that has its
thumbnail. In memory there is none: what is asked for often, the system keeps.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from photograft.core.errors import ImageError
from photograft.core.files import read_file
from photograft.core.stamps import Stamp, stamp_of
from photograft.data import images

#: Longest sides in pixels at which thumbnails are given.
SIZES = (160, 320)
#: That of a photo looked at alone.
VIEW = 1600
#: Bytes that all thumbnails may take in the cache before the oldest are dropped.
MAX_BYTES = 2 * 2**30

#: Raise it whenever a file gives another thumbnail.
_CODE_VERSION = 1
_QUALITY = {160: 80, 320: 80, VIEW: 88}


@dataclass(frozen=True)
class Picture:
    """A JPEG.

    Attributes:
        data: Its bytes.
        tag: What tells it from others, of the same photo before it changed, too.
        problem: Why it is a placeholder; empty where it is none.
    """

    data: bytes
    tag: str
    problem: str = ""


class Pictures:
    """Makes and keeps pictures of files; for several threads.

    Args:
        cache: The user's cache folder.

    Attributes:
        num_asked: Pictures that somebody is waiting for now.
    """

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "thumbnails"
        self._problems: dict[str, tuple[Stamp | None, str]] = {}
        self._lock = threading.Lock()
        self.num_asked = 0

    @contextlib.contextmanager
    def asked(self) -> Iterator[None]:
        """Have work in the background wait."""
        with self._lock:
            self.num_asked += 1
        try:
            yield
        finally:
            with self._lock:
                self.num_asked -= 1

    def problem(self, file: str) -> str:
        """Return why a file can't be read, as far as that is known; empty where it can."""
        known = self._problems.get(file)
        return known[1] if known else ""

    def unreadable(self) -> dict[str, str]:
        """Return the files that can't be read, as far as that is known, and why."""
        return {file: reason for file, (_, reason) in list(self._problems.items())}

    def thumbnail(self, file: str, size: int) -> Picture:
        """Return a file's thumbnail.

        Args:
            file: Where it is.
            size: One of `SIZES`.
        """
        stamp = stamp_of(Path(file))
        key = _key(file, stamp)
        kept = self._kept(key, size)
        if kept is not None:
            return Picture(kept, f"{key[:24]}-{size}")
        known = self._problems.get(file)
        if known is not None and known[0] == stamp and stamp is not None:
            return _placeholder(known[1], size)
        try:
            picture = self._opened(file, SIZES[-1])
        except ImageError as error:
            self._problems[file] = (stamp, error.reason)
            return _placeholder(error.reason, size)
        self._problems.pop(file, None)
        made = b""
        for side in reversed(SIZES):
            data = _jpeg(picture, side)
            self._keep(key, side, data)
            made = data if side == size else made
        return Picture(made, f"{key[:24]}-{size}")

    def view(self, file: str) -> Picture:
        """Return a file's picture for looking at it alone; it is not kept."""
        key = _key(file, stamp_of(Path(file)))
        try:
            return Picture(_jpeg(self._opened(file, VIEW), VIEW), f"{key[:24]}-{VIEW}")
        except ImageError as error:
            return _placeholder(error.reason, SIZES[-1])

    def has_thumbnail(self, file: str) -> bool:
        """Return whether nothing is left to do for a file: it has one, or can't have one."""
        stamp = stamp_of(Path(file))
        known = self._problems.get(file)
        if known is not None and known[0] == stamp:
            return True
        return self._path(_key(file, stamp), SIZES[0]).exists()

    def prune(self, max_bytes: int = MAX_BYTES) -> None:
        """Drop the oldest thumbnails until all take no more than so many bytes."""
        found = []
        for path in self._folder.glob("*/*.jpg"):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size

    def _opened(self, file: str, size: int) -> Image.Image:
        """Return a file's picture, no side of it longer than `size`.

        Raises:
            ImageError: It can't be read.
        """
        try:
            data = read_file(Path(file))
        except OSError as error:
            raise ImageError("unreadable", error.strerror or str(error)) from error
        header = images.read_header(data)
        # What is decoded small goes by twice the shortest side; here the longest one counts.
        sides = sorted((header.width, header.height))
        shortest = min(size, -(-size * sides[0] // sides[1]))
        picture = images.decode(data, at_least=-(-shortest // 2))
        picture.thumbnail((size, size), _FINE)
        return picture

    def _kept(self, key: str, size: int) -> bytes | None:
        try:
            return self._path(key, size).read_bytes() or None
        except OSError:
            return None

    def _keep(self, key: str, size: int, data: bytes) -> None:
        """Keep a thumbnail; where there is no room, it is made anew the next time."""
        path = self._path(key, size)
        partial = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                partial.write_bytes(data)
                os.replace(partial, path)
            finally:
                partial.unlink(missing_ok=True)

    def _path(self, key: str, size: int) -> Path:
        return self._folder / key[:2] / f"{key[2:34]}-{size}.jpg"


_FINE = Image.Resampling.LANCZOS


def _key(file: str, stamp: Stamp | None) -> str:
    text = f"{_CODE_VERSION} {images.CODE_VERSION} {file} {stamp}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _jpeg(picture: Image.Image, size: int) -> bytes:
    if max(picture.size) > size:
        picture = picture.copy()
        picture.thumbnail((size, size), _FINE)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_QUALITY[size])
    return file.getvalue()


@functools.lru_cache(64)
def _placeholder(reason: str, size: int) -> Picture:
    """Return the picture of a photo that can't be read: a torn sheet, in colours for any ground."""
    picture = Image.new("RGB", (size, size * 3 // 4), (128, 132, 138))
    draw = ImageDraw.Draw(picture)
    width, height = picture.size
    line, middle = max(2, size // 60), (width // 2, height // 2)
    side = height // 4
    box = (middle[0] - side, middle[1] - side, middle[0] + side, middle[1] + side)
    draw.rectangle(box, outline=(226, 228, 231), width=line)
    draw.line((box[0], box[3], box[2], box[1]), fill=(226, 228, 231), width=line)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_QUALITY[SIZES[0]])
    return Picture(file.getvalue(), f"placeholder-{size}", reason)
